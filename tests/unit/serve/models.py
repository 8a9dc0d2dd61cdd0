"""Small models of every kind, and customers for them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from churn.core import params
from churn.core.params import Family
from churn.model.artifact import Model
from churn.serve.questions import Questions
from churn.serve.rows import Rows
from churn.serve.served import Served
from churn.stages import train
from tests.conftest import PARAMS

FEW: dict[Family, dict[str, Any]] = {
    "hist_gradient_boosting": {"max_iter": 8, "max_depth": 3},
    "gradient_boosting": {"n_estimators": 8},
    "random_forest": {"n_estimators": 8},
    "logistic_regression": {},
}
KEY = "a key of twenty letters"


def fitted(
    customers: pd.DataFrame,
    family: Family = "hist_gradient_boosting",
    hyperparameters: dict[str, Any] | None = None,
    **settings: Any,
) -> Model:
    """Fit a model in a moment; a double underscore in a setting is a point."""
    overrides = {
        "model.family": family,
        "model.hyperparameters": FEW[family] if hyperparameters is None else hyperparameters,
        "decision.strategy": "fixed",
        "decision.threshold": 0.4,
        "decision.folds": 2,  # nobody looks at what is out of fold
    }
    overrides |= {name.replace("__", "."): value for name, value in settings.items()}
    return train.fit(customers, params.load(PARAMS, overrides)).model


def unproven(model: Model, version: str = "3", max_rows: int = 1000) -> Served:
    """Serve a model by its reference, without the second that a compiled one takes."""
    example = dict.fromkeys(model.card.inputs)
    return Served(version, model, None, "", Questions(model, max_rows), example)


def require_same(found: Rows, expected: Rows) -> None:
    """Compare customers cell by cell; two missing cells are equal."""
    np.testing.assert_array_equal(found.numbers, expected.numbers)
    assert found.numbers.dtype == expected.numbers.dtype == np.float64
    assert {n: list(c) for n, c in found.categories.items()} == dict(expected.categories)
    assert found.ids == expected.ids


def same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    """Tell whether two arrays of float64 are equal to the last bit."""
    return one.shape == other.shape and one.tobytes() == other.tobytes()
