"""Names that params.yaml may hold: tasks, and the families and metrics of each."""

from __future__ import annotations

from typing import Literal, get_args

TaskName = Literal["binary", "regression", "multiclass"]
_Both = Literal["random_forest", "gradient_boosting", "hist_gradient_boosting"]
Family = Literal["logistic_regression", "ridge", _Both]
# Metrics for which more is better: a minimum makes no sense for a loss.
_BinaryGated = Literal["roc_auc", "average_precision", "accuracy", "precision", "recall", "f1"]
_RegressionGated = Literal["r2"]
_MulticlassGated = Literal["accuracy", "balanced_accuracy", "macro_f1", "macro_roc_auc"]
GatedName = Literal[_BinaryGated, _RegressionGated, _MulticlassGated]
_BinaryMetric = Literal[_BinaryGated, "log_loss", "brier", "cost"]
_RegressionMetric = Literal[_RegressionGated, "rmse", "mae", "median_error", "cost"]
_MulticlassMetric = Literal[_MulticlassGated, "log_loss", "brier", "cost"]
MetricName = Literal[_BinaryMetric, _RegressionMetric, _MulticlassMetric]
_OfClass = Literal["selection_rate", "recall", "calibration"]
_OfNumber = Literal["mean_prediction", "mae", "calibration"]
FairnessName = Literal[_OfClass, _OfNumber]

_LINEAR: dict[TaskName, Family] = {
    "binary": "logistic_regression",
    "regression": "ridge",
    "multiclass": "logistic_regression",
}
FAMILIES: dict[TaskName, tuple[Family, ...]] = {
    task: (linear, *get_args(_Both)) for task, linear in _LINEAR.items()
}
METRICS: dict[TaskName, tuple[MetricName, ...]] = {
    "binary": get_args(_BinaryMetric),
    "regression": get_args(_RegressionMetric),
    "multiclass": get_args(_MulticlassMetric),
}
# What slices of a protected column are compared by.
FAIRNESS: dict[TaskName, tuple[FairnessName, ...]] = {
    "binary": get_args(_OfClass),
    "regression": get_args(_OfNumber),
    "multiclass": get_args(_OfClass),
}
