"""Models of numbers and classes are served with the bits of their pipelines, and explained."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from churn.core.errors import ArtifactError
from churn.core.params import FAMILIES, Params, ServeParams
from churn.core.paths import Workspace
from churn.deploy import integration
from churn.explanation.division import Division
from churn.explanation.overall import overall
from churn.explanation.values import Explainer
from churn.model import artifact
from churn.serve import metrics, parity
from churn.serve.access import Keys
from churn.serve.app import App
from churn.serve.compiled import CompileError, compile_model
from churn.serve.versions import Serving, Trial
from tests.integration.client import require_offline
from tests.integration.rows import Rows
from tests.unit.serve.asgi import asked
from tests.unit.serve.models import fitted, same_bits, unproven
from tests.unit.tasks.conftest import Fit

pytestmark = pytest.mark.slow


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


def test_the_sum_of_scores_is_divided_by_the_weights_of_the_predicted_class(
    fit_classes: Fit, spenders: pd.DataFrame
) -> None:
    """As if the sum's weight had been added to the weights of the scores."""
    model = fit_classes("logistic_regression")
    features, inputs = model.pipeline["features"], model.inputs(spenders)
    names = list(features.get_feature_names_out())
    table = pd.DataFrame(features.transform(inputs), columns=names)
    columns = ["recency_days", "frequency", "monetary_value"]
    scores = table[[f"rfm__{name}_score" for name in columns]].to_numpy()
    place, total = names.index("rfm__rfm_score"), table["rfm__rfm_score"]
    chosen = model.output.decided(model.scores(spenders), model.card.rule)
    assert set(chosen) == {0, 1, 2}
    factor = model.pipeline[-1].coef_[chosen, place] / total.std(ddof=0)
    values = np.zeros(table.shape)
    values[:, place] = factor * (total - total.mean())
    found = Division(model).of(inputs, values, chosen)
    where = [model.card.inputs.index(name) for name in columns]
    expected = factor[:, None] * (scores - scores.mean(axis=0))
    np.testing.assert_allclose(found[:, where], expected, atol=1e-9)

    whole = Explainer(model).explain(inputs).values
    step = model.pipeline["scale"].transform(table.to_numpy())
    of_features = model.pipeline[-1].coef_[chosen] * step
    np.testing.assert_allclose(whole, Division(model).of(inputs, of_features, chosen), atol=1e-9)


@pytest.mark.parametrize("family", ["ridge", "hist_gradient_boosting"])
def test_reasons_of_gains_and_losses_in_large_numbers(
    family: str, fit_numbers: Fit, spenders: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is added up is far larger than some of the sums, which are rounded as it is."""
    spend = spenders["spend"]
    first = fit_numbers(family).scores(spenders)[0]  # to whom nothing is to be predicted
    monkeypatch.setitem(spenders, "spend", 1e12 * (spend - first))
    model = fit_numbers(family)
    found = Explainer(model).explain(model.inputs(spenders))
    assert abs(found.score[0]) < 1e-10 * np.abs(found.score).max()
    np.testing.assert_allclose(found.values.sum(axis=1) + found.base, found.score, atol=1.0)


def test_effects_of_small_numbers_are_told_apart(
    fit_numbers: Fit, spenders: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    effects = {}
    spend = spenders["spend"]
    for unit in (1.0, 1e-8):
        monkeypatch.setitem(spenders, "spend", unit * spend)
        found = overall(fit_numbers("ridge"), spenders, 1)
        effects[unit] = [float(one["effect"]) / unit for one in found if one["effect"]]
    np.testing.assert_allclose(effects[1e-8], effects[1.0], rtol=1e-3)


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


@pytest.mark.parametrize(("off", "is_same"), [(4e-16, True), (1e-9, False)])
def test_rounding_is_relative_to_the_largest_number(
    off: float,
    is_same: bool,
    fit_numbers: Fit,
    spenders: pd.DataFrame,
    small: Params,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Linear algebra of gains and losses rounds a sum near 0 as it does a large one."""
    spend = spenders["spend"]
    monkeypatch.setitem(spenders, "spend", 1e9 * (spend - spend.mean()))
    model, workspace = fit_numbers("ridge"), Workspace(tmp_path)
    workspace.build.mkdir()
    artifact.save(model, workspace.model)
    spenders.to_parquet(workspace.split("test"), index=False)
    exact = model.scores(spenders)
    other = exact + off * np.abs(exact).max()
    stored = spenders[["customer_id"]].assign(prediction=other)
    workspace.predictions("test").parent.mkdir()
    stored.to_parquet(workspace.predictions("test"), index=False)
    rows = Rows(model.predict(spenders), model.output)
    assert np.abs(exact).min() < 1e-3 * np.abs(exact).max()
    with nullcontext() if is_same else pytest.raises(ArtifactError, match="not the model's"):
        integration.parity_rows(workspace, small)
    answers = pd.DataFrame(model.output.answer(other, model.card.rule))
    with nullcontext() if is_same else pytest.raises(AssertionError):
        require_offline(answers, rows)
    now = pd.DataFrame({"prediction": exact})
    assert model.output.agree(stored, now, 1e-9)
    assert not model.output.agree(1.001 * stored[["prediction"]], now, 1e-9)
