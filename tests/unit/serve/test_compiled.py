"""A compiled model gives the bits of its scikit-learn pipeline."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, OrdinalEncoder

from churn.core.params import Family
from churn.model.artifact import Model
from churn.serve import parity
from churn.serve.compiled import Compiled, CompileError, compile_model
from churn.serve.rows import Rows
from tests.binary import FAMILIES
from tests.unit.serve.models import fitted, same_bits

KINDS: dict[str, dict[str, Any]] = {
    "no category": {},
    "one category": {"data__categorical": ["plan"]},
    "two categories": {"data__categorical": ["plan", "channel"]},
    "a date": {"data__dates": ["signup"]},
    "no scores": {"features__rfm": None},
    "no ratios": {"features__ratios": []},
    "everything": {"data__categorical": ["channel", "plan"], "data__dates": ["signup"]},
}


def require_equal(model: Model, customers: pd.DataFrame, step: int = 97) -> Compiled:
    """Compare on hostile customers, all at once and some of them alone."""
    compiled = compile_model(model)
    rows = parity.hostile(model, customers.head(2))
    with np.errstate(all="ignore"):
        expected = model.pipeline.predict_proba(rows.frame(model.card))[:, 1]
    assert same_bits(compiled.scores(rows.numbers, rows.categories), expected)
    for place in range(0, len(rows), step):
        one = rows.take(np.array([place]))
        alone = model.pipeline.predict_proba(one.frame(model.card))[:, 1]
        assert same_bits(compiled.scores(one.numbers, one.categories), alone)
    return compiled


def cases() -> Iterator[Any]:
    """Give every kind of column with the family that ships, and two with each of the others."""
    for family in FAMILIES:
        for kind in KINDS:
            by_default = family == "hist_gradient_boosting" or kind in ("no category", "everything")
            marks = [] if by_default else [pytest.mark.exhaustive]
            yield pytest.param(family, kind, marks=marks, id=f"{family}-{kind}")


@pytest.mark.slow
@pytest.mark.parametrize(("family", "kind"), list(cases()))
def test_every_family_with_every_kind_of_column_has_the_same_bits(
    family: Family, kind: str, rich: pd.DataFrame
) -> None:
    require_equal(fitted(rich, family, **KINDS[kind]), rich)


@pytest.mark.slow
def test_the_small_model_has_the_same_bits(model: Model, planned: pd.DataFrame) -> None:
    require_equal(model, planned)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "hyperparameters"),
    [
        ("hist_gradient_boosting", {"max_iter": 1}),
        ("hist_gradient_boosting", {"max_iter": 4, "min_samples_leaf": 600}),
        ("hist_gradient_boosting", {"max_iter": 4, "class_weight": {"0": 1, "1": 5}}),
        ("gradient_boosting", {"n_estimators": 1}),
        ("gradient_boosting", {"n_estimators": 4, "min_samples_leaf": 600}),
        ("gradient_boosting", {"n_estimators": 4, "subsample": 0.5}),
        ("random_forest", {"n_estimators": 1}),
        ("random_forest", {"n_estimators": 4, "min_samples_leaf": 600}),
        ("random_forest", {"n_estimators": 4, "class_weight": {"0": 1, "1": 5}}),
        ("logistic_regression", {"solver": "liblinear"}),
        ("logistic_regression", {"fit_intercept": False}),
    ],
)
def test_one_tree_stumps_and_weights_have_the_same_bits(
    family: Family, hyperparameters: dict[str, Any], rich: pd.DataFrame
) -> None:
    plan = {"data__categorical": ["plan"]}
    require_equal(fitted(rich, family, hyperparameters, **plan), rich, step=500)


@pytest.mark.slow
def test_linear_algebra_has_the_same_bits_for_any_number_of_customers(rich: pd.DataFrame) -> None:
    model = fitted(rich, "logistic_regression", data__categorical=["plan"])
    compiled = compile_model(model)
    assert not compiled.by_row
    rows = parity.hostile(model, rich.head(3))
    frame = rows.frame(model.card)
    for count in [*range(1, 34), 63, 64, 65, 128, 255, 256, 257, 500]:
        first = rows.take(np.arange(count))
        expected = model.pipeline.predict_proba(frame.head(count))[:, 1]
        assert same_bits(compiled.scores(first.numbers, first.categories), expected), count


def test_a_customer_has_the_same_bits_among_any_number_of_others(
    model: Model, planned: pd.DataFrame
) -> None:
    compiled = compile_model(model)
    assert compiled.by_row
    rows = parity.hostile(model, planned.head(2))
    together = compiled.scores(rows.numbers, rows.categories)
    for count in (1, 2, 3, 31, 63, 64, 65, 66, 128, 500):
        for first in (0, len(rows) - count):
            some = rows.take(np.arange(first, first + count))
            found = compiled.scores(some.numbers, some.categories)
            assert same_bits(found, together[first : first + count]), count


@pytest.mark.slow
@pytest.mark.parametrize("family", ["hist_gradient_boosting", "random_forest"])
def test_more_customers_than_are_predicted_at_once_have_the_same_bits(
    family: Family, rich: pd.DataFrame
) -> None:
    model = fitted(rich, family, features__rfm=None, features__ratios=[])
    compiled = compile_model(model)
    assert compiled.by_row
    draw = np.random.default_rng(1)
    numbers = draw.lognormal(3, 2, size=(9000, len(model.card.numeric)))
    found = compiled.scores(numbers, {})
    assert same_bits(found, model.pipeline.predict_proba(Rows(numbers, {}).frame(model.card))[:, 1])


@pytest.mark.slow
def test_every_category_and_a_missing_one_has_the_features_of_the_encoder(
    rich: pd.DataFrame,
) -> None:
    # Who has no plan churns here, so that a missing plan and an unseen one are worlds apart.
    told = rich.assign(churned=rich["plan"].isna().astype("int8"))
    model = fitted(told, "logistic_regression", data__categorical=["plan", "channel"])
    compiled = compile_model(model)
    numbers = np.full((1, len(model.card.numeric)), 3.0)
    found = {}
    for plan in ("gold", "basic", "trial", "missing", None, "never seen", ""):
        for channel in ("web", "shop", None, "never seen"):
            rows = Rows(numbers, {"plan": [plan], "channel": [channel]})
            expected = model.pipeline.predict_proba(rows.frame(model.card))[:, 1]
            found[plan, channel] = compiled.scores(rows.numbers, rows.categories)
            assert same_bits(found[plan, channel], expected)
    assert found[None, "web"] == found["missing", "web"] != found["never seen", "web"]


@pytest.mark.slow
def test_a_column_without_any_value_in_training_is_compiled(rich: pd.DataFrame) -> None:
    none = pd.Series([None] * len(rich), dtype="str")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn says which column it leaves out
        model = fitted(rich.assign(plan=none, age=np.nan), data__categorical=["plan", "channel"])
        require_equal(model, rich, step=300)


def with_step(model: Model, change: Any) -> Model:
    pipeline = copy.deepcopy(model.pipeline)
    change(pipeline)
    return Model(pipeline, model.card)


def scale_otherwise(pipeline: Pipeline) -> None:
    pipeline.steps.insert(1, ("scale", MinMaxScaler()))


def scale_in_a_branch(pipeline: Pipeline) -> None:
    features = pipeline["features"]
    name, branch, columns = features.transformers_[0]
    features.transformers_[0] = (name, make_pipeline(branch, MinMaxScaler()), columns)


def encode_otherwise(pipeline: Pipeline) -> None:
    pipeline["features"].named_transformers_["category"].steps[-1] = ("o", OrdinalEncoder())


def classify_otherwise(pipeline: Pipeline) -> None:
    pipeline.steps[-1] = ("classifier", RidgeClassifier())


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (scale_otherwise, "MinMaxScaler"),
        (scale_in_a_branch, "MinMaxScaler"),
        (encode_otherwise, "OrdinalEncoder"),
        (classify_otherwise, "RidgeClassifier"),
    ],
)
def test_a_step_that_is_not_known_is_not_compiled(change: Any, named: str, model: Model) -> None:
    with pytest.raises(CompileError, match=f"no array operation for {named}"):
        compile_model(with_step(model, change))


def test_compiling_leaves_the_customers_as_they_were(model: Model, planned: pd.DataFrame) -> None:
    rows = parity.hostile(model, planned.head(2))
    before = rows.numbers.copy()
    compile_model(model).scores(rows.numbers, rows.categories)
    np.testing.assert_array_equal(rows.numbers, before)
