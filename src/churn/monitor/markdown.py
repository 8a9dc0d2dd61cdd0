"""The result as Markdown, for a workflow's summary and for issues."""

from __future__ import annotations

from collections.abc import Sequence

from churn.monitor.results import Alarm, Kind, Report
from churn.review.report.tables import first_rows
from churn.review.report.text import code, prose

_MOST_ROWS = 50  # GitHub takes 65,536 characters
# What to look at first.
_ADVICE: dict[Kind, str] = {
    "data": "Look at the columns below in the page of the run. If a source is broken (a unit, a"
    " default, a join), mend it: a new model would learn the mistake. If the customers have really"
    " changed, train on new data: `churn retrain`.",
    "volume": "Look at who calls the server, and whether it was up (`/metrics`).",
    "predictions": "Customers are predicted otherwise than the held-out ones were. If the"
    " customers have changed as well, begin there; if not, look at which version answers"
    " (`churn status`).",
    "estimate": "Get labels for a sample, and train on new data: `churn retrain`.",
    "performance": "The labels say that the model is worse than the review promised. Put the"
    " version before it back if it was better (`churn rollback`), and train on new data:"
    " `churn retrain`.",
    "service": "Look at the server's log and at /metrics.",
}


def summary(report: Report, run: str = "") -> str:
    """Return the whole result."""
    sign = "🔴" if report.alarms else "🟢" if report.is_known else "🟡"
    parts = [f"## {sign} {report.headline}", _about(report)]
    if report.alarms:
        parts.append(_table(report.alarms))
    parts += [prose(note, 300) for note in report.notes]
    return "\n\n".join([*parts, link(run)]).rstrip() + "\n"


def alarms(report: Report, found: Sequence[Alarm], run: str) -> str:
    """Return the text of an issue: the alarms of one kind, and what to do."""
    kind = found[0].kind
    advice = _ADVICE[kind]
    if kind == "estimate":
        advice = f"No labels yet: these metrics are estimated. {report.assumption} {advice}"
    return "\n\n".join([_about(report), _table(found), advice, link(run)])


def link(run: str) -> str:
    """Return a link to the workflow run, whose artifact has the page with pictures."""
    return f"[Run with the page and its pictures]({run})" if run else ""


def _about(report: Report) -> str:
    period = f", {report.since} to {report.until}" if report.since else ""
    return (
        f"{code(report.model)}, version {report.version}{period}: {report.answers:,} answers in"
        f" {code(report.source)}."
    )


def _table(found: Sequence[Alarm]) -> str:
    rows = [
        [
            prose(alarm.shown, 200),
            f"{alarm.value:.3g}",
            f"{alarm.limit:.3g}",
            prose(", ".join(alarm.windows), 200),
        ]
        for alarm in found
    ]
    return first_rows(["alarm", "change", "limit", "windows"], rows, most=_MOST_ROWS)
