"""Conditions that deepchecks lacks."""

from __future__ import annotations

from typing import Any

from deepchecks.core import CheckResult, ConditionCategory, ConditionResult
from deepchecks.tabular import checks


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
