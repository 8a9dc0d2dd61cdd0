"""Curves of predicted classes, small enough for git."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn import metrics as sk

from churn.evaluation import curves
from churn.evaluation.curves import Points

_DIGITS = 5


def confusion(y: np.ndarray, decided: np.ndarray, classes: Sequence[str]) -> Points:
    """Return the confusion matrix, one row for each cell, for DVC's ``confusion`` template.

    Parameters
    ----------
    y, decided : ndarray of int, shape (n_customers,)
        Positions in `classes`.
    classes : sequence of str

    Returns
    -------
    list of dict
        ``actual``, ``predicted`` and ``customers``.
    """
    labels = range(len(classes))
    table = sk.confusion_matrix(y, decided, labels=list(labels))
    return [
        {"actual": classes[i], "predicted": classes[j], "customers": int(table[i, j])}
        for i in labels
        for j in labels
    ]


def recall_and_precision(y: np.ndarray, decided: np.ndarray, classes: Sequence[str]) -> Points:
    """Return the recall and the precision of each class.

    Returns
    -------
    list of dict
        ``actual``, ``recall`` and ``precision`` in [0, 1], and ``customers``.
    """
    labels = list(range(len(classes)))
    precision, recall, _, counts = sk.precision_recall_fscore_support(
        y, decided, labels=labels, zero_division=0
    )
    return [
        {
            "actual": classes[k],
            "recall": round(float(recall[k]), _DIGITS),
            "precision": round(float(precision[k]), _DIGITS),
            "customers": int(counts[k]),
        }
        for k in labels
    ]


def calibration(y: np.ndarray, p: np.ndarray) -> Points:
    """Return the calibration curve of all classes' probabilities together.

    Parameters
    ----------
    y : ndarray of int, shape (n_customers,)
        Positions of classes.
    p : ndarray of float, shape (n_customers, n_classes)
        In [0, 1].

    Returns
    -------
    list of dict
        As `churn.evaluation.curves.calibration` returns it; each customer counts once a class.
    """
    return curves.calibration(np.eye(p.shape[1])[y].ravel(), p.ravel())
