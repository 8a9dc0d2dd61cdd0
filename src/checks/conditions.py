"""Conditions that deepchecks lacks."""

from __future__ import annotations

from deepchecks.core import ConditionCategory, ConditionResult
from deepchecks.tabular import checks


class CalibrationScore(checks.CalibrationScore):
    """deepchecks' calibration check, with a condition on the Brier score."""

    def add_condition_brier_score_less_than(self, threshold: float = 0.25) -> CalibrationScore:
        """Require that the Brier score of the churned class is below `threshold`.

        Parameters
        ----------
        threshold : float, default=0.25
            In (0, 1]; 0.25 is what predicting one half for everybody scores.
        """

        def condition(scores: dict[int, float]) -> ConditionResult:
            worst = max(scores.values())
            category = ConditionCategory.PASS if worst < threshold else ConditionCategory.FAIL
            return ConditionResult(category, f"Brier score {worst:.3f}")

        self.add_condition(f"Brier score is less than {threshold}", condition)
        return self


class ClassImbalance(checks.ClassImbalance):
    """deepchecks' imbalance check; its own condition passes where the labels are unbalanced."""

    def add_condition_class_ratio_greater_than(self, threshold: float = 0.05) -> ClassImbalance:
        """Require that the rarer label has more than `threshold` customers for each other one.

        Parameters
        ----------
        threshold : float, default=0.05
            In (0, 1).
        """

        def condition(shares: dict[int, float]) -> ConditionResult:
            ratio = min(shares.values()) / max(shares.values())
            category = ConditionCategory.PASS if ratio > threshold else ConditionCategory.FAIL
            return ConditionResult(
                category, f"{ratio:.3f} customers of the rarer label for each other"
            )

        self.add_condition(f"Ratio of the labels is greater than {threshold}", condition)
        return self
