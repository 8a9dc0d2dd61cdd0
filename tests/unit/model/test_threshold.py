"""From a probability to a decision."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier

from churn.errors import DataError
from churn.model.threshold import GRID, choose, cross_validated, decide
from churn.params import DecisionParams


def decision(strategy: str = "cost", **changes: Any) -> DecisionParams:
    given = {
        "strategy": strategy,
        "threshold": 0.5,
        "cost_false_negative": 5.0,
        "cost_false_positive": 1.0,
        "folds": 4,
        "max_rows": 10_000,
    }
    return DecisionParams(**(given | changes))


@pytest.fixture
def noisy() -> tuple[np.ndarray, np.ndarray]:
    """Return labels and probabilities that say something about them."""
    rng = np.random.default_rng(3)
    probability = rng.beta(1.2, 2.5, size=400)
    return (rng.random(400) < probability).astype(int), probability


def test_churn_is_predicted_at_the_threshold_and_above() -> None:
    decided = decide(np.array([0.0, 0.29999, 0.3, 1.0]), 0.3)
    assert decided.tolist() == [0, 0, 1, 1]


def test_the_extreme_thresholds_predict_for_all_and_for_the_certain() -> None:
    probability = np.array([0.0, 0.5, 1.0])
    assert decide(probability, 0.0).tolist() == [1, 1, 1]
    assert decide(probability, 1.0).tolist() == [0, 0, 1]


def test_thresholds_are_steps_of_half_a_percent() -> None:
    assert len(GRID) == 199
    assert GRID[0] == 0.005
    assert GRID[99] == 0.5
    assert GRID[-1] == 0.995


@pytest.mark.parametrize(("missed", "needless"), [(5.0, 1.0), (1.0, 1.0), (1.0, 7.0), (3.0, 0.0)])
def test_no_other_threshold_costs_less(
    missed: float, needless: float, noisy: tuple[np.ndarray, np.ndarray]
) -> None:
    y, probability = noisy

    def cost(threshold: float) -> float:
        alarm = probability >= threshold
        return missed * ((y == 1) & ~alarm).sum() + needless * ((y == 0) & alarm).sum()

    costs = {float(threshold): cost(threshold) for threshold in GRID}
    best = [threshold for threshold in GRID if costs[float(threshold)] == min(costs.values())]
    chosen = choose(
        y, probability, decision(cost_false_negative=missed, cost_false_positive=needless)
    )
    assert chosen == min(best, key=lambda threshold: abs(threshold - 0.5))


def test_no_other_threshold_has_a_higher_f1(noisy: tuple[np.ndarray, np.ndarray]) -> None:
    y, probability = noisy
    chosen = choose(y, probability, decision("f1"))
    scores = [f1_score(y, probability >= threshold, zero_division=0) for threshold in GRID]
    assert f1_score(y, probability >= chosen) == pytest.approx(max(scores))


def test_dearer_misses_lower_the_threshold(noisy: tuple[np.ndarray, np.ndarray]) -> None:
    chosen = [choose(*noisy, decision(cost_false_negative=cost)) for cost in (0.2, 1.0, 5.0, 25.0)]
    assert chosen == sorted(chosen, reverse=True)
    assert chosen[0] > chosen[-1]


@pytest.mark.parametrize("strategy", ["cost", "f1"])
@pytest.mark.parametrize(
    ("probability", "expected"),
    [
        ([0.2, 0.9], 0.5),  # all in (0.2, 0.9] are right
        ([0.1, 0.3], 0.3),  # all in (0.1, 0.3] are
        ([0.7, 0.9], 0.705),  # the first step above 0.7
    ],
)
def test_of_equally_good_thresholds_the_one_nearest_to_a_half_is_taken(
    probability: list[float], expected: float, strategy: str
) -> None:
    assert choose(np.array([0, 1]), np.array(probability), decision(strategy)) == expected


@pytest.fixture
def table() -> tuple[pd.DataFrame, np.ndarray]:
    """Return rows whose label depends on a number, and on much else."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=300)
    return pd.DataFrame({"x": x}), (rng.random(300) < 1 / (1 + np.exp(1 - x))).astype(int)


TREE = Pipeline([("classifier", DecisionTreeClassifier(min_samples_leaf=8, random_state=0))])


def test_each_row_is_judged_by_a_model_that_has_not_seen_it(
    table: tuple[pd.DataFrame, np.ndarray],
) -> None:
    X, y = table
    folds = StratifiedKFold(4, shuffle=True, random_state=9)
    unseen = cross_val_predict(TREE, X, y, cv=folds, method="predict_proba")[:, 1]
    seen = TREE.fit(X, y).predict_proba(X)[:, 1]
    chosen = cross_validated(TREE, X, y, decision(), seed=9)
    assert chosen == choose(y, unseen, decision())
    assert chosen != choose(y, seen, decision())


def test_the_seed_decides_the_threshold(table: tuple[pd.DataFrame, np.ndarray]) -> None:
    chosen = [cross_validated(TREE, *table, decision(), seed) for seed in (9, 9, *range(8))]
    assert chosen[0] == chosen[1]
    assert len(set(chosen)) > 1


def test_no_more_rows_are_used_than_is_enough(table: tuple[pd.DataFrame, np.ndarray]) -> None:
    sizes: list[int] = []

    class Counting(DecisionTreeClassifier):
        def fit(self, X: pd.DataFrame, y: np.ndarray) -> Counting:
            sizes.append(len(X))
            return super().fit(X, y)

    cross_validated(Pipeline([("classifier", Counting())]), *table, decision(max_rows=100), 1)
    assert sizes == [75] * 4


def test_each_fold_is_reported(table: tuple[pd.DataFrame, np.ndarray]) -> None:
    steps: list[str] = []
    cross_validated(TREE, *table, decision(), 1, steps.append)
    assert steps == ["fold 1", "fold 2", "fold 3", "fold 4"]


def test_few_customers_of_a_kind_make_fewer_folds() -> None:
    X, y = pd.DataFrame({"x": np.arange(60.0)}), np.repeat([0, 1], [57, 3])
    steps: list[str] = []
    assert cross_validated(TREE, X, y, decision(folds=10), 1, steps.append) in GRID
    assert len(steps) == 3


@pytest.mark.parametrize("churned", [0, 1])
def test_too_few_customers_of_a_kind_are_refused(churned: int) -> None:
    X, y = pd.DataFrame({"x": np.arange(60.0)}), np.repeat([0, 1], [60 - churned, churned])
    with pytest.raises(DataError, match=r"set decision\.strategy to fixed"):
        cross_validated(TREE, X, y, decision(), 1)
