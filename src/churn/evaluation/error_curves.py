"""Curves of predicted numbers, as at most a few hundred points, small enough for git."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from churn.core.rounding import significant
from churn.evaluation.curves import Points

_MAX_POINTS = 300
_BINS = 30
_DIGITS = 6


def predicted(y: np.ndarray, answer: Mapping[str, np.ndarray]) -> Points:
    """Return predicted and true numbers, evenly over the predictions.

    Parameters
    ----------
    y : ndarray of float, shape (n_customers,)
        True numbers.
    answer : mapping of str to ndarray
        ``prediction``, ``lower`` and ``upper``, each of shape (n_customers,).

    Returns
    -------
    list of dict
        ``predicted``, ``actual``, ``lower`` and ``upper``; at most 300.
    """
    order = np.argsort(answer["prediction"], kind="stable")
    keep = order[np.unique(np.linspace(0, len(order) - 1, _MAX_POINTS).round().astype(int))]
    names = {"predicted": answer["prediction"], "actual": y}
    names |= {end: answer[end] for end in ("lower", "upper")}
    return [{name: _round(values[i]) for name, values in names.items()} for i in keep]


def residuals(y: np.ndarray, p: np.ndarray) -> Points:
    """Return the histogram of true minus predicted numbers.

    Returns
    -------
    list of dict
        ``residual`` (the bin's middle) and ``customers``.
    """
    counts, edges = np.histogram(y - p, _BINS)
    middles = (edges[:-1] + edges[1:]) / 2
    return [
        {"residual": _round(middle), "customers": int(count)}
        for middle, count in zip(middles, counts, strict=True)
    ]


def errors(y: np.ndarray, p: np.ndarray) -> Points:
    """Return the share of customers whose absolute error is at most so large.

    Returns
    -------
    list of dict
        ``error``, ascending, and ``share`` in (0, 1]; at most 201 points.

    Notes
    -----
    Source: Bi, J. and Bennett, K. P. (2003), Regression error characteristic curves, ICML.
    """
    found = np.sort(np.abs(y - p))
    keep = np.unique(np.linspace(0, len(found) - 1, 201).round().astype(int))
    return [{"error": _round(found[i]), "share": _round((i + 1) / len(found))} for i in keep]


def _round(value: float) -> float:
    return significant(float(value), _DIGITS)
