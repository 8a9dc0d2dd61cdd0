"""Predictions of training rows, each by a fit that has not seen it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier

from churn.core.errors import ArtifactError, DataError
from churn.data.split import hash_share
from churn.model import out_of_fold
from tests.binary import OUTPUT

Table = tuple[pd.DataFrame, np.ndarray, pd.Series]
TREE = Pipeline([("classifier", DecisionTreeClassifier(min_samples_leaf=8, random_state=0))])


@pytest.fixture
def table() -> Table:
    """Return rows whose label depends on a number, and on much else, and their ids."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=300)
    y = (rng.random(300) < 1 / (1 + np.exp(1 - x))).astype(int)
    return pd.DataFrame({"x": x}), y, pd.Series([f"C{i}" for i in range(300)])


def predict(table: Table, max_rows: int = 10_000, n_folds: int = 4, **more: Any) -> pd.DataFrame:
    return out_of_fold.predict(OUTPUT, TREE, *table, n_folds, max_rows, **more)


def test_each_row_is_predicted_by_a_fit_that_has_not_seen_it(table: Table) -> None:
    X, y, ids = table
    folds = PredefinedSplit((hash_share(ids, "fold") * 4).astype(int))
    expected = cross_val_predict(TREE, X, y, cv=folds, method="predict_proba")[:, 1]
    found = predict(table).sort_index()
    np.testing.assert_array_equal(found["probability"], expected)
    np.testing.assert_array_equal(found["fold"], folds.test_fold)
    assert not np.array_equal(found["probability"], TREE.fit(X, y).predict_proba(X)[:, 1])


def test_a_customer_keeps_place_and_fold_in_another_table(table: Table) -> None:
    X, y, ids = table
    order = np.random.default_rng(1).permutation(300)
    shuffled = X.iloc[order].reset_index(drop=True), y[order], ids[order].reset_index(drop=True)
    one = out_of_fold.by_customer(predict(table), ids)
    other = out_of_fold.by_customer(predict(shuffled), shuffled[2])
    pd.testing.assert_frame_equal(one, other)
    assert one.index[0] != ids[0]  # the order is that of the places


def test_predictions_are_given_back_to_their_customers(table: Table) -> None:
    ids = table[2]
    for max_rows in (10_000, 100):
        said = predict(table, max_rows)
        found = out_of_fold.by_customer(said.reset_index(drop=True), ids)
        assert found.index.tolist() == ids[said.index].tolist()
        assert found["probability"].tolist() == said["probability"].tolist()


def test_predictions_of_other_customers_are_refused(table: Table) -> None:
    ids = table[2]
    for others in (ids[:100], pd.Series(["A"] * 300)):
        with pytest.raises(ArtifactError, match="of other training rows; run dvc repro"):
            out_of_fold.by_customer(predict(table), others)


def test_no_more_rows_are_used_than_is_enough(table: Table) -> None:
    found = predict(table, max_rows=100)
    assert 75 < len(found) < 125
    # The same ones of another number of folds, and of a smaller table.
    X, y, ids = table
    assert predict(table, max_rows=100, n_folds=3).index.tolist() == found.index.tolist()
    half = predict((X[:150].copy(), y[:150], ids[:150]), max_rows=50)
    assert set(half.index) <= set(found.index)


def test_each_fold_is_reported(table: Table) -> None:
    steps: list[str] = []
    predict(table, advance=steps.append)
    assert steps == ["fold 1", "fold 2", "fold 3", "fold 4"]


def test_an_empty_fold_is_none(table: Table) -> None:
    X, _, ids = table
    few = [0, 1, 2, 3, 4, 5]
    found = predict((X.iloc[few], np.array([0, 1, 0, 1, 0, 1]), ids.iloc[few]), n_folds=50)
    assert found["probability"].notna().all()


@pytest.mark.parametrize("churned", [0, 1])
def test_too_few_customers_of_a_kind_are_refused(table: Table, churned: int) -> None:
    X, _, ids = table
    y = np.repeat([0, 1], [300 - churned, churned])
    with pytest.raises(
        DataError, match="to cross-validate: without one fold, they all have the same target"
    ):
        predict((X, y, ids))
