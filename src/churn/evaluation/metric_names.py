"""Titles of the metrics, and which of them are losses.

Not in `churn.evaluation.metrics`, which takes a second to import.
"""

from __future__ import annotations

TITLES = {
    "roc_auc": "ROC AUC",
    "average_precision": "average precision",
    "log_loss": "log loss",
    "brier": "Brier score",
    "accuracy": "accuracy",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "cost": "cost per customer",
}
SMALLER_IS_BETTER = frozenset({"log_loss", "brier", "cost"})
# Metrics of the decisions, which change with the threshold.
AT_THRESHOLD = ("accuracy", "precision", "recall", "f1", "cost")
# Metrics that compare pairs of customers, and are not means over customers.
RANKINGS = frozenset({"roc_auc", "average_precision"})
