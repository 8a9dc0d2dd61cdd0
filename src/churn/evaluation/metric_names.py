"""Titles of the metrics of all tasks, and which of them are losses.

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
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "macro_roc_auc": "macro ROC AUC",
    "r2": "R²",
    "rmse": "RMSE",
    "mae": "mean absolute error",
    "median_error": "median absolute error",
    "cost": "cost per customer",
}
# Where there is room for a few; a model has those of its task.
SHOWN = (
    "roc_auc",
    "average_precision",
    "macro_roc_auc",
    "balanced_accuracy",
    "r2",
    "rmse",
    "mae",
    "brier",
    "cost",
)
SMALLER_IS_BETTER = frozenset({"log_loss", "brier", "cost", "rmse", "mae", "median_error"})
# Metrics of the decisions, which change with the threshold.
AT_THRESHOLD = ("accuracy", "precision", "recall", "f1", "cost")
# And of several classes, which change with the costs of the classes.
AT_COSTS = ("accuracy", "balanced_accuracy", "macro_f1", "cost")
# Metrics that compare pairs of customers, and are not means over customers.
RANKINGS = frozenset({"roc_auc", "average_precision", "macro_roc_auc"})
