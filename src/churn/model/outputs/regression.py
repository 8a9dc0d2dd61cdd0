"""A number, with an interval that holds the true one for a given share of the customers."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline

from churn.core.params import RegressionDecision
from churn.model.outputs.output import Output
from churn.model.rule import Named, Rule


class Regression(Output):
    """The predicted number; the rule is half the width of its interval.

    Notes
    -----
    The interval is the prediction plus and minus the absolute error that `decision.coverage` of the
    out-of-fold predictions do not exceed. It holds about that share, as the model of all rows errs
    about as much as those of the folds; for a share that holds for any model see the source.
    Source: Barber, R. F., Candès, E. J., Ramdas, A. and Tibshirani, R. J. (2021), Predictive
    inference with the jackknife+, Annals of Statistics 49 (1), section 1 (cross-validation).
    """

    task = "regression"
    estimators = {
        "ridge": Ridge,
        "random_forest": RandomForestRegressor,
        "gradient_boosting": GradientBoostingRegressor,
        "hist_gradient_boosting": HistGradientBoostingRegressor,
    }

    @property
    def scored(self) -> tuple[str, ...]:
        return ("prediction",)

    @property
    def answered(self) -> dict[str, type]:
        return {"prediction": float, "lower": float, "upper": float}

    def score(self, pipeline: Pipeline, X: pd.DataFrame) -> np.ndarray:
        return np.asarray(pipeline.predict(X), dtype=np.float64)

    def choose(self, y: np.ndarray, scores: np.ndarray, decision: RegressionDecision) -> Rule:
        errors = np.sort(np.abs(y - scores))
        # The quantile that also holds for one more customer; beyond the largest error, that one.
        rank = int(np.ceil((len(errors) + 1) * decision.coverage))
        return float(errors[min(rank, len(errors)) - 1])

    def decided(self, scores: np.ndarray, rule: Rule) -> np.ndarray:
        return scores

    def answer(self, scores: np.ndarray, rule: Rule) -> dict[str, np.ndarray]:
        assert isinstance(rule, float | int)
        return {"prediction": scores, "lower": scores - rule, "upper": scores + rule}

    def size(self, scores: np.ndarray) -> float:
        # What is added up may be as large where the sum is not, such as of gains and losses.
        return float(np.max(np.abs(scores), initial=1.0))

    def learned(self, rule: Rule) -> Named:
        assert isinstance(rule, float | int)
        return {"half_width": rule}
