"""The report as a self-contained page with pictures."""

from __future__ import annotations

from collections.abc import Iterator

from churn.core import page
from churn.evaluation.metric_names import SHOWN
from churn.evaluation.metric_names import TITLES as METRICS
from churn.evaluation.reference import Reference
from churn.monitor import pictures
from churn.monitor.counting import Counts
from churn.monitor.measuring import interval
from churn.monitor.results import TITLES, Interval, Measure, Report
from churn.monitor.run import Found

# Of slices there is room for two: a model has those of its task.
_SLICED = ("roc_auc", "macro_roc_auc", "rmse", "mae", "brier")


def render(found: Found) -> str:
    """Render a report: alarms first, then pictures, then every measure.

    Parameters
    ----------
    found : Found

    Returns
    -------
    str
        HTML without external links; all text is escaped.
    """
    report, promised = found.report, _promised(found.reference)
    over = [measure for measure in report.newest_measures if measure.is_over]
    return page.render(
        __name__,
        report=report,
        kinds=TITLES,
        metrics=METRICS,
        promised=promised,
        over=over,
        drifted=list(_distributions(found.reference, found.newest, over)),
        quality=list(_quality(report, promised)),
        sliced=[name for name in _SLICED if name in promised],
        has_probability=found.reference.scores is not None,
    )


def _promised(reference: Reference) -> dict[str, Interval]:
    group = reference.groups[0].metrics
    return {name: interval(of.value, of.error, float("inf")) for name, of in group.items()}


def _distributions(
    reference: Reference, newest: Counts | None, over: list[Measure]
) -> Iterator[tuple[str, bytes]]:
    """Yield a picture of each column that has changed, and of the predictions."""
    if newest is None:
        return
    columns = dict.fromkeys(measure.column for measure in over if measure.kind == "data")
    for column in [*filter(None, columns), ""]:
        yield column or "predictions", pictures.distribution(column, reference, newest)


def _quality(report: Report, promised: dict[str, Interval]) -> Iterator[tuple[str, bytes]]:
    for name in SHOWN:
        picture = pictures.over_time(name, report, promised.get(name))
        if picture is not None:
            yield METRICS[name], picture
