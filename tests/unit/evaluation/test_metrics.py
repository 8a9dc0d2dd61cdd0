"""Metrics, against figures worked out by hand."""

from __future__ import annotations

from math import log

import numpy as np
import pytest

from churn.core.errors import DataError
from churn.core.params import DecisionParams
from tests.binary import BINARY, measure

COSTS = DecisionParams(
    strategy="fixed",
    threshold=0.5,
    cost_false_negative=5.0,
    cost_false_positive=2.0,
    folds=5,
    max_rows=1000,
)
# Decided at 0.5: one true positive, one false negative, one false positive, two true negatives.
Y = np.array([1, 0, 1, 0, 0])
P = np.array([0.8, 0.6, 0.4, 0.3, 0.1])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("roc_auc", 5 / 6),  # of the six pairs only (0.4, 0.6) is the wrong way round
        ("average_precision", 0.5 * 1 + 0.5 * 2 / 3),  # recall 1/2 at precision 1, 1 at 2/3
        ("log_loss", -(log(0.8) + log(0.4) + log(0.4) + log(0.7) + log(0.9)) / 5),
        ("brier", (0.2**2 + 0.6**2 + 0.6**2 + 0.3**2 + 0.1**2) / 5),
        ("accuracy", 3 / 5),
        ("precision", 1 / 2),
        ("recall", 1 / 2),
        ("f1", 2 / (2 + 1 + 1)),
        ("cost", (5 + 2) / 5),
    ],
)
def test_a_metric_is_what_its_formula_says(name: str, expected: float) -> None:
    measured = measure(Y, P, 0.5, COSTS)
    assert measured.values[name] == pytest.approx(expected, abs=5e-7)
    assert measured.undefined == {}


def test_equal_probabilities_count_half_in_the_auc() -> None:
    values = measure(np.array([1, 0]), np.array([0.5, 0.5]), 0.5, COSTS).values
    assert values["roc_auc"] == 0.5


def test_the_threshold_itself_predicts_churn() -> None:
    at, above = (measure(Y, P, threshold, COSTS).values for threshold in (0.4, 0.41))
    assert at["recall"] == 1
    assert above["recall"] == 0.5


def test_the_threshold_does_not_touch_what_is_measured_on_probabilities() -> None:
    low, high = (measure(Y, P, threshold, COSTS).values for threshold in (0.2, 0.7))
    for name in ("roc_auc", "average_precision", "log_loss", "brier"):
        assert low[name] == high[name]
    assert low["cost"] != high["cost"]


def test_a_missed_customer_and_a_needless_offer_have_their_own_costs() -> None:
    missed = measure(np.array([1, 1, 0, 0]), np.array([0.1, 0.9, 0.1, 0.1]), 0.5, COSTS)
    needless = measure(np.array([1, 1, 0, 0]), np.array([0.9, 0.9, 0.9, 0.9]), 0.5, COSTS)
    assert missed.values["cost"] == 5 / 4
    assert needless.values["cost"] == 2 * 2 / 4


@pytest.mark.parametrize(("y", "probability"), [([1], [0.0]), ([0], [1.0])])
def test_a_certain_and_wrong_prediction_has_the_loss_of_the_machine_epsilon(
    y: list[int], probability: list[float]
) -> None:
    value = measure(np.array(y), np.array(probability), 0.5, COSTS).values["log_loss"]
    assert value == pytest.approx(-log(np.finfo(np.float64).eps), abs=5e-7)
    assert value == pytest.approx(36.04, abs=0.005)  # as the docstring says


@pytest.mark.parametrize(
    ("y", "p", "undefined"),
    [
        ([0, 0], [0.6, 0.2], {"roc_auc", "average_precision", "recall"}),
        ([1, 1], [0.6, 0.2], {"roc_auc"}),
        ([1, 0], [0.4, 0.2], {"precision"}),
        ([0, 0], [0.4, 0.2], {"roc_auc", "average_precision", "precision", "recall", "f1"}),
    ],
    ids=["no churn", "only churn", "no alarm", "neither"],
)
def test_an_undefined_metric_is_none_with_a_reason(
    y: list[int], p: list[float], undefined: set[str]
) -> None:
    measured = measure(np.array(y), np.array(p), 0.5, COSTS)
    assert {name for name, value in measured.values.items() if value is None} == undefined
    assert set(measured.undefined) == undefined
    assert all(measured.undefined.values())


def test_a_defined_metric_may_be_zero() -> None:
    values = measure(np.array([1, 0]), np.array([0.4, 0.6]), 0.5, COSTS).values
    assert values["recall"] == values["precision"] == values["f1"] == values["roc_auc"] == 0


@pytest.mark.parametrize("probability", [np.nan, -0.01, 1.01, np.inf])
def test_what_is_no_probability_is_refused(probability: float) -> None:
    with pytest.raises(DataError, match="not a number from 0 to 1"):
        measure(np.array([1, 0]), np.array([0.5, probability]), 0.5, COSTS)


def test_nobody_cannot_be_measured() -> None:
    with pytest.raises(ValueError, match="no customers"):
        measure(np.array([], dtype=int), np.array([]), 0.5, COSTS)


def test_a_side_of_the_split_needs_every_metric_but_precision() -> None:
    no_alarm = measure(np.array([1, 0]), np.array([0.4, 0.2]), 0.5, COSTS)
    assert BINARY.require_all(no_alarm, "test rows") == no_alarm.values
    one_kind = measure(np.array([1, 1]), np.array([0.4, 0.6]), 0.5, COSTS)
    with pytest.raises(DataError) as caught:
        BINARY.require_all(one_kind, "test rows")
    reason = "all customers have the same label"
    assert str(caught.value) == f"test rows: metric 'roc_auc' is undefined: {reason}"


@pytest.mark.filterwarnings("ignore:overflow")
def test_a_metric_that_is_not_finite_is_refused() -> None:
    dear = COSTS.model_copy(update={"cost_false_negative": 1e308})
    two_lost = measure(np.array([1, 1, 0]), np.array([0.2, 0.2, 0.9]), 0.5, dear)
    with pytest.raises(DataError, match="test rows: metric 'cost' is undefined: it is not finite"):
        BINARY.require_all(two_lost, "test rows")
