"""Reports of the monitor, with something of everything."""

from __future__ import annotations

from typing import Any

from churn.monitor.results import Alarm, GroupResult, Interval, Measure, Performance, Report, Window


def measure(kind: Any, name: str, value: float) -> Measure:
    return Measure(
        kind=kind, name=name, column="", value=value, effect=0.05, noise=0.02, shown=name
    )


def window(name: str, *measures: Measure, skipped: str = "") -> Window:
    return Window(
        name=name,
        rows=1300,
        customers=1200,
        answers=1400,
        skipped=skipped,
        measures=list(measures),
        estimated={"roc_auc": Interval(value=0.81, lower=0.78, upper=0.84)},
        latency_ms={"0.95": 3.5},
    )


def report(alarming: bool = False, **given: Any) -> Report:
    """Return a report of two days with labels; alarming: the age has drifted."""
    drift = measure("data", "drift of age", 0.3 if alarming else 0.01)
    measured = {"roc_auc": Interval(value=0.8, lower=0.7, upper=0.9)}
    everybody = GroupResult(
        column="", slice="", rows=300, metrics=measured, promised=measured, difference=measured
    )
    labelled = Performance(
        labelled=300,
        unmatched=0,
        groups=[everybody],
        days={},
        calibration=[],
        measures=[measure("performance", "roc_auc", 0.0)],
    )
    alarms = [
        Alarm(
            kind="data",
            name=drift.name,
            column="age",
            windows=["2026-11-27", "2026-11-28"],
            value=drift.value,
            limit=drift.limit,
            shown="",
        )
    ]
    usual: dict[str, Any] = {
        "model": "churn-predictor",
        "version": "3",
        "source": "served/log",
        "since": "2026-11-27",
        "until": "2026-11-28",
        "other_versions": {},
        "windows": [window("2026-11-27", drift), window("2026-11-28", drift)],
        "performance": labelled,
        "alarms": alarms if alarming else [],
        "server": [],
        "settled": [],
        "notes": [],
    }
    return Report(**{**usual, **given})
