"""What a model goes by as a whole."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from churn.explanation import overall
from churn.explanation.values import Explained, Explainer
from churn.model.artifact import Model


def test_the_effect_is_the_mean_size_of_the_reasons(model: Model, planned: pd.DataFrame) -> None:
    rows = planned.head(300)
    found = overall.overall(model, rows, 1)
    values = np.abs(Explainer(model).explain(model.inputs(rows)).values).mean(axis=0)
    expected = dict(zip(model.card.inputs, values.round(6).tolist(), strict=True))
    assert {point["column"]: point["effect"] for point in found} == expected
    effects = [point["effect"] for point in found]
    assert effects == sorted(effects, reverse=True)
    assert {point["unit"] for point in found} == {"log-odds"}
    by_column = {point["column"]: point["direction"] for point in found}
    assert by_column["recency_days"] == "raises"
    assert by_column["plan"] in ("by category", "none")


@pytest.mark.slow
def test_of_many_rows_some_are_drawn_by_the_seed(model: Model, planned: pd.DataFrame) -> None:
    assert len(planned) > overall.MAX_ROWS
    assert overall.overall(model, planned, 1) == overall.overall(model, planned, 1)
    assert overall.overall(model, planned, 1) != overall.overall(model, planned, 2)


@pytest.mark.slow
def test_a_model_with_many_leaves_is_asked_about_fewer(
    model: Model, planned: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    trees = [one for [one] in model.pipeline[-1]._predictors]
    leaves = sum(int(tree.nodes["is_leaf"].sum()) for tree in trees)
    assert Explainer(model).leaves == leaves > 15
    for budget, expected in ((leaves * 1000, 500), (leaves * 70, 70), (leaves, 50)):
        monkeypatch.setattr(overall, "MAX_LEAVES", budget)
        found = overall.overall(model, planned, 1)
        assert {point["customers"] for point in found} == {expected}


def test_a_direction_is_that_of_numbers_and_reasons() -> None:
    cells = pd.Series([1.0, 2.0, 3.0, 10.0, np.nan])
    up = np.array([-2.0, -1.0, 0.5, 0.6, 0.0])
    assert overall.direction(cells, up) == "raises"
    assert overall.direction(cells, -up) == "lowers"
    assert overall.direction(cells, np.array([1.0, -1.0, -1.0, 1.0, 5.0])) == "both ways"
    assert overall.direction(cells, np.zeros(5)) == "none"
    assert overall.direction(pd.Series([2.0] * 5), up) == "both ways"
    assert (
        overall.direction(pd.Series(["a", "b", None, "a", "a"], dtype="str"), up) == "by category"
    )


def test_a_forest_s_effects_are_probabilities() -> None:
    found = Explained(np.array([[0.1], [-0.3]]), 0.5, np.array([0.6, 0.2]), "probability")
    [point] = overall.summary(found, pd.DataFrame({"age": [50.0, 20.0]}))
    assert point == {
        "column": "age", "effect": 0.2, "direction": "raises", "unit": "probability",
        "customers": 2,
    }  # fmt: skip
