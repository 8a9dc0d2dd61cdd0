"""A version's notes in the registry, as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from churn.evaluation.differences import by_metric
from churn.evaluation.metric_names import SHOWN, TITLES
from churn.evaluation.results import Metrics
from churn.review.changes import Changes
from churn.review.comparison import Compared, Comparison
from churn.review.report.tables import change, table
from churn.review.report.text import code, number, prose
from churn.validation.results import Checks

_LONGEST = 4900  # a registry in a database keeps 5,000 characters
_MOST_CHANGES = 20
_MOST_FILES = 10


def describe(
    subject: str,
    lineage: Sequence[str],
    changes: Changes,
    metrics: Metrics,
    comparison: Comparison,
    checks: Checks,
    card: str = "",
) -> str:
    """Write the notes of a version: what changed, its metrics, and how many checks passed.

    Parameters
    ----------
    subject : str
        First line of the commit's message.
    lineage : sequence of str
        Lines that say where it comes from.
    changes : Changes
        Empty if there is no changes.json.
    metrics : Metrics
    comparison : Comparison
    checks : Checks
    card : str
        Where the model card is in the run's artifacts; empty if there is none.

    Returns
    -------
    str
        At most 4,900 characters.
    """
    lines = [prose(subject), "", *(f"- {prose(line)}" for line in lineage)]
    if files := changes.files:
        more = f" and {len(files) - _MOST_FILES} more" if len(files) > _MOST_FILES else ""
        lines += ["", f"Changed: {', '.join(map(code, files[:_MOST_FILES]))}{more}."]
    if changed := changes.parameters:
        lines += ["", "Changed parameters:", ""]
        lines += [
            f"- {code(one.key)}: {code(one.before)} → {code(one.after)}"
            for one in changed[:_MOST_CHANGES]
        ]
        if len(changed) > _MOST_CHANGES:
            lines.append(f"- and {len(changed) - _MOST_CHANGES} more")
    lines += ["", _metrics(metrics, comparison)]
    lines += ["", f"{checks.passed} of {len(checks.checks)} checks passed."]
    lines += ["", f"Model card: {code(card)} in the artifacts of its run."] if card else []
    return "\n".join(lines)[:_LONGEST]


def _metrics(metrics: Metrics, comparison: Comparison) -> str:
    entry = next((entry for entry in comparison.baselines if isinstance(entry, Compared)), None)
    name = entry.name if entry else None
    head = ["metric", "held-out customers", *([f"against {name}", "95% interval"] if name else [])]
    differences = by_metric(entry.metrics) if entry else {}
    rows = []
    for metric in [name for name in SHOWN if name in metrics.test]:
        cells = [TITLES[metric], number(metrics.test[metric])]
        if entry:
            found = differences.get(metric)
            cells += change(found) if found else ["undefined"] * 2
        rows.append(cells)
    return table(head, rows)
