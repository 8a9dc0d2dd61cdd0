"""What is taken off a check's result, and how much; deepchecks itself is not needed for that."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from checks.noise import NOISE, describe_floor

SCORE = {"Drift score": 0.12, "Method": "Kolmogorov-Smirnov"}
SCORES = {"roc_auc": {"Origin": 0.7, "Simple": 0.75}}
BY_LABEL = {"f1": {0: {"Origin": 0.7, "Simple": 0.75}, 1: {"Origin": 0.6, "Simple": 0.5}}}
PERFORMANCE = pd.DataFrame(
    {
        "Dataset": ["Train", "Train", "Test", "Test"],
        "Metric": ["roc_auc", "f1", "roc_auc", "f1"],
        "Value": [0.9, 0.8, 0.72, 0.8],
    }
)
SEGMENTS = pd.DataFrame({"AUC Score": [0.4, 0.7, 0.79], "Feature1": ["age", "age", "spend"]})
VALUES: dict[str, tuple[Any, dict[str, float]]] = {
    "IdentifierLabelCorrelation": ({"customer_id": 0.12}, {"customer_id": 0.12}),
    "FeatureDrift": ({"age": SCORE, "plan": {"Drift score": None}}, {"age": 0.12}),
    "LabelDrift": (SCORE, {"": 0.12}),
    "PredictionDrift": (SCORE, {"": 0.12}),
    "MultivariateDrift": ({"domain_classifier_drift_score": 0.2}, {"": 0.2}),
    "NewCategoryTrainTest": (
        pd.DataFrame({"Ratio of New Categories": [0.02]}, index=["plan"]),
        {"plan": 0.02},
    ),
    "FeatureLabelCorrelationChange": (
        {"train-test difference": {"age": -0.25, "spend": 0.01}},
        {"age": 0.25, "spend": 0.01},
    ),
    "TrainTestPerformance": (PERFORMANCE, {"roc_auc": 0.2, "f1": 0.0}),
    "SimpleModelComparison": ({"scores": SCORES}, {"roc_auc": 0.05}),
    "WeakSegmentsPerformance": (
        {"weak_segments_list": SEGMENTS, "avg_score": 0.8},
        {"": 0.4},
    ),
}


def test_every_check_that_allows_for_chance_is_here() -> None:
    assert set(VALUES) == set(NOISE)


@pytest.mark.parametrize("name", NOISE)
def test_an_effect_is_read_and_chance_is_taken_off_it(name: str) -> None:
    value, effects = VALUES[name]
    noise = NOISE[name]
    assert noise.effects(value) == pytest.approx(effects)
    worst = max(effects, key=lambda key: effects[key])
    left = noise.effects(noise.without(value, {worst: 0.01}))
    assert left == pytest.approx(effects | {worst: effects[worst] - 0.01})
    assert noise.effects(value) == pytest.approx(effects), "the value itself is as it was"


@pytest.mark.parametrize("name", NOISE)
def test_where_chance_is_unknown_everything_counts(name: str) -> None:
    value, effects = VALUES[name]
    assert NOISE[name].effects(NOISE[name].without(value, {})) == pytest.approx(effects)


@pytest.mark.parametrize("name", sorted(set(NOISE) - {"SimpleModelComparison"}))
def test_what_is_less_than_chance_gives_is_no_effect(name: str) -> None:
    value, effects = VALUES[name]
    worst = max(effects, key=lambda key: effects[key])
    left = NOISE[name].effects(NOISE[name].without(value, {worst: 5.0}))
    assert left[worst] <= 0


def test_a_model_that_is_scored_by_label_is_compared_by_label() -> None:
    noise = NOISE["SimpleModelComparison"]
    assert noise.effects({"scores": BY_LABEL}) == pytest.approx({"f1 0": 0.05, "f1 1": -0.1})
    left = noise.without({"scores": BY_LABEL}, {"f1 0": 0.2})
    assert noise.effects(left) == pytest.approx({"f1 0": -0.15, "f1 1": -0.1})


def test_without_a_segment_there_is_no_weak_one() -> None:
    noise = NOISE["WeakSegmentsPerformance"]
    assert noise.effects({"message": "none"}) == {"": 0.0}
    assert noise.without({"message": "none"}, {"": 0.5}) == {"message": "none"}


def test_chance_goes_as_far_as_one_of_two_hundred_results_of_it() -> None:
    found = [{"age": value} for value in (0.04, 0.05, 0.06) * 10]
    null = NOISE["FeatureDrift"]
    # Student's quantile with 29 degrees of freedom, 2.756, times sqrt(31 / 30)
    assert null.floor(found)["age"] == pytest.approx(0.05 + 2.80 * 0.0083, abs=1e-4)
    assert replace(null, is_null=False).floor(found)["age"] == pytest.approx(0.0233, abs=1e-4)
    assert null.floor(found[:4]) == {}


@pytest.mark.parametrize("name", NOISE)
def test_what_is_no_number_in_a_draw_is_no_reason_to_pass(name: str) -> None:
    value, effects = VALUES[name]
    noise = NOISE[name]
    draws = [dict.fromkeys(effects, 0.5) for _ in range(10)] + [dict.fromkeys(effects, np.nan)]
    floor = noise.floor(draws)
    assert floor == {}
    assert noise.effects(noise.without(value, floor)) == pytest.approx(effects)


def test_labels_that_are_scored_one_by_one_are_compared_one_by_one() -> None:
    value = PERFORMANCE.assign(Class=[0, 1, 0, 1], Metric="f1")
    noise = NOISE["TrainTestPerformance"]
    assert noise.effects(value) == pytest.approx({"f1 0": 0.2, "f1 1": 0.0})
    left = noise.effects(noise.without(value, {"f1 0": 0.1, "f1 1": 0.1}))
    assert left == pytest.approx({"f1 0": 0.1, "f1 1": -0.1})


def test_chance_goes_as_far_as_it_went() -> None:
    found = [{"": value} for value in [0.0] * 59 + [0.1]]
    assert NOISE["LabelDrift"].floor(found) == {"": 0.1}


def test_what_is_furthest_beyond_chance_is_told() -> None:
    told = describe_floor({"age": 0.2, "spend": 0.15, "new": 0.9}, {"age": 0.18, "spend": 0.05})
    assert told == (
        "0.15 of spend, where chance alone gives up to 0.05 with this many rows; what is beyond"
        " that counts"
    )
    assert "could not be found out" in describe_floor({"age": 0.2}, {})
