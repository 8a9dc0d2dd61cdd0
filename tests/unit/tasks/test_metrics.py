"""Metrics of each task: with weights, their derivatives, and the comparison of two models."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

from churn.core.errors import DataError
from churn.core.params import METRICS, MulticlassDecision, RegressionDecision
from churn.core.paths import Workspace
from churn.core.shapes import from_json, to_json
from churn.evaluation import tasks
from churn.evaluation.comparison import compare
from churn.evaluation.intervals import intervals
from churn.evaluation.reference import estimates
from churn.evaluation.tasks import Scored, Task
from churn.review import limits, measured
from churn.review.baseline import Card
from churn.review.comparison import DataChange, Found
from churn.review.pair import Pair
from churn.review.report import against
from tests.unit.tasks.conftest import CLASSES
from tests.unit.tasks.test_params import MULTICLASS, REGRESSION, load

Case = tuple[Task, np.ndarray, Scored, Scored]


def of_numbers(decision: RegressionDecision, n: int = 300, worse: float = 3.0) -> Case:
    rng = np.random.default_rng(n)
    y = rng.normal(100, 20, n)
    first, second = (y + rng.normal(0, spread, n) for spread in (8.0, 8.0 + worse))
    return tasks.of(decision), y, Scored(first, 12.0), Scored(second, 15.0)


def of_classes(decision: MulticlassDecision, n: int = 300, worse: float = 1.4) -> Case:
    rng = np.random.default_rng(n)
    y = rng.choice(3, n, p=[0.5, 0.3, 0.2])
    both = []
    for noise in (0.6, 0.6 + worse):
        raw = np.eye(3)[y] * 2 + rng.normal(0, noise * 2, (n, 3))
        raw[::7] = 0.0  # ties
        both.append(np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True))
    rule = (1.0, 1.0, 3.0)
    return tasks.of(decision, CLASSES), y, Scored(both[0], rule), Scored(both[1], (1.0, 1.0, 1.0))


@pytest.fixture(params=["numbers", "classes"])
def case(request: pytest.FixtureRequest) -> Case:
    decision: Any = request.getfixturevalue(request.param)
    return of_numbers(decision) if request.param == "numbers" else of_classes(decision)


def test_weights_count_customers_that_often(case: Case) -> None:
    task, y, scored, _ = case
    counts = np.random.default_rng(2).integers(0, 4, (len(y), 3))
    found = task.weighted(y, scored).metrics(counts.astype(float))
    assert tuple(found) == task.metrics
    assert set(found) == set(METRICS[task.output.task])
    for draw in range(3):
        repeated = np.repeat(np.arange(len(y)), counts[:, draw])
        expected = task.measure(y[repeated], scored.of(repeated)).values
        for name, values in found.items():
            assert values[draw] == pytest.approx(expected[name], abs=1e-6), name


def test_influence_is_the_derivative_by_a_customers_weight(case: Case) -> None:
    task, y, scored, _ = case
    weighted = task.weighted(y, scored)
    influence, step = weighted.influence(), 1e-6
    for place in (0, 1, 7, 50):
        counts = np.ones((len(y), 2))
        counts[place, 0] += step
        counts[place, 1] -= step
        found = weighted.metrics(counts)
        for name in task.metrics:
            if name != "median_error":  # which moves in steps
                slope = (found[name][0] - found[name][1]) / (2 * step)
                assert influence[name][place] == pytest.approx(slope, rel=1e-3, abs=1e-8), name
    for name in task.metrics:
        if name != "median_error":
            assert influence[name].sum() == pytest.approx(0.0, abs=1e-6), name


def test_a_worse_model_is_worse_and_the_same_one_identical(case: Case) -> None:
    task, y, first, second = case
    found = {one.metric: one for one in compare(task, y, first, second, 1, 1000)}
    assert list(found) == list(task.metrics)
    words = {one.word for name, one in found.items() if name not in ("cost", "median_error")}
    assert words == {"worse"}
    for one in compare(task, y, first, first, 1, 1000):
        assert (one.word, one.lower, one.upper) == ("identical", 0.0, 0.0)


@pytest.mark.slow
def test_intervals_hold_the_metric_of_other_customers_as_often_as_they_say(
    numbers: RegressionDecision,
) -> None:
    truth = {"rmse": 8.0, "mae": 8.0 * np.sqrt(2 / np.pi), "r2": 1 - 64 / 400}
    held = dict.fromkeys(truth, 0)
    for seed in range(200):
        rng = np.random.default_rng(seed)
        y = rng.normal(100, 20, 200)
        scored = Scored(y + rng.normal(0, 8.0, 200), 1.0)
        found = intervals(tasks.of(numbers), y, scored, seed, 1000)
        for name, value in truth.items():
            held[name] += found[name].lower <= value <= found[name].upper
    assert all(180 <= count <= 198 for count in held.values()), held


def test_errors_of_metrics_are_those_of_many_samples(case: Case) -> None:
    task, y, scored, _ = case
    found = estimates(task, y, scored)
    rng = np.random.default_rng(5)
    draws = rng.multinomial(len(y), np.full(len(y), 1 / len(y)), 2000).T.astype(float)
    spread = {
        name: values.std() for name, values in task.weighted(y, scored).metrics(draws).items()
    }
    assert "median_error" not in found
    for name, estimate in found.items():
        assert estimate.error == pytest.approx(spread[name], rel=0.1), name


def test_an_equally_good_rival_is_equally_good(case: Case) -> None:
    task, y, scored, _ = case
    rival = task.rival(y, scored.scores, 0.95, np.random.default_rng(1))
    assert rival.shape == scored.scores.shape
    assert not np.array_equal(rival, scored.scores)
    before, after = (task.measure(y, Scored(s, scored.rule)).values for s in (scored.scores, rival))
    for name in task.metrics:
        assert after[name] == pytest.approx(before[name], rel=0.02), name


def test_scores_that_are_none_are_refused(case: Case) -> None:
    task, y, scored, _ = case
    bad = scored.scores.copy()
    bad[3] = np.nan
    with pytest.raises(DataError, match=r"not finite|not a number from 0 to 1"):
        task.measure(y, Scored(bad, scored.rule))
    weighted = task.weighted(y, Scored(bad, scored.rule))
    values = weighted.metrics(np.ones((len(y), 2)))
    assert all(np.isnan(value).all() for value in values.values())
    assert all(np.isnan(value).all() for value in weighted.influence().values())
    with pytest.raises(ValueError, match="no customers"):
        task.measure(y[:0], scored.of(np.arange(0)))


def test_what_is_undefined_has_a_reason(
    numbers: RegressionDecision, classes: MulticlassDecision
) -> None:
    flat = tasks.of(numbers).measure(np.full(5, 2.0), Scored(np.arange(5.0), 1.0))
    assert flat.values["r2"] is None
    assert flat.undefined == {"r2": "all customers have the same number"}
    task = tasks.of(classes, CLASSES)
    absent = task.measure(np.array([0, 0, 1]), Scored(np.full((3, 3), 1 / 3), (1.0, 1.0, 1.0)))
    assert absent.undefined["macro_f1"] == "nobody is 'high'"
    with pytest.raises(
        DataError, match="test rows: metric 'balanced_accuracy' is undefined: nobody"
    ):
        task.require_all(absent, "test rows")


def test_too_low_costs_what_params_say(numbers: RegressionDecision) -> None:
    found = tasks.of(numbers).measure(np.array([10.0, 10.0]), Scored(np.array([8.0, 14.0]), 1.0))
    assert found.values["cost"] == pytest.approx((3 * 2 + 1 * 4) / 2)


def test_importance_is_measured_where_each_class_is(classes: MulticlassDecision) -> None:
    task = tasks.of(classes, CLASSES)
    y = np.array([0] * 500 + [1] * 495 + [2] * 5)
    places = task.sampled(y, 100, np.random.default_rng(0))
    assert set(y[places]) == {0, 1, 2}
    assert len(places) == pytest.approx(100, abs=2)


def test_r2_is_undefined_where_only_rounding_differs(numbers: RegressionDecision) -> None:
    y = np.zeros(60)
    y[0] = 0.37
    weighted = tasks.of(numbers).weighted(y, Scored(np.full(60, 0.01), 1.0))
    counts = np.ones((60, 2))
    counts[0, 1] = 0  # a draw without the only other number
    assert np.isfinite(weighted.metrics(counts)["r2"]).tolist() == [True, False]


def test_a_mean_over_all_customers_is_certain_however_rare_a_class_is(
    classes: MulticlassDecision,
) -> None:
    task, y, first, _ = of_classes(classes, n=400)
    second = Scored(np.random.default_rng(0).permutation(first.scores), first.rule)
    kept = y < 2  # nobody is of the last class
    y, first, second = y[kept], first.of(kept), second.of(kept)
    found = {one.metric: one for one in compare(task, y, first, second, 1, 1000)}
    assert found["accuracy"].word == "worse"
    assert found["accuracy"].p is not None and found["accuracy"].p < 0.001
    assert found["macro_f1"].word is None or found["macro_f1"].p == 1.0


def test_a_held_out_share_within_the_intervals_is_told(numbers: RegressionDecision) -> None:
    task, y, scored, _ = of_numbers(numbers)
    share = task.coverage(y, scored)
    assert share == pytest.approx(np.mean(np.abs(y - scored.scores) <= 12.0))


def test_metrics_and_curves_of_small_numbers_have_as_many_digits(
    numbers: RegressionDecision,
) -> None:
    task, y, scored, _ = of_numbers(numbers)
    small = Scored(scored.scores * 1e-7, scored.rule * 1e-7)
    found, expected = (task.measure(*of).values for of in ((y * 1e-7, small), (y, scored)))
    for name in ("rmse", "mae", "median_error", "cost"):
        assert found[name] == pytest.approx(expected[name] * 1e-7, rel=1e-5), name
    assert found["r2"] == expected["r2"]
    for curve, points in task.compared(y, scored).items():
        for point, of_small in zip(points, task.compared(y * 1e-7, small)[curve], strict=True):
            for name, value in point.items():
                unit = 1e-7 if name in ("error", "predicted", "observed") else 1.0
                assert of_small[name] == pytest.approx(value * unit, rel=1e-4), (curve, name)


@pytest.mark.slow
def test_a_comparison_of_numbers_names_no_threshold(
    numbers: RegressionDecision, spenders: pd.DataFrame, tmp_path: Path
) -> None:
    settings = load(REGRESSION, tmp_path)
    settings = settings.model_copy(
        update={"data": settings.data.model_copy(update={"target": "spend"}), "decision": numbers}
    )
    rng = np.random.default_rng(0)
    y = spenders["spend"].to_numpy()
    sides = [Scored(y + rng.normal(0, 9, len(y)), 12.0) for _ in range(2)]
    pair = Pair(spenders, *sides)
    entry = Found(name="main", model_digest="b" * 64)
    judging = limits.own(settings)
    found = measured.compared(entry, pair, pair, spenders, settings.data, judging)
    assert found.threshold is None and found.same_threshold is None
    assert "threshold" not in against.metrics(found, None, None)


@pytest.mark.parametrize("task", ["numbers", "classes"])
def test_a_target_that_has_moved_is_told(
    task: str, spenders: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, target = (REGRESSION, "spend") if task == "numbers" else (MULTICLASS, "level")
    settings = load(base | ({"data.classes": list(CLASSES)} if target == "level" else {}), tmp_path)
    data = settings.data.model_copy(update={"target": target})
    workspace = Workspace(tmp_path)
    workspace.build.mkdir()
    spenders.to_parquet(workspace.split("train"), index=False)
    card = Card(task=settings.task, classes=data.classes, numeric=data.numeric)
    now = spenders[spenders["level"] > 0]
    candidate = SimpleNamespace(
        settings=settings.model_copy(update={"data": data}),
        train=now,
        workspace=Workspace(tmp_path / "there"),
    )
    candidate.workspace.build.mkdir(parents=True)
    now.to_parquet(candidate.workspace.split("train"), index=False)
    baseline = SimpleNamespace(workspace=workspace, card=lambda: card)
    found = measured.data_change(cast(Any, baseline), cast(Any, candidate))
    assert found is not None and found.label_rate is None
    again = from_json(DataChange, json.loads(json.dumps(to_json(found))))
    told = against.drift(again)
    if task == "numbers":
        means = (f"{rows['spend'].mean():.4g}" for rows in (spenders, now))
        assert "Target: `mean spend` {} before, {} now.".format(*means) in told
    else:
        was = (spenders["level"] == 0).mean()
        assert f"Target: `low` {was:.1%} before, 0.0% now; `mid` " in told
