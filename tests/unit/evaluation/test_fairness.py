"""Gaps between the slices of a protected column."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from churn.evaluation import fairness
from churn.evaluation.group_gaps import TITLES, Gap


def two(first: tuple[list[int], list[float]], second: tuple[list[int], list[float]]) -> list[Gap]:
    """Return the gaps of two groups, given by labels and probabilities; the threshold is 0.5."""
    labels, said = (np.array([*a, *b]) for a, b in zip(first, second, strict=True))
    is_first = np.arange(len(labels)) < len(first[0])
    slices = [("a", is_first), ("b", ~is_first)]
    return fairness.groups(slices, labels, said, 0.5)[1]


def test_groups_are_measured_by_their_definitions() -> None:
    y, p = np.array([1, 1, 0, 0, 1, 0]), np.array([0.9, 0.2, 0.8, 0.1, 0.5, 0.4])
    slices = [("a", np.arange(6) < 4), ("b", np.arange(6) >= 4)]
    [first, second], gaps = fairness.groups(slices, y, p, 0.5)
    assert (first.slice, first.rows, first.churned) == ("a", 4, 2)
    assert (first.selection_rate, first.recall) == (0.5, 0.5)
    assert first.calibration == pytest.approx(0.0)
    assert (second.selection_rate, second.recall) == (0.5, 1.0)
    assert second.calibration == pytest.approx(-0.05)
    assert [(gap.metric, gap.first, gap.second) for gap in gaps] == [(m, "a", "b") for m in TITLES]
    assert gaps[1].difference == -0.5
    assert gaps[2].difference == pytest.approx(0.05)


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


@pytest.mark.slow
def test_intervals_cover_the_truth_and_equal_groups_are_rarely_called_different() -> None:
    rng = np.random.default_rng(5)
    n_tables, covered, called = 300, dict.fromkeys(TITLES, 0), 0
    for _ in range(n_tables):
        risk = rng.beta(1, 3, 600)
        y = (rng.random(600) < risk).astype(int)
        group = rng.integers(0, 4, 600)
        slices = [(str(i), group == i) for i in range(4)]
        _, gaps = fairness.groups(slices, y, risk, 0.3)
        for gap in gaps[:3]:
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
