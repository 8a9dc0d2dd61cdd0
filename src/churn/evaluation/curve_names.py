"""Names of the curves; not in `churn.evaluation.curves`, which takes a second to import."""

from __future__ import annotations

# The curves in which two models are compared: the points' x and y, the title, and the labels.
COMPARED = {
    "roc": (
        "false_positive_rate",
        "true_positive_rate",
        "ROC",
        ("False positive rate", "True positive rate"),
    ),
    "precision_recall": (
        "recall",
        "precision",
        "Precision and recall",
        ("Recall", "Precision"),
    ),
    "calibration": (
        "predicted",
        "observed",
        "Calibration",
        ("Mean predicted probability", "Share that churned"),
    ),
    "class_calibration": (
        "predicted",
        "observed",
        "Calibration, each class",
        ("Mean predicted probability", "Share of the class"),
    ),
    "errors": ("error", "share", "Errors", ("Absolute error", "Share of customers up to it")),
    "tenths": (
        "predicted",
        "observed",
        "Tenths of the customers",
        ("Mean prediction", "Mean of the true numbers"),
    ),
}
