"""A canary that fails or is slow is stopped without a person."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from churn.core import params
from churn.serve.metrics import BOUNDS, Durations, Numbers, Sum
from churn.serve.store import Challenger
from churn.serve.watch import Counts, Watch, counted, reason_to_stop
from tests.conftest import PARAMS

LIMITS = params.load(PARAMS, {"release.p95_ms": 300}).release


def numbers(version: str = "4", failures: int = 0, **seconds: int) -> CollectorRegistry:
    """Return what workers have counted: how many requests took up to 5 ms, 250 ms, and so on."""
    counts = [0] * (len(BOUNDS) + 1)
    for bound, count in seconds.items():
        counts[BOUNDS.index(float(bound.removeprefix("up_to_").replace("_", ".")))] = count
    found = CollectorRegistry()
    values = {"churn_challenger_failures": {(version,): float(failures)}}
    durations = {
        "churn_scoring_duration_seconds": {
            ("challenger", version): Durations(counts),
            ("champion", "3"): Durations([9] * len(counts)),
        }
    }
    found.register(Sum([(Numbers(values, durations), True)]))
    return found


def reason(found: CollectorRegistry) -> str:
    return reason_to_stop(counted(found, "4"), LIMITS)


def test_the_challenger_alone_is_counted() -> None:
    found = counted(numbers(failures=2, up_to_0_005=90, up_to_0_25=10), "4")
    assert (found.requests, found.failures) == (100, 2)
    assert counted(numbers(version="5", up_to_0_005=9), "4") == Counts(0.0, {})


@pytest.mark.parametrize(
    ("failures", "answered", "stops"),
    [(2, 0, False), (3, 0, True), (3, 297, False), (4, 296, True), (300, 100_000, False)],
)
def test_failures_stop_it_where_they_are_no_accident(
    failures: int, answered: int, stops: bool
) -> None:
    said = reason(numbers(failures=failures, up_to_0_005=answered))
    assert bool(said) is stops
    if stops:
        assert said == f"it could not answer {failures} of {failures + answered} requests"


@pytest.mark.parametrize(
    ("slow", "stops"), [({"up_to_0_5": 100}, False), ({"up_to_1_0": 100}, True)]
)
def test_slow_predictions_stop_it_beyond_the_limit_and_not_for_the_width_of_a_bucket(
    slow: dict[str, int], stops: bool
) -> None:
    # Of up to 0.5 s all may have taken 0.26 s, which 0.3 s allow.
    assert bool(reason(numbers(**slow))) is stops


def test_a_few_requests_say_nothing_about_the_slowest() -> None:
    assert reason(numbers(up_to_10_0=99)) == ""
    assert "5 of 100 predictions take more than 5000 ms" in reason(numbers(up_to_10_0=100))
    assert reason(numbers(up_to_0_005=96, up_to_10_0=4)) == ""


def test_a_second_canary_begins_anew() -> None:
    watch = Watch(LIMITS)
    first = Challenger(version="4", digest="d", share=0.1, since="monday")
    second = first.model_copy(update={"since": "tuesday"})
    assert watch.reason_to_stop(first, numbers()) == ""
    assert watch.reason_to_stop(first, numbers(failures=5))
    assert watch.reason_to_stop(second, numbers(failures=5)) == ""
    assert watch.reason_to_stop(second, numbers(failures=7)) == ""
    assert "could not answer 3 of 3" in watch.reason_to_stop(second, numbers(failures=8))
