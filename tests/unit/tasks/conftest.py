"""Customers with a number and with one of three classes to predict, and models of both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from churn.core.params import MulticlassDecision, Params, RegressionDecision
from churn.model.artifact import Model
from churn.stages import train

CLASSES = ("low", "mid", "high")
FEW: dict[str, dict[str, Any]] = {
    "random_forest": {"n_estimators": 8, "max_depth": 5},
    "gradient_boosting": {"n_estimators": 12},
    "hist_gradient_boosting": {"max_iter": 12, "max_depth": 4, "min_samples_leaf": 10},
}
Fit = Callable[..., Model]


@pytest.fixture(scope="session")
def numbers() -> RegressionDecision:
    return RegressionDecision(
        coverage=0.9, cost_too_low=3.0, cost_too_high=1.0, folds=2, max_rows=100_000
    )


@pytest.fixture(scope="session")
def classes() -> MulticlassDecision:
    return MulticlassDecision(costs={"high": 3.0}, folds=2, max_rows=100_000)


@pytest.fixture(scope="session")
def spenders(planned: pd.DataFrame) -> pd.DataFrame:
    """Customers with what they will spend, and whether that is low, mid or high."""
    rng = np.random.default_rng(3)
    spend = 50 + 0.2 * planned["monetary_value"] - planned["recency_days"]
    spend += np.where(planned["plan"] == "basic", 0.0, 30.0) + rng.normal(0, 15, len(planned))
    level = np.searchsorted(spend.quantile([0.4, 0.75]).to_numpy(), spend)
    return planned.assign(spend=spend, level=level)


@pytest.fixture(scope="session")
def fit_numbers(small: Params, spenders: pd.DataFrame, numbers: RegressionDecision) -> Fit:
    def fit(family: str, **hyperparameters: Any) -> Model:
        return fitted(small, spenders, "regression", numbers, family, hyperparameters)

    return fit


@pytest.fixture(scope="session")
def fit_classes(small: Params, spenders: pd.DataFrame, classes: MulticlassDecision) -> Fit:
    def fit(family: str, **hyperparameters: Any) -> Model:
        return fitted(small, spenders, "multiclass", classes, family, hyperparameters)

    return fit


def fitted(
    small: Params, rows: pd.DataFrame, task: str, decision: Any, family: str, given: dict[str, Any]
) -> Model:
    """Fit a small model of a task."""
    target = {"regression": "spend", "multiclass": "level"}[task]
    data = {"target": target, "positive": None}
    data |= {"classes": CLASSES} if task == "multiclass" else {}
    model = {"family": family, "hyperparameters": FEW.get(family, {}) | given}
    settings = small.model_copy(
        update={
            "task": task,
            "data": small.data.model_copy(update=data),
            "model": small.model.model_copy(update=model),
            "decision": decision,
        }
    )
    return train.fit(rows, settings).model
