"""Reasons: what each raw column adds to a prediction."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.preprocessing import MinMaxScaler

from churn.core.errors import ExplanationError
from churn.core.params import Family, Params
from churn.explanation.sources import parts
from churn.explanation.values import Explainer
from churn.model.artifact import Model
from churn.stages import train
from tests.binary import FAMILIES

FEW: dict[str, dict[str, Any]] = {
    "logistic_regression": {},
    "random_forest": {"n_estimators": 8, "max_depth": 6, "class_weight": "balanced"},
    "gradient_boosting": {"n_estimators": 12},
    "hist_gradient_boosting": {"max_iter": 12, "max_depth": 4, "min_samples_leaf": 10},
}


def fitted(family: Family, small: Params, customers: pd.DataFrame, **hyperparameters: Any) -> Model:
    given = {"family": family, "hyperparameters": FEW[family] | hyperparameters}
    folds = small.decision.model_copy(update={"folds": 2})  # nobody looks at what is out of fold
    model = small.model.model_copy(update=given)
    return train.fit(customers, small.model_copy(update={"model": model, "decision": folds})).model


@pytest.fixture(scope="module", params=list(FAMILIES))
def any_model(request: pytest.FixtureRequest, small: Params, planned: pd.DataFrame) -> Model:
    """Return a fitted model of each family, with ratios, scores and categories."""
    return fitted(request.param, small, planned)


@pytest.fixture
def odd(planned: pd.DataFrame) -> pd.DataFrame:
    """Return customers of whom much is missing, unseen or extreme."""
    rows = planned.copy()
    for place, name in enumerate(["recency_days", "total_orders", "age"]):
        rows[name] = rows[name].astype(float)
        rows.loc[rows.index[place::5], name] = np.nan
    rows.loc[rows.index[::9], "monetary_value"] = 1e12
    rows.loc[rows.index[::4], "plan"] = "never seen"
    return rows


@pytest.mark.slow
def test_reasons_and_base_sum_to_the_prediction(any_model: Model, odd: pd.DataFrame) -> None:
    found = Explainer(any_model).explain(any_model.inputs(odd))

    probability = any_model.scores(odd)
    assert found.unit == ("probability" if "forest" in any_model.card.family else "log-odds")
    summed = found.values.sum(axis=1) + found.base
    np.testing.assert_allclose(summed, found.score, rtol=1e-9)
    said = summed if found.unit == "probability" else expit(summed)
    np.testing.assert_allclose(said, probability, rtol=1e-9, atol=1e-12)
    assert found.values.shape == (len(odd), len(any_model.card.inputs))


@pytest.mark.slow
def test_what_sums_half_the_log_odds_is_explained_in_log_odds(
    small: Params, planned: pd.DataFrame, odd: pd.DataFrame
) -> None:
    model = fitted("gradient_boosting", small, planned, loss="exponential")
    found = Explainer(model).explain(model.inputs(odd))
    assert found.unit == "log-odds"
    np.testing.assert_allclose(found.values.sum(axis=1) + found.base, found.score, rtol=1e-9)
    np.testing.assert_allclose(expit(found.score), model.scores(odd), rtol=1e-9)
    known = Explainer(model).explain(model.inputs(planned))
    np.testing.assert_allclose(known.score.mean(), found.base, rtol=1e-6)  # of the training rows


def test_a_row_has_the_same_reasons_in_any_company(any_model: Model, odd: pd.DataFrame) -> None:
    explainer, inputs = Explainer(any_model), any_model.inputs(odd)
    alone = explainer.explain(inputs.iloc[[3]])
    np.testing.assert_array_equal(alone.values[0], explainer.explain(inputs).values[3])


@pytest.mark.slow
def test_a_column_that_the_model_does_not_use_has_none(
    small: Params, planned: pd.DataFrame
) -> None:
    # Constant in training, so that no tree can split by it, and its weight is zero.
    flat = planned.assign(age=40)
    for family in FAMILIES:
        model = fitted(family, small, flat)
        found = Explainer(model).explain(model.inputs(planned.assign(age=range(len(planned)))))
        by_column = dict(zip(model.card.inputs, found.values.T, strict=True))
        np.testing.assert_allclose(by_column["age"], 0.0, atol=1e-9)
        assert np.abs(by_column["recency_days"]).max() > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_a_column_that_can_only_raise_the_prediction_raises_it(
    family: Family, small: Params, planned: pd.DataFrame
) -> None:
    rng = np.random.default_rng(0)
    age = rng.uniform(18, 80, len(planned)).round()
    churned = (age + rng.normal(0, 8, len(planned)) > 50).astype(int)
    monotone = planned.assign(age=age, churned=churned)
    model = fitted(family, small, monotone)
    found = Explainer(model).explain(model.inputs(monotone))
    values = found.values[:, model.card.inputs.index("age")]
    assert (values[age >= 70] > 0).all()
    assert (values[age <= 30] < 0).all()


@pytest.mark.slow
def test_values_are_those_of_the_definition(small: Params, planned: pd.DataFrame) -> None:
    """Shapley's formula over all groups of features, by walking through the trees itself."""
    model = fitted("gradient_boosting", small, planned, n_estimators=3, max_depth=3)
    classifier = model.pipeline[-1]
    features = model.pipeline[:-1].transform(model.inputs(planned.head(3)))
    trees = [estimator.tree_ for estimator in classifier.estimators_[:, 0]]
    used = sorted({int(i) for tree in trees for i in tree.feature if i >= 0})
    assert 3 <= len(used) <= 9

    def known(tree: Any, row: np.ndarray, group: frozenset[int], node: int = 0) -> float:
        left, right, feature = (
            int(what[node]) for what in (tree.children_left, tree.children_right, tree.feature)
        )
        if left < 0:
            return float(tree.value[node, 0, 0])
        if feature in group:
            below = left if np.float32(row[feature]) <= tree.threshold[node] else right
            return known(tree, row, group, below)
        weights = tree.weighted_n_node_samples
        both = weights[left] * known(tree, row, group, left)
        both += weights[right] * known(tree, row, group, right)
        return float(both / weights[node])

    def worth(row: np.ndarray, group: frozenset[int]) -> float:
        return classifier.learning_rate * sum(known(tree, row, group) for tree in trees)

    expected = np.zeros((3, features.shape[1]))
    n = len(used)
    for place, row in enumerate(features):
        for feature in used:
            others = [one for one in used if one != feature]
            for size in range(n):
                weight = math.factorial(size) * math.factorial(n - size - 1) / math.factorial(n)
                for group in map(frozenset, itertools.combinations(others, size)):
                    gain = worth(row, group | {feature}) - worth(row, group)
                    expected[place, feature] += weight * gain
    found = Explainer(model)._of_features(features)
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.slow
def test_a_feature_is_given_back_to_the_columns_that_it_depends_on(
    any_model: Model, planned: pd.DataFrame
) -> None:
    """Change one column after the other, and look which features change."""
    found, step = parts(any_model), any_model.pipeline["features"]
    rows = any_model.inputs(planned)
    features = step.transform(rows)
    depends = np.zeros(found.shape, dtype=bool)
    for place, name in enumerate(any_model.card.inputs):
        changed = rows.assign(**{name: rows[name].array[::-1]})
        depends[:, place] = (step.transform(changed) != features).any(axis=0)
    np.testing.assert_array_equal(found > 0, depends)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    names = list(step.get_feature_names_out())
    ratio = found[names.index("ratio__recency_days/frequency")]
    assert ratio[list(any_model.card.inputs).index("frequency")] == 0.5


