"""Features' values, given back to the columns that they are computed from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from churn.core.params import Params
from churn.explanation.division import Division
from churn.explanation.values import Explainer
from churn.model.artifact import Model
from tests.unit.explanation.test_values import fitted

RFM = ["recency_days", "frequency", "monetary_value"]


def only(model: Model, feature: str, value: float, rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return what the columns get of a feature that alone has a value."""
    names = list(model.pipeline["features"].get_feature_names_out())
    values = np.zeros((len(rows), len(names)))
    values[:, names.index(feature)] = value
    found = Division(model).of(model.inputs(rows), values)
    np.testing.assert_allclose(found.sum(axis=1), value)
    return dict(zip(model.card.inputs, found.T, strict=True))


@pytest.fixture(scope="module")
def linear(small: Params, planned: pd.DataFrame) -> Model:
    return fitted("logistic_regression", small, planned)


@pytest.mark.slow
def test_the_sum_of_scores_is_divided_exactly_in_logistic_regression(
    linear: Model, planned: pd.DataFrame
) -> None:
    """As if the sum's weight had been added to the weights of the scores."""
    features = linear.pipeline["features"]
    names = list(features.get_feature_names_out())
    table = pd.DataFrame(features.transform(linear.inputs(planned)), columns=names)
    scores = table[[f"rfm__{name}_score" for name in RFM]]
    assert not planned[RFM].isna().any().any()
    place = names.index("rfm__rfm_score")
    factor = linear.pipeline[-1].coef_[0, place] / table["rfm__rfm_score"].std(ddof=0)
    values = np.zeros(table.shape)
    total = table["rfm__rfm_score"]
    values[:, place] = factor * (total - total.mean())
    found = Division(linear).of(linear.inputs(planned), values)
    where = [linear.card.inputs.index(name) for name in RFM]
    np.testing.assert_allclose(found[:, where], factor * (scores - scores.mean()), atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("rising", [True, False])
def test_a_column_of_the_sum_that_only_raises_the_prediction_has_that_sign_for_everybody(
    rising: bool, small: Params, planned: pd.DataFrame
) -> None:
    """Against the direction of the sum, and with it, whatever the other scores are."""
    rng = np.random.default_rng(0)
    monetary = rng.uniform(1, 100, len(planned))
    better = monetary if rising else -monetary
    churned = (better + rng.normal(0, 8, len(planned)) > np.median(better)).astype(int)
    rows = planned.assign(monetary_value=monetary, churned=churned)
    without = small.features.model_copy(update={"ratios": []})
    model = fitted("logistic_regression", small.model_copy(update={"features": without}), rows)
    found = Explainer(model).explain(model.inputs(rows))
    values = found.values[:, model.card.inputs.index("monetary_value")]
    sign = 1 if rising else -1
    assert (sign * values[monetary > 65] > 0).all()
    assert (sign * values[monetary < 35] < 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("family", ["logistic_regression", "hist_gradient_boosting"])
def test_a_feature_that_is_not_known_is_given_to_the_columns_that_are_missing(
    family: Any, small: Params, planned: pd.DataFrame
) -> None:
    model = fitted(family, small, planned)
    rows = planned.head(20).astype({"recency_days": float})
    rows["recency_days"] = np.nan
    for feature in ("rfm__rfm_score", "ratio__recency_days/frequency"):
        found = only(model, feature, 0.7, rows)
        np.testing.assert_allclose(found["recency_days"], 0.7)
        assert not found["frequency"].any()


def test_a_column_that_is_as_usual_gets_nothing_of_a_ratio(
    model: Model, planned: pd.DataFrame
) -> None:
    rows = planned.head(20).assign(frequency=planned["frequency"].median())
    rows = rows[rows["recency_days"] != planned["recency_days"].median()]
    found = only(model, "ratio__recency_days/frequency", -0.4, rows)
    np.testing.assert_allclose(found["recency_days"], -0.4)
    np.testing.assert_allclose(found["frequency"], 0, atol=1e-12)


def test_the_parts_of_a_feature_are_no_larger_than_its_value(
    model: Model, planned: pd.DataFrame
) -> None:
    for feature in ("rfm__rfm_score", "ratio__recency_days/frequency"):
        for part in only(model, feature, 1.0, planned).values():
            assert ((part >= 0) & (part <= 1)).all()


def test_of_the_sum_each_column_gets_what_its_score_adds(
    model: Model, planned: pd.DataFrame
) -> None:
    branch = model.pipeline["features"].named_transformers_["rfm"]
    scores = branch[0].transform(model.inputs(planned)[RFM])[:, :-1]
    scores -= np.median(scores, axis=0)
    found = only(model, "rfm__rfm_score", 1.0, planned)
    parts = np.column_stack([found[name] for name in RFM])
    high = (scores >= 0).all(axis=1) & scores.any(axis=1)
    assert high.sum() > 10
    expected = scores[high] / scores[high].sum(axis=1, keepdims=True)
    np.testing.assert_allclose(parts[high], expected)
    opposed = (scores.sum(axis=1) > 0) & (scores[:, 0] < 0)
    assert opposed.any()
    assert not parts[opposed, 0].any()
