"""Models of numbers and classes are served with the bits of their pipelines, and explained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from churn.core.params import FAMILIES, ServeParams
from churn.explanation.values import Explainer
from churn.model import artifact
from churn.serve import metrics, parity
from churn.serve.access import Keys
from churn.serve.app import App
from churn.serve.compiled import CompileError, compile_model
from churn.serve.versions import Serving, Trial
from tests.unit.serve.asgi import asked
from tests.unit.serve.models import fitted, same_bits, unproven
from tests.unit.tasks.conftest import Fit


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES["regression"])
def test_a_compiled_model_of_numbers_has_the_same_bits(
    family: str, fit_numbers: Fit, spenders: pd.DataFrame
) -> None:
    model = fit_numbers(family)
    compiled, rows = compile_model(model), parity.hostile(model, spenders.head(2))
    assert parity.difference(model, compiled, rows) is None
    with np.errstate(all="ignore"):
        expected = model.pipeline.predict(rows.frame(model.card))
    assert same_bits(compiled.scores(rows.numbers, rows.categories), expected)


@pytest.mark.slow
def test_a_compiled_model_of_positive_numbers_has_the_same_bits(
    fit_numbers: Fit, spenders: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(spenders, "spend", spenders["spend"].clip(lower=1.0))
    model = fit_numbers("hist_gradient_boosting", loss="poisson")
    compiled, rows = compile_model(model), parity.hostile(model, spenders.head(2))
    assert parity.difference(model, compiled, rows) is None


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES["multiclass"])
def test_a_compiled_model_of_classes_has_the_same_bits(
    family: str, fit_classes: Fit, spenders: pd.DataFrame
) -> None:
    model = fit_classes(family)
    compiled, rows = compile_model(model), parity.hostile(model, spenders.head(2))
    assert parity.difference(model, compiled, rows) is None
    many = rows.take(np.arange(5000) % len(rows))
    expected = model.pipeline.predict_proba(many.frame(model.card))
    assert same_bits(compiled.scores(many.numbers, many.categories), expected)


def test_what_is_not_compiled_is_answered_by_the_pipeline(fit_classes: Fit) -> None:
    model = fit_classes("logistic_regression")
    model.pipeline[-1].solver = "liblinear"
    with pytest.raises(CompileError, match="several classes of LogisticRegression"):
        compile_model(model)


@pytest.mark.parametrize("family", FAMILIES["regression"])
def test_reasons_and_base_sum_to_the_number(
    family: str, fit_numbers: Fit, spenders: pd.DataFrame
) -> None:
    model = fit_numbers(family)
    rows = spenders.assign(plan=np.where(np.arange(len(spenders)) % 4, spenders["plan"], "unseen"))
    rows["age"] = rows["age"].astype(float)
    rows.loc[rows.index[::5], "age"] = np.nan
    found = Explainer(model).explain(model.inputs(rows))
    assert found.unit == "number"
    np.testing.assert_allclose(found.values.sum(axis=1) + found.base, model.scores(rows), rtol=1e-9)
    by_column = dict(zip(model.card.inputs, found.values.T, strict=True))
    recency = np.corrcoef(rows["recency_days"], by_column["recency_days"])[0, 1]
    assert recency < -0.5


@pytest.mark.parametrize("family", FAMILIES["multiclass"])
def test_reasons_and_base_sum_to_the_score_of_the_predicted_class(
    family: str, fit_classes: Fit, spenders: pd.DataFrame
) -> None:
    model = fit_classes(family)
    found = Explainer(model).explain(model.inputs(spenders))
    np.testing.assert_allclose(found.values.sum(axis=1) + found.base, found.score, rtol=1e-9)
    probability = model.scores(spenders)
    chosen = model.output.decided(probability, model.card.rule)
    own = probability[np.arange(len(spenders)), chosen]
    if found.unit == "probability":
        np.testing.assert_allclose(found.score, own, rtol=1e-9)
        return
    assert found.unit == "raw score"
    # The logarithm of the probability, up to what all classes of a customer share.
    for first, second in ((0, 1), (5, 9)):
        pair = model.inputs(spenders).iloc[[first, second]]
        raw = model.pipeline.decision_function(pair)
        expected = raw[[0, 1], chosen[[first, second]]]
        np.testing.assert_allclose(found.score[[first, second]], expected, rtol=1e-9)


@pytest.mark.parametrize("loss", ["gamma", "poisson"])
def test_reasons_of_a_loss_that_multiplies_sum_to_the_logarithm(
    loss: str, fit_numbers: Fit, spenders: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(spenders, "spend", spenders["spend"].clip(lower=1.0))
    model = fit_numbers("hist_gradient_boosting", loss=loss)
    found = Explainer(model).explain(model.inputs(spenders))
    assert found.unit == "logarithm"
    np.testing.assert_allclose(found.values.sum(axis=1) + found.base, found.score, rtol=1e-9)
    np.testing.assert_allclose(np.exp(found.score), model.scores(spenders), rtol=1e-9)


def test_the_base_of_a_class_is_its_mean_score_of_the_training_rows(
    fit_classes: Fit, spenders: pd.DataFrame
) -> None:
    model = fit_classes("gradient_boosting")
    explainer = Explainer(model)
    raw = model.pipeline.decision_function(model.inputs(spenders))
    np.testing.assert_allclose(explainer.base, raw.mean(axis=0), rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("task", ["regression", "multiclass"])
def test_the_server_gives_reasons_for_what_it_predicts(
    task: str, fit_numbers: Fit, fit_classes: Fit, spenders: pd.DataFrame, tmp_path: Path
) -> None:
    model = (fit_numbers if task == "regression" else fit_classes)("hist_gradient_boosting")
    artifact.save(model, tmp_path / "model")
    app = App(ServeParams(timeout_s=60.0), Keys())
    app.serving = Serving("churn", replace(unproven(model), folder=tmp_path / "model"))
    rows = spenders[list(model.card.inputs)].head(5)
    body = {"dataframe_records": rows.to_dict("records")}

    explained = asked(app, "/explain", body)
    assert explained.status == 200, explained.body
    predicted = asked(app, "/invocations", body).json["predictions"]
    expected = Explainer(model).explain(model.inputs(rows))
    for place, (one, said) in enumerate(
        zip(explained.json["explanations"], predicted, strict=True)
    ):
        assert {name: one[name] for name in model.output.answered} == said
        assert list(one["reasons"].values()) == expected.values[place].tolist()
        assert one["base"] + sum(one["reasons"].values()) == pytest.approx(one["score"])


def test_a_challenger_of_another_task_answers_nobody(
    fit_numbers: Fit, spenders: pd.DataFrame
) -> None:
    champion = unproven(fitted(spenders, data__categorical=["plan"]), "3")
    trial = Trial(unproven(fit_numbers("ridge"), "4"), share=1.0, shadow=False)
    app = App(ServeParams(), Keys(), None)
    app.serving = Serving("churn", champion, trial)
    rows = spenders[list(champion.model.card.inputs)].head(5).to_dict("records")

    def failures() -> float:
        label = {"version": "4"}
        return (
            metrics.collected(None).get_sample_value("churn_challenger_failures_total", label)
            or 0.0
        )

    before = failures()
    answer = asked(app, "/invocations", {"dataframe_records": rows})
    assert answer.status == 200
    expected = champion.model.scores(spenders.head(5))
    np.testing.assert_allclose(answer.probabilities, expected, rtol=1e-12)
    assert failures() == before + 1
