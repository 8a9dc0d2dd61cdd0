"""The interval of each metric of one model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from churn.evaluation.bootstrap import LEVEL, draws, spread
from churn.evaluation.comparison import MIN_DEFINED, libraries, tail_share
from churn.evaluation.metric_names import RANKINGS
from churn.evaluation.tasks import Scored, Task


@dataclass(frozen=True)
class Interval:
    """A metric and its 95% interval; None where it is undefined."""

    value: float | None
    lower: float | None
    upper: float | None


def intervals(
    task: Task, y: np.ndarray, scored: Scored, seed: int, resamples: int
) -> dict[str, Interval]:
    """Compute the metrics of one model with their intervals, by a bootstrap over customers.

    Parameters
    ----------
    task : Task
        With the costs.
    y : ndarray, shape (n_customers,)
        Labels.
    scored : Scored
    seed : int
        Decides the draws.
    resamples : int
        Number of draws; 1,000 or more.

    Returns
    -------
    dict of str to Interval
        By metric, as `churn.evaluation.comparison.compare` does it for differences.
    """
    model = task.weighted(y, scored)
    values = {name: float(found[0]) for name, found in model.metrics(np.ones((len(y), 1))).items()}
    names, influence = list(values), model.influence()
    of_each = np.column_stack([influence[name] for name in names])
    drawn, linear = [], []
    with libraries().limit(limits=1, user_api="blas"):  # as for differences
        for counts in draws(len(y), resamples, seed):
            found = model.metrics(counts)
            drawn.append(np.stack([found[name] for name in names]))
            linear.append(of_each.T @ counts)
    rows = zip(
        names, np.concatenate(drawn, axis=1), np.concatenate(linear, axis=1), of_each.T, strict=True
    )
    return {
        name: _interval(name, values[name], of_draws, of_line, by_customer, task.n_behind(name, y))
        for name, of_draws, of_line, by_customer in rows
    }


def _interval(
    name: str,
    value: float,
    drawn: np.ndarray,
    linear: np.ndarray,
    influence: np.ndarray,
    n_rarest: int,
) -> Interval:
    if not np.isfinite(value):
        return Interval(None, None, None)
    is_known = np.isfinite(drawn)
    if is_known.mean() < MIN_DEFINED:
        return Interval(value, None, None)
    tail = (1 - LEVEL) / 2 if name in RANKINGS else tail_share(n_rarest)
    found = spread(drawn[is_known] - value, linear[is_known], influence, tail)
    return Interval(value, value + found.lower, value + found.upper)
