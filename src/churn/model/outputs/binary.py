"""Which of two classes: a probability, and 0 or 1 by a threshold."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from churn.core.params import Decision, DecisionParams
from churn.model import threshold
from churn.model.outputs.output import Output
from churn.model.rule import Named, Rule


class Binary(Output):
    """The probability of the positive class; the rule is the decision threshold."""

    task = "binary"
    # The same hyperparameters as scikit-learn's regressors of these families, but for the loss.
    estimators = {
        "logistic_regression": LogisticRegression,
        "random_forest": RandomForestClassifier,
        "gradient_boosting": GradientBoostingClassifier,
        "hist_gradient_boosting": HistGradientBoostingClassifier,
    }

    @property
    def scored(self) -> tuple[str, ...]:
        return ("probability",)

    @property
    def answered(self) -> dict[str, type]:
        return {"probability": float, "prediction": int}

    def score(self, pipeline: Pipeline, X: pd.DataFrame) -> np.ndarray:
        probability: np.ndarray = pipeline.predict_proba(X)[:, 1]
        return probability

    def choose(self, y: np.ndarray, scores: np.ndarray, decision: DecisionParams) -> Rule:
        return threshold.choose(y, scores, decision)

    def fallback(self, decision: Decision) -> Rule | None:
        assert isinstance(decision, DecisionParams)
        return decision.threshold if decision.strategy == "fixed" else None

    def decided(self, scores: np.ndarray, rule: Rule) -> np.ndarray:
        assert isinstance(rule, float | int)
        return threshold.decide(scores, rule)

    def answer(self, scores: np.ndarray, rule: Rule) -> dict[str, np.ndarray]:
        return {"probability": scores, "prediction": self.decided(scores, rule)}

    def learned(self, rule: Rule) -> Named:
        assert isinstance(rule, float | int)
        return {"threshold": rule}
