"""Boosted trees as bits: the sums are those of scikit-learn, bit by bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier

from churn.serve import bits


@pytest.fixture(scope="module")
def table() -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(3)
    X = draw.normal(size=(3000, 5)).round(1)
    X[:, 3] = draw.integers(0, 3, size=len(X))
    X[:, 4] = 1.0  # tells nothing
    y = (X[:, 0] + X[:, 1] * X[:, 3] + draw.normal(size=len(X)) > 1).astype(int)
    return X, y


def hostile(X: np.ndarray) -> np.ndarray:
    """Return rows at, just below and just above what was trained on, and extreme ones."""
    extreme = np.array([np.inf, -np.inf, 0.0, -0.0, 1e300, -1e300, 5e-324])
    rows = [X, np.nextafter(X, np.inf), np.nextafter(X, -np.inf)]
    rows += [np.full((1, X.shape[1]), cell) for cell in extreme]
    return np.concatenate(rows)


@pytest.mark.slow
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize(
    "settings",
    [
        {"max_depth": 1},
        {"max_depth": 4},
        {"max_depth": 6, "max_leaf_nodes": None},
        {"max_depth": 5, "max_leaf_nodes": 6},
        {"max_depth": 3, "min_samples_leaf": 2000},  # no split at all
    ],
    ids=str,
)
def test_histogram_boosting(
    settings: dict[str, Any], missing: bool, table: tuple[np.ndarray, np.ndarray]
) -> None:
    X, y = table
    if missing:
        X = np.where(np.random.default_rng(4).random(X.shape) < 0.2, np.nan, X)
    classifier = HistGradientBoostingClassifier(max_iter=12, random_state=1, **settings).fit(X, y)
    trees = bits.compile_trees(classifier)
    assert trees is not None
    rows = hostile(X)
    rows = np.concatenate([rows, np.full((1, 5), np.nan)])
    expected = classifier._raw_predict(rows).ravel()
    for count in (len(rows), 1, 7, 8, 9):
        found = trees.summed(rows[-count:], classifier._baseline_prediction.item())
        np.testing.assert_array_equal(found.view(np.int64), expected[-count:].view(np.int64))


def test_gradient_boosting(table: tuple[np.ndarray, np.ndarray]) -> None:
    X, y = table
    classifier = GradientBoostingClassifier(n_estimators=12, random_state=1).fit(X, y)
    trees = bits.compile_trees(classifier)
    assert trees is not None
    rows = X.astype(np.float32).astype(np.float64)
    start = classifier._raw_predict_init(np.zeros((1, 5))).item()
    expected = classifier._raw_predict(X.astype(np.float32)).ravel()
    np.testing.assert_array_equal(trees.summed(rows, start).view(np.int64), expected.view(np.int64))


def test_more_rows_than_are_compared_at_once(
    table: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    X, y = table
    trees = bits.compile_trees(HistGradientBoostingClassifier(max_iter=5, max_depth=3).fit(X, y))
    assert trees is not None
    whole = trees.summed(X, 0.25)
    monkeypatch.setattr(bits, "_ROWS", 700)
    np.testing.assert_array_equal(trees.summed(X, 0.25), whole)


@pytest.mark.slow
def test_deep_trees_are_left_to_treelite(table: tuple[np.ndarray, np.ndarray]) -> None:
    deep = HistGradientBoostingClassifier(max_iter=3, max_leaf_nodes=None, min_samples_leaf=1)
    assert bits.compile_trees(deep.fit(*table)) is None
