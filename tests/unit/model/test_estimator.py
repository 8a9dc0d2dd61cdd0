"""The pipeline from raw columns to probabilities."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from churn.core import params
from churn.core.errors import ParamsError
from churn.core.params import Family, FeaturesParams, ModelParams, Params, TaskName
from churn.model import outputs
from churn.model.estimator import build
from tests.binary import FAMILIES, OUTPUT

FEW = {"random_forest": {"n_estimators": 10}, "gradient_boosting": {"n_estimators": 10}}
RARE = "trial"  # three customers of 600, fewer than one in a hundred


def of_family(family: Family, seed: int = 1, **hyperparameters: Any) -> ModelParams:
    given = FEW.get(family, {"max_iter": 10} if family == "hist_gradient_boosting" else {})
    return ModelParams(family=family, seed=seed, hyperparameters=given | hyperparameters)


def fit(small: Params, planned: pd.DataFrame, model: ModelParams, **changes: Any) -> Pipeline:
    data = small.data.model_copy(update=changes)
    pipeline = build(OUTPUT, data, small.features, model)
    return pipeline.fit(planned[list(data.inputs)], planned["churned"])


@pytest.fixture(scope="module")
def logistic(small: Params, planned: pd.DataFrame) -> Pipeline:
    """Return a fitted model that reacts to every feature."""
    return fit(small, planned, of_family("logistic_regression"))


def features(pipeline: Pipeline, customers: pd.DataFrame) -> pd.DataFrame:
    step = pipeline["features"]
    return pd.DataFrame(step.transform(customers), columns=step.get_feature_names_out())


@pytest.mark.parametrize("task", get_args(TaskName))
def test_each_family_of_a_task_has_its_class(task: TaskName) -> None:
    assert set(outputs.of(task, ("a", "b", "c")).estimators) == set(params.FAMILIES[task])


def test_each_family_is_one_that_may_be_named() -> None:
    assert set().union(*params.FAMILIES.values()) == set(get_args(Family))


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_learns_from_raw_columns(
    family: Family, small: Params, planned: pd.DataFrame
) -> None:
    pipeline = fit(small, planned, of_family(family))
    probability = pipeline.predict_proba(planned)
    np.testing.assert_allclose(probability.sum(axis=1), 1)
    assert roc_auc_score(planned["churned"], probability[:, 1]) > 0.7


@pytest.mark.slow
@pytest.mark.parametrize("family", ["random_forest", "gradient_boosting"])
def test_every_random_choice_follows_from_the_seed(
    family: Family, small: Params, planned: pd.DataFrame
) -> None:
    model = of_family(family, max_features=2)
    other = model.model_copy(update={"seed": 2})
    one, same, another = (
        fit(small, planned, m).predict_proba(planned) for m in (model, model, other)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, another)


@pytest.mark.slow
def test_the_order_of_the_columns_does_not_matter(
    logistic: Pipeline, planned: pd.DataFrame
) -> None:
    np.testing.assert_array_equal(
        logistic.predict_proba(planned[sorted(planned.columns)]), logistic.predict_proba(planned)
    )


def test_ratios_and_scores_are_computed_from_their_columns(
    logistic: Pipeline, planned: pd.DataFrame
) -> None:
    made = features(logistic, planned)
    expected = planned["recency_days"] / (planned["frequency"] + 1)
    np.testing.assert_allclose(made["ratio__recency_days/frequency"], expected)
    by_days = made["rfm__recency_days_score"].groupby(planned["recency_days"] > 90).mean()
    assert by_days[False] > by_days[True]  # few days score high
    scores = made.filter(like="_score").drop(columns="rfm__rfm_score")
    np.testing.assert_allclose(made["rfm__rfm_score"], scores.sum(axis=1))


def test_missing_numbers_become_the_median_of_the_training_rows(
    logistic: Pipeline, planned: pd.DataFrame
) -> None:
    assert planned["age"].isna().any()
    made = features(logistic, planned)
    assert set(made["raw__age"][planned["age"].isna()]) == {planned["age"].median()}


def test_a_customer_of_whom_nothing_is_known_gets_a_probability(
    logistic: Pipeline, planned: pd.DataFrame
) -> None:
    unknown = planned.reindex([-1])
    assert unknown.isna().all(axis=None)
    assert 0 < logistic.predict_proba(unknown)[0, 1] < 1


@pytest.mark.slow
def test_a_column_without_values_can_be_trained_on(small: Params, planned: pd.DataFrame) -> None:
    pipeline = fit(small, planned.assign(age=np.nan), of_family("logistic_regression"))
    assert np.isfinite(pipeline.predict_proba(planned)).all()
    assert "raw__age" in pipeline["features"].get_feature_names_out()


@pytest.mark.slow
def test_rare_and_unseen_categories_are_one(logistic: Pipeline, planned: pd.DataFrame) -> None:
    assert (planned["plan"] == RARE).mean() < 0.01
    customer = planned.head(1)
    columns = [name for name in features(logistic, customer) if name.startswith("category__")]
    assert columns == [
        "category__plan_basic",
        "category__plan_gold",
        "category__plan_missing",
        "category__plan_infrequent_sklearn",
    ]
    encoded = {
        plan: features(logistic, customer.assign(plan=plan))[columns].iloc[0].tolist()
        for plan in ("gold", np.nan, RARE, "never seen")
    }
    assert encoded["gold"] == [0, 1, 0, 0]
    assert encoded[np.nan] == [0, 0, 1, 0]
    assert encoded[RARE] == encoded["never seen"] == [0, 0, 0, 1]


def test_only_a_family_that_needs_it_is_scaled(logistic: Pipeline, planned: pd.DataFrame) -> None:
    assert isinstance(logistic["scale"], StandardScaler)
    scaled = logistic[:-1].transform(planned)
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-9)


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - {"logistic_regression"}))
def test_trees_are_not_scaled(family: Family, small: Params) -> None:
    assert "scale" not in build(OUTPUT, small.data, small.features, of_family(family)).named_steps


def test_ratios_and_scores_can_be_left_out(small: Params, planned: pd.DataFrame) -> None:
    data = small.data.model_copy(update={"categorical": ()})
    pipeline = build(OUTPUT, data, FeaturesParams(), of_family("logistic_regression"))
    pipeline.fit(planned[list(data.inputs)], planned["churned"])
    names = pipeline["features"].get_feature_names_out().tolist()
    assert names == [f"raw__{name}" for name in data.numeric]


def test_a_table_of_categories_alone_can_be_learned_from(
    small: Params, planned: pd.DataFrame
) -> None:
    data = small.data.model_copy(update={"numeric": ()})
    pipeline = build(OUTPUT, data, FeaturesParams(), of_family("hist_gradient_boosting"))
    pipeline.fit(planned[["plan"]], planned["churned"])
    by_plan = pd.Series(pipeline.predict_proba(planned)[:, 1]).groupby(planned["plan"]).nunique()
    assert by_plan.max() == 1


def test_an_unknown_hyperparameter_is_refused_with_the_valid_ones(small: Params) -> None:
    model = of_family("hist_gradient_boosting", n_estimators=5)
    with pytest.raises(ParamsError) as caught:
        build(OUTPUT, small.data, small.features, model)
    message = str(caught.value)
    assert message.startswith("model.hyperparameters.n_estimators: hist_gradient_boosting has none")
    assert "max_depth" in message
    assert "max_iter" in message


@pytest.mark.parametrize("name", ["random_state", "warm_start", "verbose"])
def test_what_is_set_elsewhere_is_refused(name: str, small: Params) -> None:
    model = of_family("random_forest", **{name: 1})
    with pytest.raises(
        ParamsError, match=rf"hyperparameters\.{name}: .*none of that name"
    ) as caught:
        build(OUTPUT, small.data, small.features, model)
    assert name not in str(caught.value).partition("(valid: ")[2]


@pytest.mark.parametrize("name", ["scoring", "categorical_features"])
def test_what_could_not_be_stored_is_refused(name: str, small: Params) -> None:
    model = of_family("hist_gradient_boosting", **{name: "loss"})
    with pytest.raises(
        ParamsError, match=rf"hyperparameters\.{name}: .*none of that name"
    ) as caught:
        build(OUTPUT, small.data, small.features, model)
    assert name not in str(caught.value).partition("(valid: ")[2]


def test_a_value_that_the_family_does_not_take_is_refused(small: Params) -> None:
    model = of_family("hist_gradient_boosting", learning_rate="fast")
    with pytest.raises(ParamsError, match=r"'learning_rate' parameter .* must be a float"):
        build(OUTPUT, small.data, small.features, model)


@pytest.mark.slow
@pytest.mark.parametrize("labels", [(0, 1), ("0", "1")])
@pytest.mark.parametrize("family", sorted(set(FAMILIES) - {"gradient_boosting"}))
def test_a_label_can_have_a_weight(
    family: Family, labels: tuple[Any, Any], small: Params, planned: pd.DataFrame
) -> None:
    weights = dict(zip(labels, (1, 20), strict=True))
    weighted, plain = (
        fit(small, planned, of_family(family, **given)).predict_proba(planned)[:, 1].mean()
        for given in ({"class_weight": weights}, {})
    )
    assert weighted > plain + 0.1


@pytest.mark.slow
@pytest.mark.parametrize("family", ["random_forest", "hist_gradient_boosting"])
def test_a_column_can_be_made_to_work_in_one_direction(
    family: Family, small: Params, planned: pd.DataFrame
) -> None:
    def rises(model: ModelParams) -> bool:
        """Whether more days since the last order, all else as it was, mean more churn anywhere."""
        pipeline = fit(small, planned, model)
        made = features(pipeline, planned)
        few, many = (
            pipeline["classifier"].predict_proba(made.assign(**{column: days}).to_numpy())[:, 1]
            for days in (0.0, 300.0)
        )
        return bool((many > few).any())

    column = "raw__recency_days"
    names = fit(small, planned, of_family(family))["features"].get_feature_names_out()
    falling = [-1 if name == column else 0 for name in names]
    assert rises(of_family(family))
    assert not rises(of_family(family, monotonic_cst=falling))


@pytest.mark.slow
def test_columns_can_be_kept_from_interacting(small: Params, planned: pd.DataFrame) -> None:
    model = of_family("hist_gradient_boosting", interaction_cst=[[0]])
    used = fit(small, planned, model)["classifier"]
    split_by = [
        set(tree.nodes["feature_idx"][tree.nodes["is_leaf"] == 0]) for (tree,) in used._predictors
    ]
    assert {0} in split_by
    assert all(columns == {0} for columns in split_by if 0 in columns)


@pytest.mark.parametrize("family", ["random_forest", "hist_gradient_boosting"])
def test_a_mapping_by_column_names_is_refused(family: Family, small: Params) -> None:
    model = of_family(family, monotonic_cst={"raw__age": 1})
    with pytest.raises(ParamsError, match=r"^model\.hyperparameters\.monotonic_cst: takes no map"):
        build(OUTPUT, small.data, small.features, model)
