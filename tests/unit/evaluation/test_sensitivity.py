"""What an exam can tell."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from churn.evaluation.sensitivity import Sensitivity, rival

CAN = Sensitivity(1.96 * 0.01)


def test_what_is_noticed_is_noticed_in_four_of_five_cases() -> None:
    drawn = np.random.default_rng(1).normal(CAN.noticed, 0.01, 100_000)
    assert np.mean(drawn - 1.96 * 0.01 > 0) == pytest.approx(0.8, abs=0.005)


def test_equal_models_keep_a_supported_margin_in_nine_of_ten_cases() -> None:
    drawn = np.random.default_rng(1).normal(0, 0.01, 100_000)
    assert np.mean(drawn + 1.96 * 0.01 < CAN.supported) == pytest.approx(0.9, abs=0.005)
    assert CAN.fails(CAN.supported) == pytest.approx(0.1)
    assert CAN.supports(CAN.supported * 1.01)
    assert not CAN.supports(CAN.supported * 0.99)
    assert CAN.fails(0) == pytest.approx(0.975, abs=1e-4)


def test_models_without_any_difference_keep_every_margin() -> None:
    assert Sensitivity(0).supports(0)


@pytest.mark.parametrize("correlation", [0.0, 0.8, 0.95, 1.0])
def test_a_rival_is_as_good_and_as_alike_as_asked(correlation: float) -> None:
    rng = np.random.default_rng(2)
    y = (rng.random(20_000) < 0.25).astype(int)
    score = 1.4 * y + rng.normal(size=len(y))
    probability = 1 / (1 + np.exp(2 - score))
    other = rival(y, probability, correlation, rng)
    assert roc_auc_score(y, other) == pytest.approx(roc_auc_score(y, probability), abs=1e-9)
    np.testing.assert_allclose(np.sort(other), np.sort(probability), atol=1e-9)
    for kind in (0, 1):
        both = np.corrcoef(norm.ppf(probability[y == kind]), norm.ppf(other[y == kind]))
        assert both[0, 1] == pytest.approx(correlation, abs=0.02)
