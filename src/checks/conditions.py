"""Conditions that deepchecks lacks, and a check that it cannot run any more."""

from __future__ import annotations

from typing import Any

from deepchecks.core import CheckResult, ConditionCategory, ConditionResult
from deepchecks.tabular import checks
from scipy import stats


class RegressionErrorDistribution(checks.RegressionErrorDistribution):
    """deepchecks' check of the errors of predicted numbers.

    Its own asks scikit-learn for a root mean squared error in a way that 1.6 has removed.
    """

    def run_logic(self, context: Any, dataset_kind: Any) -> CheckResult:
        """Describe the errors: true minus predicted numbers."""
        dataset = context.get_data_by_kind(dataset_kind)
        errors = dataset.label_col - context.model.predict(dataset.features_columns)
        return CheckResult(
            {
                "Mean Prediction Error": float(errors.mean()),
                "Median Prediction Error": float(errors.median()),
                "Kurtosis Value": float(stats.kurtosis(errors)),
                "RMSE": float((errors**2).mean() ** 0.5),
            }
        )


class ClassImbalance(checks.ClassImbalance):
    """deepchecks' check of class imbalance, with a condition that fails for unbalanced labels.

    deepchecks' own condition passes for them. It also rounds the share of each label to two digits;
    this check counts the customers.
    """

    def run_logic(self, context: Any, dataset_kind: Any) -> CheckResult:
        """Count the customers of each label."""
        labels = context.get_data_by_kind(dataset_kind).label_col
        return CheckResult(labels.value_counts().to_dict())

    def add_condition_class_ratio_greater_than(self, threshold: float = 0.05) -> ClassImbalance:
        """Require that the ratio of the rarer label to the other one is greater than a threshold.

        Parameters
        ----------
        threshold : float, default=0.05
            In (0, 1).
        """

        def condition(counts: dict[int, int]) -> ConditionResult:
            ratio = min(counts.values()) / max(counts.values()) if len(counts) > 1 else 0.0
            category = ConditionCategory.PASS if ratio > threshold else ConditionCategory.FAIL
            return ConditionResult(
                category, f"{ratio:.4f} customers of the rarer label for each other"
            )

        self.add_condition(f"Ratio of the labels is greater than {threshold}", condition)
        return self
