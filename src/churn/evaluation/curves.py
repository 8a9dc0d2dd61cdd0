"""Curves as at most a few hundred points, small enough for git."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn import metrics as sk

from churn.model.threshold import decide

Points = list[dict[str, float | int | str]]
_MAX_POINTS = 200
_DIGITS = 5


def roc(y: np.ndarray, probability: np.ndarray) -> Points:
    """Return the ROC curve as ``false_positive_rate`` and ``true_positive_rate``, both in [0, 1].

    Parameters
    ----------
    y : ndarray of int, shape (n_customers,)
        1 where the customer churned, else 0; both must occur.
    probability : ndarray of float, shape (n_customers,)
        In [0, 1].

    Returns
    -------
    list of dict
        At most 201 points, from (0, 0) to (1, 1).
    """
    x, height, _ = sk.roc_curve(y, probability)
    return _points("false_positive_rate", x, "true_positive_rate", height)


def precision_recall(y: np.ndarray, probability: np.ndarray) -> Points:
    """Return the precision-recall curve as ``recall`` and ``precision``, both in [0, 1].

    Parameters and return value as in `roc`; from recall 0 to recall 1.
    """
    precision, recall, _ = sk.precision_recall_curve(y, probability)
    return _points("recall", recall[::-1], "precision", precision[::-1])


def calibration(
    y: np.ndarray,
    probability: np.ndarray,
    bins: int = 10,
    rounded: Callable[[float, int], float] = round,
) -> Points:
    """Return the calibration curve, in bins of equal size.

    Parameters
    ----------
    y, probability
        As in `roc`.
    bins : int, default=10
        Quantile bins of the probability.
    rounded : callable, optional
        Takes a mean and a number of decimals.

    Returns
    -------
    list of dict
        ``predicted`` (mean probability), ``observed`` (share that churned), both in [0, 1],
        and ``customers``; equal probabilities are in one bin.
    """
    edges = np.unique(np.quantile(probability, np.linspace(0, 1, bins + 1)[1:-1]))
    place = np.searchsorted(edges, probability, side="left")
    points: Points = []
    for i in range(len(edges) + 1):
        members = place == i
        if members.any():
            points.append(
                {
                    "predicted": rounded(float(probability[members].mean()), _DIGITS),
                    "observed": rounded(float(y[members].mean()), _DIGITS),
                    "customers": int(members.sum()),
                }
            )
    return points


def confusion(y: np.ndarray, probability: np.ndarray, threshold: float) -> Points:
    """Return the confusion matrix, one row for each cell, for DVC's ``confusion`` template.

    Returns
    -------
    list of dict
        ``actual``, ``predicted`` (``churned`` or ``stayed``) and ``customers``, four rows.
    """
    names = ["stayed", "churned"]
    table = sk.confusion_matrix(y, decide(probability, threshold), labels=[0, 1])
    return [
        {"actual": names[i], "predicted": names[j], "customers": int(table[i, j])}
        for i in (0, 1)
        for j in (0, 1)
    ]


def score_histogram(y: np.ndarray, probability: np.ndarray, bins: int = 20) -> Points:
    """Return the histogram of the probabilities for each class.

    Returns
    -------
    list of dict
        ``probability`` (the bin's middle, in (0, 1)), ``actual`` and ``customers``.
    """
    edges = np.linspace(0, 1, bins + 1)
    middles = (edges[:-1] + edges[1:]) / 2
    return [
        {"probability": _round(middle), "actual": name, "customers": int(count)}
        for label, name in ((0, "stayed"), (1, "churned"))
        for middle, count in zip(
            middles, np.histogram(probability[y == label], edges)[0], strict=True
        )
    ]


def _points(x_name: str, x: np.ndarray, y_name: str, y: np.ndarray) -> Points:
    """Thin a curve to evenly spaced points, with both ends."""
    keep = np.unique(np.linspace(0, len(x) - 1, _MAX_POINTS + 1).round().astype(int))
    return [{x_name: _round(a), y_name: _round(b)} for a, b in zip(x[keep], y[keep], strict=True)]


def _round(value: float) -> float:
    return round(float(value), _DIGITS)
