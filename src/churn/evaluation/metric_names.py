"""The metrics by name: what people call them, and which way is better.

Apart from `churn.evaluation.metrics`, which takes a second to import.
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
    "cost": "cost a customer",
}
SMALLER_IS_BETTER = frozenset({"log_loss", "brier", "cost"})
# What changes with the threshold, and not with the probabilities alone.
AT_THRESHOLD = ("accuracy", "precision", "recall", "f1", "cost")
# What compares customers with each other, and is no mean over them.
RANKINGS = frozenset({"roc_auc", "average_precision"})
