"""Metrics of customers whose labels are known, against what the held-out customers promised."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from churn.evaluation.held_out import Estimate
from churn.evaluation.reference import GroupMetrics, Reference, estimates
from churn.evaluation.slices import divide
from churn.evaluation.tasks import Scored, Task
from churn.monitor.measuring import Measurer, interval
from churn.monitor.results import GroupResult, Interval, Measure, Performance

_MIN_DAY = 50  # customers; the metrics of fewer are noise
_TENTHS = 10
_MEANS = frozenset({"log_loss", "brier", "accuracy", "cost"})  # over all customers


def measure(
    labelled: pd.DataFrame,
    unmatched: int,
    reference: Reference,
    measurer: Measurer,
    task: Task,
    min_rows: int,
) -> Performance:
    """Measure the metrics of labelled customers.

    Parameters
    ----------
    labelled : DataFrame
        ``y``, the scores, ``day``, and the columns of the slices
        (`churn.monitor.labels.Labels.matched`).
    unmatched : int
        Labels without a prediction.
    reference : Reference
    measurer : Measurer
    task : Task
        With the costs.
    min_rows : int
        Fewer customers are not measured.
    """
    return Performance(
        labelled=len(labelled),
        unmatched=unmatched,
        groups=list(_groups(labelled, reference, task, min_rows)),
        days=dict(_days(labelled, reference, task)),
        calibration=list(_calibration(labelled, task)),
        measures=list(_measures(labelled, reference, measurer, task, min_rows)),
    )


def _groups(
    labelled: pd.DataFrame, reference: Reference, task: Task, min_rows: int
) -> Iterator[GroupResult]:
    promised = {(group.column, group.slice): group for group in reference.groups}
    everyone = np.ones(len(labelled), dtype=bool)
    logged = reference.cuts.model_copy(
        update={
            kind: {n: of for n, of in getattr(reference.cuts, kind).items() if n in labelled}
            for kind in ("numeric", "categorical")
        }
    )
    for column, name, members in [("", "", everyone), *divide(labelled, logged)]:
        group, rows = promised.get((column, name)), labelled[members]
        if group is not None and len(rows) >= min_rows:
            found = _estimates(rows, reference, task)
            yield _compared(group, found, task, rows["y"].to_numpy())


def _estimates(rows: pd.DataFrame, reference: Reference, task: Task) -> dict[str, Estimate]:
    return estimates(task, rows["y"].to_numpy(), Scored(task.output.scores(rows), reference.rule))


def _compared(
    group: GroupMetrics, found: dict[str, Estimate], task: Task, y: np.ndarray
) -> GroupResult:
    shared = [name for name in found if name in group.metrics]
    freedom = {name: _freedom(name, task, y) for name in shared}
    return GroupResult(
        column=group.column,
        slice=group.slice,
        rows=len(y),
        metrics={name: _interval(found[name], freedom[name]) for name in shared},
        promised={name: _interval(group.metrics[name], np.inf) for name in shared},
        difference={
            name: _interval(_minus(found[name], group.metrics[name]), freedom[name])
            for name in shared
        },
    )


def _freedom(metric: str, task: Task, y: np.ndarray) -> float:
    """Return the degrees of freedom of a metric's interval.

    Means over all customers have one less than there are customers. What is known of the others is
    limited by the rarest class.
    """
    return float(max((len(y) if metric in _MEANS else task.n_rarest(y)) - 1, 1))


def _minus(first: Estimate, second: Estimate) -> Estimate:
    """Return the difference of two estimates of different customers."""
    error = float(np.hypot(first.error, second.error))
    return Estimate(value=first.value - second.value, error=error)


def _interval(found: Estimate, freedom: float) -> Interval:
    return interval(found.value, found.error, freedom)


def _measures(
    labelled: pd.DataFrame,
    reference: Reference,
    measurer: Measurer,
    task: Task,
    min_rows: int,
) -> Iterator[Measure]:
    if len(labelled) < min_rows:
        return
    y, promised = labelled["y"].to_numpy(), reference.groups[0].metrics
    found = _estimates(labelled, reference, task)
    for name in measurer.margins:
        if name in found and name in promised:
            change = _minus(found[name], promised[name])
            yield measurer.loss(
                "performance", name, found[name].value, change, _freedom(name, task, y)
            )


def _days(
    labelled: pd.DataFrame, reference: Reference, task: Task
) -> Iterator[tuple[str, dict[str, Interval]]]:
    for day, rows in labelled.groupby("day", sort=True):
        if len(rows) >= _MIN_DAY:
            y, found = rows["y"].to_numpy(), _estimates(rows, reference, task)
            freedom = {name: _freedom(name, task, y) for name in found}
            yield str(day), {name: _interval(of, freedom[name]) for name, of in found.items()}


def _calibration(labelled: pd.DataFrame, task: Task) -> Iterator[tuple[float, float, int]]:
    """Yield mean score, mean label, and customers, by tenth of the customers.

    Nothing for several classes, which have several scores.
    """
    if len(task.output.scored) > 1:
        return
    [score] = task.output.scored
    ordered = labelled.sort_values(score, kind="stable")
    for rows in np.array_split(np.arange(len(ordered)), _TENTHS):
        if len(rows):
            part = ordered.iloc[rows]
            yield float(part[score].mean()), float(part["y"].mean()), len(part)