@pytest.mark.slow
def test_a_model_without_splits_has_no_reasons(small: Params, planned: pd.DataFrame) -> None:
    for family in ("hist_gradient_boosting", "gradient_boosting", "random_forest"):
        model = fitted(family, small, planned, min_samples_leaf=10_000)
        found = Explainer(model).explain(model.inputs(planned))
        assert not found.values.any()
        np.testing.assert_allclose(found.score, found.base)


def test_values_that_do_not_sum_are_not_given(
    any_model: Model, planned: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    explainer = Explainer(any_model)
    monkeypatch.setattr(explainer, "base", explainer.base + 1e-4)
    with pytest.raises(ExplanationError, match=r"do not sum to the prediction: by 0\.0001"):
        explainer.explain(any_model.inputs(planned))
    monkeypatch.setattr(explainer, "base", explainer.base + np.nan)
    with pytest.raises(ExplanationError, match="do not sum"):
        explainer.explain(any_model.inputs(planned))


def test_a_step_that_is_not_known_has_no_reasons(model: Model) -> None:
    pipeline = type(model.pipeline)(model.pipeline.steps)
    features = pipeline["features"]
    first = features.transformers_[0]
    strange = type(features)(features.transformers)
    strange.transformers_ = [(first[0], MinMaxScaler(), first[2]), *features.transformers_[1:]]
    pipeline.steps = [("features", strange), *pipeline.steps[1:]]
    with pytest.raises(ExplanationError, match="no reasons for a model with a MinMaxScaler"):
        Explainer(replace(model, pipeline=pipeline))
