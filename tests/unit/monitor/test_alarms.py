"""Which quantities are an alarm, and when one is over."""

from __future__ import annotations

import pytest

from churn.monitor import alarms
from churn.monitor.results import Measure, Window


def window(name: int, over: tuple[str, ...] = (), skipped: str = "") -> Window:
    measures = [
        Measure(
            kind="data" if quantity != "p" else "predictions",
            name=quantity,
            column="",
            value=0.5 if quantity in over else 0.1,
            effect=0.1,
            noise=0.2,
            shown=quantity,
        )
        for quantity in ("a", "b", "p")
    ]
    return Window(
        name=str(name),
        rows=9,
        customers=9,
        answers=9,
        skipped=skipped,
        measures=[] if skipped else measures,
        estimated={},
        latency_ms={},
    )


def found(*windows: Window) -> dict[str, list[str]]:
    return {alarm.name: alarm.windows for alarm in alarms.of_windows(windows, 2, 3)}


def test_one_day_is_no_alarm() -> None:
    assert found(window(1), window(2, ("a",))) == {}


def test_two_days_of_three_are_one() -> None:
    assert found(window(1, ("a",)), window(2), window(3, ("a",))) == {"a": ["1", "3"]}


def test_the_newest_day_has_to_be_among_them() -> None:
    assert found(window(1, ("a",)), window(2, ("a",)), window(3)) == {}


def test_older_days_do_not_count() -> None:
    assert found(window(1, ("a",)), window(2), window(3), window(4, ("a",))) == {}


def test_two_quantities_do_not_make_up_for_each_other() -> None:
    assert found(window(1, ("a",)), window(2, ("b",))) == {}


def test_days_that_are_not_judged_do_not_count() -> None:
    days = window(1, ("a",)), window(2, skipped="few"), window(3, ("a",)), window(4, skipped="few")
    assert found(*days) == {"a": ["1", "3"]}


def test_a_single_window_is_judged_alone() -> None:
    assert found(window(1, ("a",))) == {"a": ["1"]}


def test_nothing_judged_is_no_alarm() -> None:
    assert found(window(1, skipped="few")) == {}


@pytest.mark.parametrize(
    ("days", "over"),
    [
        ([("a",), ()], ["b", "p"]),
        ([(), ()], ["a", "b", "p"]),
        ([("p",), ("a",)], ["b"]),
        ([("a",), (), ()], ["a", "b", "p"]),
        ([("a",)], ["b", "p"]),
    ],
)
def test_an_alarm_is_over_when_it_could_not_be_back_tomorrow(
    days: list[tuple[str, ...]], over: list[str]
) -> None:
    windows = [window(day, names) for day, names in enumerate(days)]
    assert alarms.settled(windows, [], 2) == over


@pytest.mark.parametrize("days", [[True], [False, True], [True, False]])
def test_what_was_not_measured_is_not_over(days: list[bool]) -> None:
    windows = [window(i, skipped="few" if skip else "") for i, skip in enumerate(days)]
    assert alarms.settled(windows, [], 2) == []
