"""Metrics of predicted churn probabilities; an undefined metric has a reason and no value."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn import metrics as sk

from churn.core.errors import DataError
from churn.core.params import DecisionParams
from churn.model.threshold import decide


def results(
    y: np.ndarray, probability: np.ndarray, threshold: float, decision: DecisionParams
) -> dict[str, tuple[str, Callable[[], float]]]:
    """Prepare every metric.

    =================  ===============================================================
    roc_auc            probability that a churned customer ranks above one who stayed
    average_precision  sum over thresholds of (R_n - R_(n-1)) P_n
    log_loss           -mean(y log p + (1 - y) log(1 - p)), natural logarithm, p clipped
    brier              mean((p - y)^2)
    accuracy           (TP + TN) / n, at the threshold like all below
    precision          TP / (TP + FP)
    recall             TP / (TP + FN)
    f1                 2 TP / (2 TP + FP + FN)
    cost               (cost_false_negative FN + cost_false_positive FP) / n, per customer
    =================  ===============================================================

    Parameters
    ----------
    y : ndarray of int, shape (n_customers,)
        1 where the customer churned, else 0.
    probability : ndarray of float, shape (n_customers,)
        Predicted probability of churn, in [0, 1].
    threshold : float
        Churn is predicted at this probability and above.
    decision : DecisionParams
        The costs.

    Returns
    -------
    dict of str to (str, callable)
        By metric, why it is undefined, or an empty text, and what computes it. Metrics that need
        both classes, or a predicted positive, are undefined without them.

    Raises
    ------
    ValueError
        If there are no customers.
    DataError
        If a probability is not a number in [0, 1].

    Notes
    -----
    For log_loss p is clipped to [e, 1 - e] as in `sklearn.metrics.log_loss`, with e = 2.2e-16, the
    machine epsilon of float64. So a prediction that is certain and wrong has a loss of 36.04, and
    not an infinite one.

    Source: Fawcett, T. (2006), An introduction to ROC analysis, Pattern Recognition Letters 27;
    Brier, G. W. (1950), Verification of forecasts expressed in terms of probability, Monthly
    Weather Review 78.
    """
    if not len(y):
        raise ValueError("no customers to measure on")
    if not ((probability >= 0) & (probability <= 1)).all():  # false for NaN as well
        raise DataError("a predicted probability is not a number from 0 to 1")
    predicted = decide(probability, threshold)
    one_kind = "" if len(np.unique(y)) == 2 else "all customers have the same label"
    no_churn = "" if y.any() else "no customer churned"
    no_alarm = "" if predicted.any() else "churn is predicted for no customer"
    neither = no_churn if no_churn and no_alarm else ""
    wrong = predicted != y
    cost = np.where(y == 1, decision.cost_false_negative, decision.cost_false_positive)
    return {
        "roc_auc": (one_kind, lambda: sk.roc_auc_score(y, probability)),
        "average_precision": (no_churn, lambda: sk.average_precision_score(y, probability)),
        "log_loss": ("", lambda: sk.log_loss(y, probability, labels=[0, 1])),
        "brier": ("", lambda: np.mean((probability - y) ** 2)),
        "accuracy": ("", lambda: np.mean(predicted == y)),
        "precision": (no_alarm, lambda: sk.precision_score(y, predicted)),
        "recall": (no_churn, lambda: sk.recall_score(y, predicted)),
        "f1": (neither, lambda: sk.f1_score(y, predicted)),
        "cost": ("", lambda: np.mean(cost * wrong)),
    }
