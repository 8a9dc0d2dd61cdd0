"""Metrics of customers whose labels are known, against what the held-out customers promised."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from churn.core.params import DecisionParams
from churn.evaluation.reference import Estimate, GroupMetrics, Reference, estimates
from churn.evaluation.slices import divide
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
    decision: DecisionParams,
    min_rows: int,
) -> Performance:
    """Measure the metrics of labelled customers.

    Parameters
    ----------
    labelled : DataFrame
        ``y``, ``probability``, ``day``, and the columns of the slices
        (`churn.monitor.labels.Labels.matched`).
    unmatched : int
        Labels without a prediction.
    reference : Reference
    measurer : Measurer
    decision : DecisionParams
        The costs.
    min_rows : int
        Fewer customers are not measured.
    """
    return Performance(
        labelled=len(labelled),
        unmatched=unmatched,
        groups=list(_groups(labelled, reference, decision, min_rows)),
        days=dict(_days(labelled, reference.threshold, decision)),
        calibration=list(_calibration(labelled)),
        measures=list(_measures(labelled, reference, measurer, decision, min_rows)),
    )


def _groups(
    labelled: pd.DataFrame, reference: Reference, decision: DecisionParams, min_rows: int
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
            found = estimates(
                rows["y"].to_numpy(), rows["probability"].to_numpy(), reference.threshold, decision
            )
            yield _compared(group, found, rows["y"].to_numpy())


def _compared(group: GroupMetrics, found: dict[str, Estimate], y: np.ndarray) -> GroupResult:
    shared = [name for name in found if name in group.metrics]
    freedom = {name: _freedom(name, y) for name in shared}
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


def _freedom(metric: str, y: np.ndarray) -> float:
    """Return the degrees of freedom of a metric's interval.

    Means over all customers have one less than there are customers. What is known of the others is
    limited by the rarer class.
    """
    rarer = min(y.sum(), len(y) - y.sum())
    return float(max((len(y) if metric in _MEANS else rarer) - 1, 1))


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
    decision: DecisionParams,
    min_rows: int,
) -> Iterator[Measure]:
    if len(labelled) < min_rows:
        return
    y, promised = labelled["y"].to_numpy(), reference.groups[0].metrics
    found = estimates(y, labelled["probability"].to_numpy(), reference.threshold, decision)
    for name in measurer.margins:
        if name in found and name in promised:
            change = _minus(found[name], promised[name])
            yield measurer.loss("performance", name, found[name].value, change, _freedom(name, y))


def _days(
    labelled: pd.DataFrame, threshold: float, decision: DecisionParams
) -> Iterator[tuple[str, dict[str, Interval]]]:
    for day, rows in labelled.groupby("day", sort=True):
        if len(rows) >= _MIN_DAY:
            y = rows["y"].to_numpy()
            found = estimates(y, rows["probability"].to_numpy(), threshold, decision)
            yield str(day), {name: _interval(of, _freedom(name, y)) for name, of in found.items()}


def _calibration(labelled: pd.DataFrame) -> Iterator[tuple[float, float, int]]:
    """Yield mean probability, share that churned, and customers, by tenth of the customers."""
    ordered = labelled.sort_values("probability", kind="stable")
    for rows in np.array_split(np.arange(len(ordered)), _TENTHS):
        if len(rows):
            part = ordered.iloc[rows]
            yield float(part["probability"].mean()), float(part["y"].mean()), len(part)
