"""Metrics of predicted numbers that are estimated before labels are known."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from churn.core.params import RegressionDecision
from churn.evaluation import tasks
from churn.evaluation.estimated import Estimated
from churn.evaluation.held_out import ErrorCounts
from churn.evaluation.tasks import Scored
from churn.evaluation.tasks.task import Measured

TASK = tasks.of(
    RegressionDecision(coverage=0.9, cost_too_low=3.0, cost_too_high=1.0, folds=5, max_rows=1000)
)
RULE = 20.0
NAMES = ["rmse", "mae", "median_error", "cost"]


def drawn(rows: int, seed: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers and their predictions, of which the larger ones are less right."""
    rng = np.random.default_rng(seed)
    predicted = 100 + 20 * (rng.normal(size=rows) + shift)
    spread = 5 + 0.1 * np.maximum(predicted - 60, 0)
    return predicted + spread * rng.standard_t(8, size=rows) + 1, predicted


def held(y: np.ndarray, predicted: np.ndarray) -> ErrorCounts:
    found = TASK.held_out(y, Scored(predicted, RULE))["errors"]
    assert isinstance(found, ErrorCounts)
    return ErrorCounts.model_validate_json(found.model_dump_json())


def window(basis: ErrorCounts, predicted: np.ndarray) -> np.ndarray:
    return basis.counted(TASK.output.answer(predicted, RULE))


def estimate(basis: ErrorCounts, predicted: np.ndarray, seed: int = 0) -> dict[str, Estimated]:
    return TASK.estimate(basis, window(basis, predicted), RULE, np.random.default_rng(seed))


def measure(y: np.ndarray, predicted: np.ndarray) -> Measured:
    return TASK.measure(y, Scored(predicted, RULE))


@pytest.mark.parametrize("rows", [30, 442, 20_000])
def test_of_the_held_out_customers_themselves_it_is_what_they_are(rows: int) -> None:
    y, predicted = drawn(rows, 1)
    found, real = estimate(held(y, predicted), predicted), measure(y, predicted).values
    assert list(found) == NAMES
    for name in NAMES:
        value = float(real[name] or 0)
        assert found[name].value.value == pytest.approx(value, rel=0.05), name
        assert abs(found[name].difference.value) < 1e-9 * value
    # All but the median are exact, by whatever they are counted.
    assert found["rmse"].value.value == pytest.approx(real["rmse"], abs=1e-5)
    assert found["cost"].value.value == pytest.approx(real["cost"], abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("shift", [pytest.param(0.0, marks=pytest.mark.exhaustive), 0.8])
def test_the_interval_holds_the_metric_of_the_same_customers_and_of_others(shift: float) -> None:
    inside: Counter[str] = Counter()
    for seed in range(60):
        basis = held(*drawn(2000, seed))
        y, predicted = drawn(1500, 100 + seed, shift)
        real = measure(y, predicted).values
        for name, found in estimate(basis, predicted, seed).items():
            inside[name] += abs(found.value.value - float(real[name] or 0)) < (
                1.96 * found.value.error
            )
    # 57 of 60 are expected; one in a thousand times there are fewer than 51.
    assert list(inside) == NAMES
    assert min(inside.values()) >= 51, inside


@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.long
def test_the_interval_is_not_too_wide() -> None:
    """Errors are those that repeated samples have."""
    basis = held(*drawn(50_000, 1))
    found: dict[str, list[float]] = {name: [] for name in NAMES}
    errors: dict[str, list[float]] = {name: [] for name in NAMES}
    for seed in range(100):
        y, predicted = drawn(1500, 100 + seed)
        real = measure(y, predicted).values
        for name, of in estimate(basis, predicted, seed).items():
            found[name].append(of.value.value - float(real[name] or 0))
            errors[name].append(of.value.error)
    for name in NAMES:
        assert np.mean(errors[name]) < 1.3 * np.std(found[name]), name


def test_other_customers_are_seen_and_another_relation_is_not() -> None:
    basis = held(*drawn(5000, 1))
    y, predicted = drawn(5000, 2, shift=0.8)
    moved = estimate(basis, predicted)["rmse"].difference
    assert moved.value == pytest.approx(1.8, abs=4 * moved.error)  # 10.3 to 12.1
    assert moved.value > 4 * moved.error
    # The same customers, of whom other things become: no estimate can know.
    y, predicted = drawn(5000, 2)
    same = estimate(basis, predicted)["rmse"]
    assert abs(same.difference.value) < 4 * same.difference.error
    assert float(measure(y + 20, predicted).values["rmse"] or 0) > same.value.value + 8


def test_predictions_beyond_the_held_out_ones_are_counted() -> None:
    y, predicted = drawn(2000, 1)
    basis = held(y, predicted)
    assert basis.outside(window(basis, predicted)) == 0
    far = np.array([predicted.min() - 1, predicted.min(), predicted.max(), predicted.max() + 1])
    assert window(basis, far)[[0, 1, -2, -1]].tolist() == [1, 1, 1, 1]
    assert basis.outside(window(basis, far)) == 0.5
    # They get the errors of the nearest.
    low, lowest = (estimate(basis, np.full(500, value)) for value in (far[0], far[1]))
    assert low == lowest


def test_parts_add_up() -> None:
    y, predicted = drawn(3000, 1)
    basis = held(y, predicted)
    parts = window(basis, predicted[:1000]) + window(basis, predicted[1000:])
    assert (window(basis, predicted) == parts).all() and parts.sum() == 3000
    assert not basis.counted({"prediction": np.empty(0)}).any()


def test_its_size_does_not_grow_with_the_customers() -> None:
    few, many = (len(held(*drawn(rows, 1)).model_dump_json()) for rows in (10_000, 200_000))
    assert many < 1.5 * few


def test_few_different_predictions_leave_no_bin_empty() -> None:
    y, predicted = drawn(2000, 1)
    steps = np.round(predicted, -1)
    basis = held(y, steps)
    assert min(map(sum, basis.customers)) > 0
    real = measure(y, steps).values
    assert estimate(basis, steps)["rmse"].value.value == pytest.approx(real["rmse"], abs=1e-5)


def test_one_prediction_for_all_and_no_customers() -> None:
    y, _ = drawn(300, 1)
    basis = held(y, np.full(300, 100.0))
    found = estimate(basis, np.full(200, 100.0))
    assert found["mae"].value.value == pytest.approx(np.abs(y - 100).mean())
    assert TASK.estimate(basis, np.zeros(3, dtype=int), RULE, np.random.default_rng(0)) == {}
