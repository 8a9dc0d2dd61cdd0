"""Permutation importance of the raw columns."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from churn.core.params import ImportanceParams
from churn.core.progress import Advance, silent
from churn.model.artifact import Model


def permutation_importance(
    model: Model,
    rows: pd.DataFrame,
    y: np.ndarray,
    params: ImportanceParams,
    seed: int,
    advance: Advance = silent,
) -> list[dict[str, float | str]]:
    """Measure the loss of ROC AUC when a raw column is shuffled.

    Parameters
    ----------
    model : Model
    rows : DataFrame, shape (n_customers, n_columns)
        Held-out rows.
    y : ndarray of int, shape (n_customers,)
        1 where the customer churned, else 0; both must occur.
    params : ImportanceParams
        The number of shuffles, and the maximum number of rows.
    seed : int
        Decides the rows and the shuffles.
    advance : callable, optional
        Called after each column.

    Returns
    -------
    list of dict
        ``column``, ``importance`` (mean loss of AUC, in [-1, 1]) and ``standard_deviation``
        over the shuffles; most important first.

    Notes
    -----
    Source: Breiman, L. (2001), Random forests, Machine Learning 45, section 10.
    scikit-learn's function of this name needs an estimator. This one only needs probabilities, and
    predicts for all shuffles of a column at once.
    """
    rng = np.random.default_rng(seed)
    if len(y) > params.max_rows:
        # Stratified, so that both classes occur.
        chosen = [rng.permutation(np.flatnonzero(y == label)) for label in (0, 1)]
        parts = [ids[: max(1, round(params.max_rows * len(ids) / len(y)))] for ids in chosen]
        places = np.sort(np.concatenate(parts))
        rows, y = rows.iloc[places], y[places]
    columns = list(model.card.inputs)
    rows = rows[columns]
    baseline = roc_auc_score(y, model.probability(rows))
    results: list[dict[str, float | str]] = []
    for column in columns:
        shuffles = []
        for _ in range(params.repeats):
            shuffled = rows[column].array.take(rng.permutation(len(rows)))
            other = rows.copy()  # not with `assign`, which fails for a column called self
            other[column] = shuffled
            shuffles.append(other)
        probability = model.probability(pd.concat(shuffles)).reshape(params.repeats, -1)
        losses = np.array([baseline - roc_auc_score(y, scores) for scores in probability])
        results.append(
            {
                "column": column,
                "importance": round(float(losses.mean()), 6),
                "standard_deviation": round(float(losses.std()), 6),
            }
        )
        advance(column)
    return sorted(results, key=lambda result: -float(result["importance"]))
