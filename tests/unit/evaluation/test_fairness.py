"""Gaps between the slices of a protected column."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from churn.core.params import MulticlassDecision
from churn.evaluation import fairness
from churn.evaluation.fairness import Measure
from churn.evaluation.group_gaps import Gap
from churn.evaluation.tasks import Scored
from churn.evaluation.tasks.multiclass import Multiclass

OF_A_CLASS = ("selection_rate", "recall", "calibration")
OF_A_NUMBER = ("mean_prediction", "mae", "calibration")


def two(first: tuple[list[int], list[float]], second: tuple[list[int], list[float]]) -> list[Gap]:
    """Return the gaps of two groups, given by labels and probabilities; the threshold is 0.5."""
    labels, said = (np.array([*a, *b]) for a, b in zip(first, second, strict=True))
    is_first = np.arange(len(labels)) < len(first[0])
    slices = [("a", is_first), ("b", ~is_first)]
    return fairness.groups(slices, of_class(labels, said, 0.5))[1]


def of_class(labels: np.ndarray, said: np.ndarray, threshold: float) -> list[Measure]:
    return fairness.of_class(labels == 1, said >= threshold, said)


def test_groups_are_measured_by_their_definitions() -> None:
    y, p = np.array([1, 1, 0, 0, 1, 0] * 10), np.array([0.9, 0.2, 0.8, 0.1, 0.5, 0.4] * 10)
    slices = [("a", np.arange(60) % 6 < 4), ("b", np.arange(60) % 6 >= 4)]
    [first, second], gaps = fairness.groups(slices, of_class(y, p, 0.5))
    assert (first.slice, first.rows, first.positive) == ("a", 40, 20)
    assert first.values == pytest.approx({"selection_rate": 0.5, "recall": 0.5, "calibration": 0.0})
    assert second.values == pytest.approx(
        {"selection_rate": 0.5, "recall": 1.0, "calibration": -0.05}
    )
    assert [(gap.metric, gap.first, gap.second) for gap in gaps] == [
        (metric, "a", "b") for metric in OF_A_CLASS
    ]
    assert gaps[1].difference == -0.5
    assert gaps[2].difference == pytest.approx(0.05)


def test_numbers_are_measured_by_their_definitions() -> None:
    y, p = np.array([1.0, 3.0, 10.0, 20.0]), np.array([2.0, 2.0, 13.0, 21.0])
    slices = [("a", np.arange(4) < 2), ("b", np.arange(4) >= 2)]
    [first, second], gaps = fairness.groups(slices, fairness.of_numbers(y, p))
    assert (first.rows, first.positive, first.of) == (2, None, None)
    assert first.values == {"mean_prediction": 2.0, "mae": 1.0, "calibration": 0.0}
    assert second.values == {"mean_prediction": 17.0, "mae": 2.0, "calibration": 2.0}
    assert [(gap.metric, gap.difference) for gap in gaps] == [
        ("mean_prediction", -15.0), ("mae", -1.0), ("calibration", -2.0),
    ]  # fmt: skip


def test_each_class_has_its_own_groups_and_gaps() -> None:
    y = np.array([0, 1, 2] * 40)
    p = np.eye(3)[(y + (np.arange(120) >= 60)) % 3] * 0.7 + 0.1  # all wrong in the second slice
    slices = [("a", np.arange(120) < 60), ("b", np.arange(120) >= 60)]
    measures = Multiclass(
        MulticlassDecision(costs={}, folds=5, max_rows=1000), ("x", "y", "z")
    ).treatment(y, Scored(p, (1.0, 1.0, 1.0)))
    groups, gaps = fairness.groups(slices, measures)
    assert [(group.slice, group.of, group.positive) for group in groups] == [
        (name, of, 20) for name in "ab" for of in "xyz"
    ]
    recalls = {group.slice: group.values["recall"] for group in groups}
    assert recalls == {"a": 1.0, "b": 0.0}
    assert [gap.title for gap in gaps][:4] == [
        "Selection rate of x", "Recall of x", "Calibration of x", "Selection rate of y",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("first", "second", "lower", "upper"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((10, 10), (0, 20), 0.6791, 1.0),  # where a bootstrap has no spread
        ((10, 10), (0, 10), 0.6075, 1.0),
    ],
)
def test_shares_have_newcombe_s_interval(
    first: tuple[int, int], second: tuple[int, int], lower: float, upper: float
) -> None:
    """Of his table II, method 10."""
    groups = [([0] * n, [0.9] * k + [0.1] * (n - k)) for k, n in (first, second)]
    gap = two(*groups)[0]
    assert gap.metric == "selection_rate"
    assert gap.lower == pytest.approx(lower, abs=5e-5)
    assert gap.upper == pytest.approx(upper, abs=5e-5)


def test_what_is_undefined_has_no_difference() -> None:
    gaps = {gap.metric: gap for gap in two(([0, 0, 0], [0.1] * 3), ([1, 0, 1], [0.9] * 3))}
    assert gaps["recall"].difference is None
    assert gaps["recall"].p is None
    assert gaps["selection_rate"].difference == -1.0
    alone = {gap.metric: gap for gap in two(([0], [0.1]), ([1, 0, 1], [0.9] * 3))}
    assert alone["calibration"].difference is not None
    assert alone["calibration"].lower is None


@pytest.mark.parametrize("churned", [3, 9, 10])
def test_recall_of_few_who_churned_is_not_measured(churned: int) -> None:
    few = ([1] * churned + [0] * 60, [0.9] * churned + [0.1] * 60)
    gaps = {gap.metric: gap for gap in two(few, ([1] * 200, [0.9] * 190 + [0.1] * 10))}
    assert (gaps["recall"].p is not None) == (churned == 10)
    assert gaps["selection_rate"].p is not None


@pytest.mark.slow
@pytest.mark.parametrize("churned", [10, pytest.param(12, marks=pytest.mark.exhaustive)])
def test_equal_recalls_of_a_small_and_a_large_slice_are_rarely_called_different(
    churned: int,
) -> None:
    """Of all that can happen to 200 who churned and to a few, at each recall that they share."""
    small, large = np.arange(churned + 1), np.arange(201)
    called = np.array(
        [[_p(k, churned, j, 200) <= 0.05 for j in large.tolist()] for k in small.tolist()]
    )
    errors = [
        stats.binom.pmf(small, churned, recall) @ called @ stats.binom.pmf(large, 200, recall)
        for recall in np.arange(0.01, 0.995, 0.01)
    ]
    assert 0.04 < np.mean(errors) < 0.05
    assert max(errors[9:90]) < 0.053  # recalls of 0.1 to 0.9
    assert max(errors) < 0.08


def _p(k: int, n: int, j: int, m: int) -> float:
    first, second = (np.arange(size) < hits for hits, size in ((k, n), (j, m)))
    measure = Measure("recall", first, first)
    p = fairness._gap(measure, ("a", "b"), first, second).p
    assert p is not None
    return p


@pytest.mark.slow
@pytest.mark.long
def test_intervals_cover_the_truth_and_equal_groups_are_rarely_called_different() -> None:
    rng = np.random.default_rng(5)
    n_tables, covered, called = 300, dict.fromkeys(OF_A_CLASS, 0), 0
    for _ in range(n_tables):
        risk = rng.beta(1, 3, 600)
        y = (rng.random(600) < risk).astype(int)
        group = rng.integers(0, 4, 600)
        slices = [(str(i), group == i) for i in range(4)]
        _, gaps = fairness.groups(slices, of_class(y, risk, 0.3))
        for gap in gaps[:3]:
            assert gap.lower is not None and gap.upper is not None
            covered[gap.metric] += gap.lower <= 0 <= gap.upper
        [after] = fairness.corrected([gaps])
        called += any(gap.significant for gap in after)
    assert all(0.92 <= count / n_tables <= 0.99 for count in covered.values()), covered
    assert called / n_tables <= 0.07


@pytest.mark.slow
def test_intervals_of_numbers_cover_the_truth_and_equal_groups_are_rarely_called_different() -> (
    None
):
    """With skewed predictions and errors, and slices of 100 and 500 customers."""
    rng = np.random.default_rng(6)
    n_tables, covered, called = 300, dict.fromkeys(OF_A_NUMBER, 0), 0
    for _ in range(n_tables):
        predicted = rng.lognormal(3.0, 0.5, 600)
        y = predicted + rng.laplace(0.0, 5.0, 600)
        slices = [("few", np.arange(600) < 100), ("many", np.arange(600) >= 100)]
        _, gaps = fairness.groups(slices, fairness.of_numbers(y, predicted))
        for gap in gaps:
            assert gap.lower is not None and gap.upper is not None
            covered[gap.metric] += gap.lower <= 0 <= gap.upper
        [after] = fairness.corrected([gaps])
        called += any(gap.significant for gap in after)
    assert all(0.92 <= count / n_tables <= 0.99 for count in covered.values()), covered
    assert called / n_tables <= 0.07


def test_of_many_looks_only_what_is_significant_together_is_called_so() -> None:
    one = Gap("recall", "a", "b", 0.2, 0.01, 0.39, p=0.04)
    [[alone]] = fairness.corrected([[one]])
    assert alone.significant
    many = [replace(one, p=0.5)] * 9
    [[first, *_]] = fairness.corrected([[one, *many]])
    assert not first.significant
    [[sure, *_], [unknown]] = fairness.corrected(
        [[replace(one, p=1e-6), *many], [replace(one, p=None)]]
    )
    assert sure.significant and not unknown.significant
