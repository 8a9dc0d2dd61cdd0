"""monitor.prom: what Prometheus is told of the monitor's newest report."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from churn.monitor.results import TITLES, Report
from churn.monitor.textfile import render
from tests.unit.monitor.reports import measure, report, window

Labels = tuple[tuple[str, str], ...]


def numbers(found: Report, moment: float | None = 1e9) -> dict[tuple[str, Labels], float]:
    return {
        (sample.name.removeprefix("churn_monitor_"), tuple(sorted(sample.labels.items()))): (
            sample.value
        )
        for family in text_string_to_metric_families(render(found, moment))
        for sample in family.samples
    }


def of(kind: str, name: str) -> Labels:
    return (("kind", kind), ("name", name))


AGE = of("data", "drift of age")


def test_it_has_what_is_judged_now() -> None:
    found = numbers(report())
    assert found["last_run_timestamp_seconds", ()] == 1e9
    assert found["version", ()] == 3
    assert found["customers", ()] == 1200
    assert (found["value", AGE], round(found["limit", AGE], 9), found["alarm", AGE]) == (
        0.01,
        0.07,
        0,
    )
    assert ("value", of("performance", "roc_auc")) in found
    assert {labels for name, labels in found if name == "alarms"} == {
        (("kind", kind),) for kind in TITLES
    }
    assert sum(value for (name, _), value in found.items() if name == "alarms") == 0


def test_an_alarm_is_counted_and_named() -> None:
    found = numbers(report(alarming=True))
    assert found["alarms", (("kind", "data"),)] == 1
    assert found["alarms", (("kind", "performance"),)] == 0
    assert (found["value", AGE], found["alarm", AGE]) == (0.3, 1)


def test_what_the_server_says_is_there_too() -> None:
    found = numbers(report(server=[measure("service", "requests that failed", 0.2)]))
    assert found["value", of("service", "requests that failed")] == 0.2


def test_metrics_have_their_intervals() -> None:
    found = numbers(report())
    for how, value, lower, upper in (("estimated", 0.81, 0.78, 0.84), ("measured", 0.8, 0.7, 0.9)):
        labels = {"metric": "roc_auc", "how": how}
        assert found["metric", tuple(sorted(labels.items()))] == value
        for bound, expected in (("lower", lower), ("upper", upper)):
            assert found["metric_bound", tuple(sorted((labels | {"bound": bound}).items()))] == (
                expected
            )


def test_what_was_not_judged_shows_no_customers() -> None:
    skipped = window("2026-11-28", skipped="fewer than 50 customers")
    found = numbers(report(windows=[skipped], performance=None))
    assert found["customers", ()] == 0
    assert not [name for name, _ in found if name in ("value", "metric")]


def test_any_name_is_a_label() -> None:
    odd = 'drift of "age"\\\n{}'
    drifted = report().windows[0].measures[0].model_copy(update={"name": odd})
    found = numbers(report(windows=[window("2026-11-28", drifted)]))
    assert found["value", of("data", odd)] == 0.01
