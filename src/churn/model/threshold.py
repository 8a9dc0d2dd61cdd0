"""From a probability to a decision: the threshold, and how it is chosen."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline

from churn.errors import DataError
from churn.params import DecisionParams
from churn.progress import Advance, silent

# Steps of half a percent: finer ones follow the noise of the folds, and read worse.
GRID = np.round(np.arange(0.005, 1.0, 0.005), 3)


def decide(probability: np.ndarray, threshold: float) -> np.ndarray:
    """Predict churn (1) where the probability is at or above the threshold, else 0.

    Parameters
    ----------
    probability : ndarray of float, shape (n_customers,)
        In [0, 1].
    threshold : float
        In [0, 1].

    Returns
    -------
    ndarray of int64, shape (n_customers,)
    """
    return (np.asarray(probability) >= threshold).astype(np.int64)


def choose(y: np.ndarray, probability: np.ndarray, decision: DecisionParams) -> float:
    """Choose the threshold with the least cost, or the highest F1, on given probabilities.

    Cost is ``cost_false_negative x FN + cost_false_positive x FP``; F1 is
    ``2 TP / (2 TP + FP + FN)``. Of equally good thresholds the one nearest to 0.5 is taken.

    Parameters
    ----------
    y : ndarray of int, shape (n_customers,)
        1 where the customer churned, else 0.
    probability : ndarray of float, shape (n_customers,)
        Probabilities for customers that the model had not seen.
    decision : DecisionParams
        Strategy ``"cost"`` or ``"f1"``, and the costs.

    Returns
    -------
    float
        One of `GRID`.
    """
    predicted = np.searchsorted(GRID, probability, side="right")  # thresholds at or below it
    positives = np.bincount(predicted[y == 1], minlength=len(GRID) + 1)
    negatives = np.bincount(predicted[y == 0], minlength=len(GRID) + 1)
    false_negatives = np.cumsum(positives)[:-1]
    true_positives = positives.sum() - false_negatives
    false_positives = negatives.sum() - np.cumsum(negatives)[:-1]
    if decision.strategy == "f1":
        loss = -2 * true_positives / (2 * true_positives + false_positives + false_negatives)
    else:
        loss = (
            decision.cost_false_negative * false_negatives
            + decision.cost_false_positive * false_positives
        )
    best = np.flatnonzero(loss == loss.min())
    return float(GRID[best[np.abs(GRID[best] - 0.5).argmin()]])


def cross_validated(
    pipeline: Pipeline,
    X: pd.DataFrame,
    y: np.ndarray,
    decision: DecisionParams,
    seed: int,
    advance: Advance = silent,
) -> float:
    """Choose the threshold on probabilities that each fold's model gives the rows it did not see.

    Parameters
    ----------
    pipeline : Pipeline
        Unfitted; a clone is fitted for each fold.
    X : DataFrame, shape (n_customers, n_columns)
        Training rows.
    y : ndarray of int, shape (n_customers,)
        1 where the customer churned, else 0; both have to occur.
    decision : DecisionParams
        Strategy, folds, and the number of rows that is enough.
    seed : int
        Decides the rows and the folds.
    advance : callable, optional
        Called after each fold.

    Returns
    -------
    float
        One of `GRID`.

    Raises
    ------
    DataError
        If there is only one customer of a kind, which cannot be divided into folds.
    """
    if len(y) > decision.max_rows:
        rows = np.random.default_rng(seed).choice(len(y), decision.max_rows, replace=False)
        X, y = X.iloc[rows], y[rows]
    n_folds = min(decision.folds, int(np.bincount(y, minlength=2).min()))
    if n_folds < 2:
        raise DataError(
            "too few customers of one kind to cross-validate a threshold;"
            " set decision.strategy to fixed in params.yaml"
        )
    probability = np.empty(len(y))
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
    for number, (seen, unseen) in enumerate(folds.split(X, y), start=1):
        fitted = clone(pipeline).fit(X.iloc[seen], y[seen])
        probability[unseen] = fitted.predict_proba(X.iloc[unseen])[:, 1]
        advance(f"fold {number}")
    return choose(y, probability, decision)
