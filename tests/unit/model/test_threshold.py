"""From a probability to a decision."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score

from churn.core.params import DecisionParams
from churn.model.threshold import GRID, choose, decide


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


@pytest.mark.slow
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
