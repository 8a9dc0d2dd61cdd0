"""Metrics that are estimated before labels are known."""

from __future__ import annotations

import numpy as np
import pytest

from churn.evaluation.estimated import calibrate
from churn.evaluation.held_out import ScoreCounts, score_middles, score_places
from tests.binary import BINARY, DECISION, measure

THRESHOLD = 0.4
EDGES = np.unique([*np.linspace(0, 1, 501)[1:-1], THRESHOLD])


def drawn(rows: int, seed: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and probabilities, which are right; customers are moved by `shift`."""
    rng = np.random.default_rng(seed)
    p = 1 / (1 + np.exp(1.2 - shift - 1.5 * rng.normal(size=rows)))
    return (rng.random(rows) < p).astype(int), p


def bins(p: np.ndarray) -> np.ndarray:
    return np.bincount(score_places(EDGES, p), minlength=len(EDGES) + 1)


def scores(y: np.ndarray, p: np.ndarray) -> ScoreCounts:
    return ScoreCounts(
        edges=EDGES.tolist(), churned=bins(p[y == 1]).tolist(), stayed=bins(p[y == 0]).tolist()
    )


def test_of_the_held_out_customers_themselves_it_is_what_they_are() -> None:
    y, p = drawn(20_000, 1)
    found = BINARY.estimate(scores(y, p), bins(p), THRESHOLD, np.random.default_rng(0))
    real = measure(y, p, THRESHOLD, DECISION).values
    for name in ("roc_auc", "brier", "cost", "recall"):
        assert found[name].value.value == pytest.approx(real[name], abs=0.01), name
        assert abs(found[name].difference.value) < 0.01


@pytest.mark.slow
def test_other_customers_are_estimated_right_and_the_interval_says_how_well() -> None:
    held = scores(*drawn(3000, 1))
    inside = {"roc_auc": 0, "brier": 0, "cost": 0}
    for seed in range(40):
        y, p = drawn(1500, 100 + seed, shift=0.8)
        rng = np.random.default_rng(seed)
        found = BINARY.estimate(held, bins(p), THRESHOLD, rng)
        real = measure(y, p, THRESHOLD, DECISION).values
        for name in inside:
            value = found[name].value
            inside[name] += abs(value.value - float(real[name] or 0)) < 1.96 * value.error
    # 38 of 40 are expected; one in a thousand times there are fewer than 33.
    assert min(inside.values()) >= 33, inside


def test_probabilities_that_are_too_high_are_corrected() -> None:
    y, p = drawn(50_000, 2)
    odds = 3 * p / (1 - p)
    high = scores(y, odds / (1 + odds))
    middles = score_middles(high)
    [calibrated] = calibrate(middles, np.array([high.churned]), np.array([high.stayed]))
    known = (middles > 0.1) & (middles < 0.95)
    truth = middles / 3 / (1 - middles + middles / 3)
    assert np.abs(calibrated - truth)[known].max() < 0.03


def test_without_both_classes_nothing_is_estimated() -> None:
    _, p = drawn(100, 3)
    held = scores(np.zeros(100, dtype=int), p)
    rng = np.random.default_rng(0)
    assert BINARY.estimate(held, bins(p), THRESHOLD, rng) == {}
    assert BINARY.estimate(scores(*drawn(100, 3)), 0 * bins(p), THRESHOLD, rng) == {}
