"""The newest measures for Prometheus, as a text file."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from churn.monitor.results import TITLES, Report


def render(report: Report, moment: float | None = None) -> str:
    """Return the newest window's measures in Prometheus's text format.

    Parameters
    ----------
    report : Report
    moment : float, optional
        When it was measured, in seconds since 1970; default is now.
    """
    registry = CollectorRegistry()

    def gauge(name: str, text: str, labels: tuple[str, ...] = ()) -> Gauge:
        return Gauge(f"churn_monitor_{name}", text, labels, registry=registry)

    last = gauge("last_run_timestamp_seconds", "When the monitor last ran, in seconds since 1970.")
    last.set(time.time() if moment is None else moment)
    gauge("version", "Version that is watched.").set(float(report.version))
    customers = gauge("customers", "Different customers of the newest window; 0 if none is judged.")
    newest = report.windows[-1]
    customers.set(0 if newest.skipped else newest.customers)
    alarms = gauge("alarms", "Quantities that are an alarm, by kind.", ("kind",))
    for kind in TITLES:
        alarms.labels(kind).set(sum(found.kind == kind for found in report.alarms))
    value = gauge("value", "By how much a quantity has changed.", ("kind", "name"))
    limit = gauge("limit", "Above it the quantity has changed.", ("kind", "name"))
    alarm = gauge("alarm", "Whether a quantity is an alarm.", ("kind", "name"))
    alarming = {(found.kind, found.name) for found in report.alarms}
    for measure in report.newest_measures:
        value.labels(measure.kind, measure.name).set(measure.value)
        limit.labels(measure.kind, measure.name).set(measure.limit)
        alarm.labels(measure.kind, measure.name).set((measure.kind, measure.name) in alarming)
    metric = gauge("metric", "Metric, estimated or measured with labels.", ("metric", "how"))
    bound = gauge("metric_bound", "Its 95 % interval.", ("metric", "how", "bound"))
    for how, metrics in report.newest_metrics.items():
        for name, interval in metrics.items():
            metric.labels(name, how).set(interval.value)
            bound.labels(name, how, "lower").set(interval.lower)
            bound.labels(name, how, "upper").set(interval.upper)
    return generate_latest(registry).decode()
