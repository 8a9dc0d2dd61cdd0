"""Permutation importance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from churn.core.params import DataParams, FeaturesParams, ImportanceParams, Params
from churn.evaluation.importance import permutation_importance
from churn.model.artifact import Model
from churn.stages import train
from tests.binary import BINARY


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """Return rows whose label follows `strong`, a little `word`, and not `noise`."""
    rng = np.random.default_rng(4)
    n = 1000
    strong, word = rng.normal(size=n), rng.choice(["a", "b", "c"], size=n)
    left = strong + 0.8 * (word == "a") + rng.normal(0, 0.3, size=n) > 0.5
    return pd.DataFrame(
        {
            "id": [f"c{i}" for i in range(n)],
            "left": left.astype("int8"),
            "flat": 1.0,
            "strong": strong,
            "noise": rng.normal(size=n),
            "word": pd.Series(word, dtype="str"),
        }
    )


@pytest.fixture(scope="module")
def fitted(rows: pd.DataFrame, small: Params) -> Model:
    """Return a model of those rows."""
    data = DataParams(
        path="-",
        id="id",
        target="left",
        positive=1,
        numeric=("flat", "strong", "noise"),
        categorical=("word",),
    )
    return train.fit(
        rows, small.model_copy(update={"data": data, "features": FeaturesParams()})
    ).model


def importance(model: Model, rows: pd.DataFrame, seed: int = 1, **given: Any) -> list[dict]:
    params = ImportanceParams(**({"repeats": 4, "max_rows": 5000} | given))
    return permutation_importance(BINARY, model, rows, rows["left"].to_numpy(), params, seed)


@pytest.mark.slow
def test_the_column_that_matters_comes_first_and_a_constant_one_is_worth_nothing(
    fitted: Model, rows: pd.DataFrame
) -> None:
    results = importance(fitted, rows)
    by_column = {result["column"]: result for result in results}
    assert [result["column"] for result in results[:2]] == ["strong", "word"]
    assert set(by_column) == {"flat", "strong", "noise", "word"}
    assert by_column["flat"] == {"column": "flat", "importance": 0.0, "standard_deviation": 0.0}
    values = [result["importance"] for result in results]
    assert values == sorted(values, reverse=True)


@pytest.mark.slow
def test_importance_is_the_auc_that_is_lost(fitted: Model, rows: pd.DataFrame) -> None:
    # The model knows `word` and what is shuffled; the loss is the same for any shuffle but noise.
    y = rows["left"]
    rng = np.random.default_rng(99)
    whole = roc_auc_score(y, fitted.scores(rows))
    losses = [
        whole
        - roc_auc_score(
            y, fitted.scores(rows.assign(strong=rng.permutation(rows["strong"].to_numpy())))
        )
        for _ in range(20)
    ]
    found = {r["column"]: r for r in importance(fitted, rows, repeats=20)}["strong"]
    assert found["importance"] == pytest.approx(np.mean(losses), abs=0.02)
    assert found["standard_deviation"] == pytest.approx(np.std(losses), abs=0.02)
    assert found["standard_deviation"] > 0


@pytest.mark.slow
def test_the_seed_decides_the_shuffles(fitted: Model, rows: pd.DataFrame) -> None:
    assert importance(fitted, rows) == importance(fitted, rows)
    assert importance(fitted, rows) != importance(fitted, rows, seed=2)


@pytest.mark.slow
def test_the_rows_stay_as_they_are_and_their_index_does_not_matter(
    fitted: Model, rows: pd.DataFrame
) -> None:
    before = rows.copy()
    same_index = rows.set_index(np.zeros(len(rows), dtype=int))
    assert importance(fitted, same_index) == importance(fitted, rows)
    pd.testing.assert_frame_equal(rows, before)


def test_no_more_rows_are_shuffled_than_is_enough_and_both_kinds_stay(
    fitted: Model, rows: pd.DataFrame
) -> None:
    sizes: list[int] = []

    class Counting(Model):
        def scores(self, customers: pd.DataFrame) -> np.ndarray:
            sizes.append(len(customers))
            return super().scores(customers)

    # Six churned: of a hundred rows one does, without which there would be no AUC.
    rare = pd.concat([rows[rows["left"] == 0], rows[rows["left"] == 1].head(6)])
    results = importance(Counting(fitted.pipeline, fitted.card), rare, repeats=3, max_rows=100)
    assert all(np.isfinite(result["importance"]) for result in results)
    assert sizes[0] == pytest.approx(100, abs=1)
    assert sizes[1:] == [3 * sizes[0]] * 4


def test_each_column_is_reported(fitted: Model, rows: pd.DataFrame) -> None:
    steps: list[str] = []
    params = ImportanceParams(repeats=1, max_rows=50)
    permutation_importance(BINARY, fitted, rows, rows["left"].to_numpy(), params, 1, steps.append)
    assert steps == ["flat", "strong", "noise", "word"]


@pytest.mark.slow
def test_a_column_may_be_called_self(rows: pd.DataFrame, small: Params) -> None:
    renamed = rows.rename(columns={"strong": "self", "noise": "$ spent, $ returned"})
    data = DataParams(
        path="-",
        id="id",
        target="left",
        positive=1,
        numeric=("self", "$ spent, $ returned"),
    )
    settings = small.model_copy(update={"data": data, "features": FeaturesParams()})
    results = importance(train.fit(renamed, settings).model, renamed)
    assert results[0]["column"] == "self"
