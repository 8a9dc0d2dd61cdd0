"""Curves as points."""

from __future__ import annotations

import numpy as np
import pytest

from churn.evaluation import curves

Y = np.array([1, 0, 1, 0])
P = np.array([0.9, 0.7, 0.5, 0.1])


@pytest.fixture(scope="module")
def many() -> tuple[np.ndarray, np.ndarray]:
    """Return labels and probabilities of 5,000 customers, no two probabilities equal."""
    rng = np.random.default_rng(2)
    probability = rng.random(5000)
    return (rng.random(5000) < probability).astype(int), probability


def xy(points: curves.Points) -> list[tuple[float, float]]:
    return [tuple(point.values()) for point in points]


def test_the_roc_curve_goes_up_at_a_churned_customer_and_right_at_another() -> None:
    points = curves.roc(Y, P)
    assert list(points[0]) == ["false_positive_rate", "true_positive_rate"]
    assert xy(points) == [(0, 0), (0, 0.5), (0.5, 0.5), (0.5, 1), (1, 1)]


def test_precision_and_recall_go_from_no_alarm_to_alarms_for_all() -> None:
    points = curves.precision_recall(Y, P)
    assert list(points[0]) == ["recall", "precision"]
    # After each customer from the most probable on: 1/1, 1/2, 2/3, 2/4.
    assert xy(points) == [(0, 1), (0.5, 1), (0.5, 0.5), (1, 0.66667), (1, 0.5)]


@pytest.mark.parametrize("curve", [curves.roc, curves.precision_recall])
def test_a_long_curve_is_thinned_and_keeps_its_ends(curve: object, many: tuple) -> None:
    points = xy(curve(*many))
    assert len(points) <= 201
    assert points[0] == ((0, 0) if curve is curves.roc else (0, 1))
    assert points[-1] == ((1, 1) if curve is curves.roc else (1, round(many[0].mean(), 5)))
    assert points == sorted(points, key=lambda point: point[0])


def test_the_thinned_curve_has_the_area_of_the_whole(many: tuple) -> None:
    y, probability = many
    order = np.argsort(probability)
    ranks = np.empty(len(y))
    ranks[order] = np.arange(1, len(y) + 1)
    positives = y.sum()
    # Mann and Whitney's U over the number of pairs.
    u = ranks[y == 1].sum() - positives * (positives + 1) / 2
    area = np.trapezoid(*np.array(xy(curves.roc(y, probability))).T[::-1])
    assert area == pytest.approx(u / (positives * (len(y) - positives)), abs=0.005)


def test_calibration_compares_what_was_predicted_with_what_happened() -> None:
    probability = np.array([0.1, 0.2, 0.3, 0.4, 0.6, 0.8])
    y = np.array([0, 0, 0, 1, 1, 1])
    assert curves.calibration(y, probability, bins=2) == [
        {"predicted": 0.2, "observed": 0.0, "customers": 3},
        {"predicted": 0.6, "observed": 1.0, "customers": 3},
    ]


def test_a_probability_on_an_edge_is_in_the_bin_below() -> None:
    points = curves.calibration(np.array([0, 1, 1]), np.array([0.1, 0.2, 0.3]), bins=2)
    assert [point["customers"] for point in points] == [2, 1]


def test_calibration_counts_everybody_once(many: tuple) -> None:
    y, probability = many
    points = curves.calibration(y, probability)
    sizes = [point["customers"] for point in points]
    assert sizes == [500] * 10
    assert np.average([p["observed"] for p in points], weights=sizes) == pytest.approx(y.mean())
    assert np.average([p["predicted"] for p in points], weights=sizes) == pytest.approx(
        probability.mean(), abs=1e-5
    )


def test_equal_probabilities_stay_in_one_bin() -> None:
    points = curves.calibration(np.array([0, 1, 0, 1, 1]), np.array([0.3] * 4 + [0.9]))
    assert [point["customers"] for point in points] == [4, 1]
    assert points[0]["observed"] == 0.5


def test_decisions_are_counted_by_what_happened() -> None:
    rows = curves.confusion(Y, P, 0.7)
    counts = {(row["actual"], row["predicted"]): row["customers"] for row in rows}
    assert counts == {
        ("stayed", "stayed"): 1,
        ("stayed", "churned"): 1,
        ("churned", "stayed"): 1,
        ("churned", "churned"): 1,
    }
    assert curves.confusion(Y, P, 0.0)[0]["customers"] == 0  # nobody is left to stay


def test_the_histogram_counts_each_kind_by_probability() -> None:
    y, probability = np.array([0, 0, 1, 1, 1]), np.array([0.0, 0.24, 0.25, 0.6, 1.0])
    rows = curves.score_histogram(y, probability, bins=4)
    assert [row["probability"] for row in rows[:4]] == [0.125, 0.375, 0.625, 0.875]
    assert [row["customers"] for row in rows if row["actual"] == "stayed"] == [2, 0, 0, 0]
    assert [row["customers"] for row in rows if row["actual"] == "churned"] == [0, 1, 1, 1]
