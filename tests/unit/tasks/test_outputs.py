"""What a model of each task answers, and the rule that it has learned."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from churn.batch.parts import Writer
from churn.core.errors import DataError
from churn.core.params import FAMILIES, MulticlassDecision, RegressionDecision
from churn.model import artifact, outputs
from tests.unit.tasks.conftest import CLASSES, Fit


@pytest.mark.parametrize("n", [20, 200])
@pytest.mark.parametrize("coverage", [0.5, 0.9])
def test_an_interval_holds_as_many_numbers_as_it_says(n: int, coverage: float) -> None:
    decision = RegressionDecision(coverage=coverage, folds=5, max_rows=1000)
    rng, output = np.random.default_rng(n), outputs.of("regression")
    held = []
    for _ in range(2000):
        errors = rng.exponential(size=n + 1) * rng.choice([-1, 1], n + 1)
        rule = output.choose(errors[:-1], np.zeros(n), decision)
        answer = output.answer(np.zeros(1), rule)
        held.append(answer["lower"][0] <= errors[-1] <= answer["upper"][0])
    # Exactly k / (n + 1) with the k-th largest of n errors: never less than it says.
    expected = np.ceil((n + 1) * coverage) / (n + 1)
    assert np.mean(held) == pytest.approx(expected, abs=0.035)
    assert expected >= coverage


def test_an_interval_of_too_few_errors_ends_at_the_largest() -> None:
    decision = RegressionDecision(coverage=0.95, folds=5, max_rows=1000)
    rule = outputs.of("regression").choose(np.array([1.0, -4.0, 2.0]), np.zeros(3), decision)
    assert rule == 4.0


def test_the_class_of_lowest_expected_cost_is_predicted() -> None:
    rng, output = np.random.default_rng(0), outputs.of("multiclass", CLASSES)
    decision = MulticlassDecision(costs={"high": 3.0, "mid": 0.5}, folds=5, max_rows=1000)
    costs = np.array([1.0, 0.5, 3.0])
    scores = rng.dirichlet([1, 1, 1], 500)
    rule = output.fallback(decision)
    assert rule == tuple(costs)
    # What each prediction would cost: whoever belongs to another class.
    expected = np.array([[np.delete(p * costs, j).sum() for j in range(3)] for p in scores])
    chosen = output.decided(scores, rule)
    np.testing.assert_array_equal(chosen, expected.argmin(axis=1))
    assert (chosen != scores.argmax(axis=1)).any()
    answer = output.answer(scores, rule)
    assert list(answer["prediction"][:3]) == [CLASSES[i] for i in chosen[:3]]


@pytest.mark.parametrize("task", ["binary", "regression", "multiclass"])
def test_scores_survive_a_table(task: str, tmp_path: Path) -> None:
    output = outputs.of(task, CLASSES if task == "multiclass" else ())
    shape = (7, len(output.scored)) if task == "multiclass" else (7,)
    scores = np.random.default_rng(1).random(shape)
    table = pd.DataFrame({"id": range(7), **output.columns(scores)})
    np.testing.assert_array_equal(output.scores(table), scores)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES["regression"])
def test_numbers_are_learned_stored_and_answered(
    family: str, fit_numbers: Fit, spenders: pd.DataFrame, tmp_path: Path
) -> None:
    model = fit_numbers(family)
    assert model.card.task == "regression"
    assert model.card.threshold is None
    answer = model.predict(spenders)
    assert {name: type(answer[name].iloc[0].item()) for name in answer} == model.output.answered
    assert np.corrcoef(answer["prediction"], spenders["spend"])[0, 1] > 0.8
    width = answer["upper"] - answer["prediction"]
    np.testing.assert_allclose(width, model.card.half_width)
    artifact.save(model, tmp_path / "model")
    pd.testing.assert_frame_equal(artifact.load(tmp_path / "model").predict(spenders), answer)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES["multiclass"])
def test_classes_are_learned_stored_and_answered(
    family: str, fit_classes: Fit, spenders: pd.DataFrame, tmp_path: Path
) -> None:
    model = fit_classes(family)
    answer = model.predict(spenders)
    assert list(answer) == ["prediction", "probability_low", "probability_mid", "probability_high"]
    np.testing.assert_allclose(answer.drop(columns="prediction").sum(axis=1), 1.0)
    labels = np.array(CLASSES)[spenders["level"]]
    assert (answer["prediction"] == labels).mean() > 0.7
    assert (answer["prediction"] == "high").sum() > (labels == "high").sum()  # costs three times
    artifact.save(model, tmp_path / "model")
    pd.testing.assert_frame_equal(artifact.load(tmp_path / "model").predict(spenders), answer)


def test_numbers_that_hardly_differ_are_refused_without_advice_for_two_classes(
    fit_numbers: Fit, spenders: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = np.arange(len(spenders)) == 0
    monkeypatch.setitem(spenders, "spend", np.where(first, 2.0, 1.0))
    with pytest.raises(DataError, match=r"without one fold, they all have the same target$"):
        fit_numbers("ridge")


def test_a_class_that_csv_has_to_quote(tmp_path: Path) -> None:
    classes = ["up to 50, once", 'the "others"', "plain"]
    found = pa.table({"id": ["a", "b", "c"], "prediction": classes, "probability_plain": [0.1] * 3})
    writer = Writer(tmp_path / "a.csv", tmp_path / "bad.csv", "1", "2026-01-01T00:00:00+00:00")
    writer.add(found, 1, {}, found)
    writer.close()
    assert pd.read_csv(tmp_path / "a.csv")["prediction"].tolist() == classes
