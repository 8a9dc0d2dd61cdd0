"""Permutation importance of the raw columns."""

from __future__ import annotations

import numpy as np
import pandas as pd

from churn.core.params import ImportanceParams
from churn.core.progress import Advance, silent
from churn.evaluation.tasks import Task
from churn.model.artifact import Model


def permutation_importance(
    task: Task,
    model: Model,
    rows: pd.DataFrame,
    y: np.ndarray,
    params: ImportanceParams,
    seed: int,
    advance: Advance = silent,
) -> list[dict[str, float | str]]:
    """Measure the loss of the task's `quality` when a raw column is shuffled.

    Parameters
    ----------
    task : Task
    model : Model
    rows : DataFrame, shape (n_customers, n_columns)
        Held-out rows.
    y : ndarray, shape (n_customers,)
        Labels, of which the metric needs different ones.
    params : ImportanceParams
        The number of shuffles, and the maximum number of rows.
    seed : int
        Decides the rows and the shuffles.
    advance : callable, optional
        Called after each column.

    Returns
    -------
    list of dict
        ``column``, ``importance`` (mean loss of the metric) and ``standard_deviation``
        over the shuffles; most important first.

    Notes
    -----
    Source: Breiman, L. (2001), Random forests, Machine Learning 45, section 10.
    scikit-learn's function of this name needs an estimator. This one only needs scores, and
    predicts for all shuffles of a column at once.
    """
    rng = np.random.default_rng(seed)
    if len(y) > params.max_rows:
        places = task.sampled(y, params.max_rows, rng)
        rows, y = rows.iloc[places], y[places]
    columns = list(model.card.inputs)
    rows = rows[columns]
    baseline = task.goodness(y, model.scores(rows))
    results: list[dict[str, float | str]] = []
    for column in columns:
        shuffles = []
        for _ in range(params.repeats):
            shuffled = rows[column].array.take(rng.permutation(len(rows)))
            other = rows.copy()  # not with `assign`, which fails for a column called self
            other[column] = shuffled
            shuffles.append(other)
        of_each = np.split(model.scores(pd.concat(shuffles)), params.repeats)
        losses = np.array([baseline - task.goodness(y, scores) for scores in of_each])
        results.append(
            {
                "column": column,
                "importance": round(float(losses.mean()), 6),
                "standard_deviation": round(float(losses.std()), 6),
            }
        )
        advance(column)
    return sorted(results, key=lambda result: -float(result["importance"]))
