"""The decision threshold: apply it, and choose it."""

from __future__ import annotations

import numpy as np

from churn.core.params import DecisionParams

# In steps of half a percent: finer steps would fit the noise of the folds, and are hard to read.
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
    """Choose the threshold with the lowest cost, or the highest F1, on given probabilities.

    Cost is ``cost_false_negative x FN + cost_false_positive x FP``; F1 is
    ``2 TP / (2 TP + FP + FN)``. Of equally good thresholds, the one nearest to 0.5 is chosen.

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
