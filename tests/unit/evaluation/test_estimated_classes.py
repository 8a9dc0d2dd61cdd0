"""Metrics of several classes that are estimated before labels are known."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from churn.core.errors import ArtifactError
from churn.core.params import MulticlassDecision
from churn.evaluation import tasks
from churn.evaluation.estimated import Estimated
from churn.evaluation.held_out import ClassCounts
from churn.evaluation.tasks import Scored
from churn.evaluation.tasks.task import Measured

CLASSES = ("low", "mid", "high")
TASK = tasks.of(MulticlassDecision(costs={"high": 3.0}, folds=5, max_rows=1000), CLASSES)
RULE = (1.0, 1.0, 3.0)
WEIGHTS = 1.2 * np.random.default_rng(0).normal(size=(3, len(CLASSES)))


def drawn(
    rows: int, seed: int, shift: float = 0.0, too_sure: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return classes and probabilities, which are right; customers are moved by `shift`.

    With `too_sure` above 1 the probabilities are nearer to 0 and 1 than is right.
    """
    rng = np.random.default_rng(seed)
    score = (rng.normal(size=(rows, 3)) + np.array([shift, 0, 0])) @ WEIGHTS
    right, given = (np.exp(factor * score) for factor in (1.0, too_sure))
    up_to = np.cumsum(right / right.sum(axis=1, keepdims=True), axis=1)
    y = (up_to < rng.random((rows, 1))).sum(axis=1)
    return y, given / given.sum(axis=1, keepdims=True)


def held(y: np.ndarray, p: np.ndarray) -> ClassCounts:
    found = TASK.held_out(y, Scored(p, RULE))["classes"]
    assert isinstance(found, ClassCounts)
    return ClassCounts.model_validate_json(found.model_dump_json())


def window(basis: ClassCounts, p: np.ndarray) -> np.ndarray:
    return basis.counted(TASK.output.answer(p, RULE))


def estimate(basis: ClassCounts, p: np.ndarray, seed: int = 0) -> dict[str, Estimated]:
    return TASK.estimate(basis, window(basis, p), RULE, np.random.default_rng(seed))


def measure(y: np.ndarray, p: np.ndarray) -> Measured:
    return TASK.measure(y, Scored(p, RULE))


@pytest.mark.slow
@pytest.mark.parametrize("too_sure", [1.0, 2.0])
def test_of_the_held_out_customers_themselves_it_is_what_they_are(too_sure: float) -> None:
    y, p = drawn(20_000, 1, too_sure=too_sure)
    found, real = estimate(held(y, p), p), measure(y, p).values
    assert list(found) == list(real)
    for name, value in real.items():
        assert value is not None
        assert found[name].value.value == pytest.approx(value, rel=0.02), name
        assert abs(found[name].difference.value) < 0.02 * value


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shift", "too_sure"),
    [
        pytest.param(0.0, 1.0, marks=pytest.mark.exhaustive),
        pytest.param(1.0, 1.0, marks=pytest.mark.exhaustive),
        pytest.param(0.0, 2.0, marks=pytest.mark.exhaustive),
        (1.0, 2.0),
    ],
)
@pytest.mark.long
def test_the_interval_holds_the_metric_of_the_same_customers_and_of_others(
    shift: float, too_sure: float
) -> None:
    inside: Counter[str] = Counter()
    for seed in range(40):
        basis = held(*drawn(2000, seed, too_sure=too_sure))
        y, p = drawn(1500, 100 + seed, shift, too_sure)
        real = measure(y, p).values
        for name, found in estimate(basis, p, seed).items():
            inside[name] += abs(found.value.value - float(real[name] or 0)) < (
                1.96 * found.value.error
            )
    # 38 of 40 are expected; one in a thousand times there are fewer than 33.
    assert len(inside) == 7
    assert min(inside.values()) >= 33, inside


@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.long
def test_the_interval_is_not_too_wide() -> None:
    """Errors are those that repeated samples have."""
    basis = held(*drawn(50_000, 1))
    found: dict[str, list[float]] = {}
    errors: dict[str, list[float]] = {}
    for seed in range(60):
        y, p = drawn(1500, 100 + seed)
        real = measure(y, p).values
        for name, of in estimate(basis, p, seed).items():
            found.setdefault(name, []).append(of.value.value - float(real[name] or 0))
            errors.setdefault(name, []).append(of.value.error)
    for name, differences in found.items():
        assert np.mean(errors[name]) < 1.35 * np.std(differences), name


def test_few_customers_who_are_all_told_apart_leave_the_interval_narrow() -> None:
    """Nothing limits the slope of their calibration, which might then be anything."""
    y = np.arange(107) % 3
    p = np.full((107, 3), 0.02) + 0.94 * np.eye(3)[y]
    found = estimate(held(y, p), np.concatenate([p, p]))
    assert found["accuracy"].value.value == pytest.approx(1.0, abs=0.01)
    assert found["accuracy"].value.error < 0.02
    assert found["log_loss"].value.error < 0.1


@pytest.mark.slow
def test_other_customers_are_seen_and_another_relation_is_not() -> None:
    basis = held(*drawn(5000, 1))
    y, p = drawn(5000, 2, shift=1.0)
    moved = estimate(basis, p)["log_loss"].difference
    promised = measure(*drawn(200_000, 3)).values["log_loss"]
    real = measure(*drawn(200_000, 4, shift=1.0)).values["log_loss"]
    assert promised is not None and real is not None
    assert moved.value == pytest.approx(real - promised, abs=4 * moved.error)
    assert abs(real - promised) > 0.01
    # Customers with the same columns are now of other classes: no estimate can know.
    y, p = drawn(5000, 2)
    turned = (y + 1) % len(CLASSES)
    same = estimate(basis, p)["accuracy"]
    assert abs(same.difference.value) < 4 * same.difference.error
    assert float(measure(turned, p).values["accuracy"] or 0) < same.value.value - 0.2


def test_parts_add_up() -> None:
    y, p = drawn(3000, 1)
    basis = held(y, p)
    whole = window(basis, p)
    assert (whole == window(basis, p[:1000]) + window(basis, p[1000:])).all()
    assert whole.sum() == 3 * 3000 and whole[:, 0].sum() == 3000
    assert not basis.counted(dict.fromkeys(basis.columns, np.empty(0))).any()


def test_without_a_class_or_without_customers_nothing_is_estimated() -> None:
    y, p = drawn(500, 1)
    basis = held(y, p)
    assert TASK.estimate(basis, 0 * window(basis, p), RULE, np.random.default_rng(0)) == {}
    without = held(np.where(y == 2, 1, y), p)
    assert estimate(without, p) == {}


def test_a_class_that_the_model_does_not_have_is_refused() -> None:
    basis = held(*drawn(500, 1))
    answers = TASK.output.answer(drawn(10, 2)[1], RULE)
    answers["prediction"] = np.array(["other"] * 10, dtype=object)
    with pytest.raises(ArtifactError, match="a class that the model does not have"):
        basis.counted(answers)
