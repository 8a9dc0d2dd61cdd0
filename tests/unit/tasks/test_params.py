"""What params.yaml may hold for each task."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from churn.core import params
from churn.core.errors import ParamsError
from churn.core.params import METRICS, MulticlassDecision, Params, RegressionDecision
from churn.evaluation import tasks
from churn.evaluation.metric_names import SMALLER_IS_BETTER, TITLES
from churn.review import limits
from tests.conftest import PARAMS

FOLDS = {"folds": 5, "max_rows": 1000}
REGRESSION = {
    "task": "regression",
    "data.positive": None,
    "model.family": "ridge",
    "model.hyperparameters": {},
    "decision": FOLDS,
    "gates.minima": {"r2": 0.2},
    "gates.margins": {"rmse": 3.0},
    "gates.slice_margins": {},
    "tune.metric": "rmse",
}
_ALONE = {"features": {}, "evaluation.slices.numeric": [], "evaluation.slices.protected": []}
MULTICLASS = REGRESSION | {
    "task": "multiclass",
    "data.classes": ["low", 2, True],
    "model.family": "logistic_regression",
    "gates.minima": {"macro_f1": 0.5},
    "gates.margins": {"cost": 0.1},
    "tune.metric": "log_loss",
}


def load(overrides: dict[str, Any], folder: Path) -> Params:
    file = folder / "params.yaml"
    document = yaml.safe_load(PARAMS.read_text())
    if "decision" in overrides:
        document["decision"] = {}
    file.write_text(yaml.safe_dump(document))
    return params.load(file, copy.deepcopy(overrides))


def test_each_task_has_its_own_decision(tmp_path: Path) -> None:
    numbers = load(REGRESSION, tmp_path)
    assert isinstance(numbers.decision, RegressionDecision)
    assert tasks.of_params(numbers).output.task == "regression"
    classes = load(MULTICLASS, tmp_path)
    assert isinstance(classes.decision, MulticlassDecision)
    assert tasks.of_params(classes).output.scored[1] == "probability_2"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("base", "changes", "problem"),
    [
        ({}, {"task": "ranking"}, "task:"),
        ({}, {"data.positive": None}, "data.positive is needed for task: binary"),
        ({}, {"data.classes": ["a", "b"]}, "data.classes is not for task: binary"),
        ({}, {"decision.coverage": 0.9}, "decision.coverage: unknown key"),
        ({}, {"model.family": "ridge"}, "model.family: ridge is not for task: binary"),
        ({}, {"gates.minima": {"r2": 0.1}}, "gates.minima: r2 is no metric of task: binary"),
        (REGRESSION, {"data.positive": 1}, "data.positive is not for task: regression"),
        (REGRESSION, {"decision.threshold": 0.5}, "decision.threshold: unknown key"),
        (REGRESSION, {"gates.minima": {"roc_auc": 0.5}}, "gates.minima: roc_auc is no metric"),
        (REGRESSION, {"tune.metric": "brier"}, "tune.metric: brier is no metric"),
        (REGRESSION, {"gates.fairness": {"recall": 0.1}}, "gates.fairness: recall is no metric of"),
        (REGRESSION, {"release.canary": {"share": 0}}, "release.canary.share"),
        (REGRESSION, {"data.numeric": ["lower"], **_ALONE}, "'lower' has the name of an output"),
        (MULTICLASS, {"data.categorical": ["probability_2"]}, "'probability_2' has the name"),
        (MULTICLASS, {"data.classes": []}, "data.classes is needed for task: multiclass"),
        (MULTICLASS, {"data.classes": ["a", "b"]}, "2 of them; task: multiclass has three or more"),
        (MULTICLASS, {"data.classes": [1, "a", "1"]}, "data.classes: '1' is there twice"),
        (MULTICLASS, {"decision.costs": {"low": 0}}, "decision.costs.low"),
        (MULTICLASS, {"decision.costs": {"huge": 2}}, "decision.costs: 'huge' is not in data.cla"),
    ],
)
def test_what_a_task_does_not_have_is_refused(
    base: dict[str, Any], changes: dict[str, Any], problem: str, tmp_path: Path
) -> None:
    with pytest.raises(ParamsError) as raised:
        load(base | changes, tmp_path)
    assert problem in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_column_may_be_called_as_the_output_of_another_task(tmp_path: Path) -> None:
    named = {"data.numeric": ["probability"], **_ALONE}
    assert load(REGRESSION | named, tmp_path).data.numeric == ("probability",)
    assert load(MULTICLASS | named, tmp_path).data.numeric == ("probability",)
    with pytest.raises(ParamsError, match="'probability' has the name of an output"):
        load(named, tmp_path)


@pytest.mark.parametrize("base", [{}, REGRESSION, MULTICLASS])
def test_each_task_may_be_tried_before_production(base: dict[str, Any], tmp_path: Path) -> None:
    loaded = load(base | {"release.canary": {"share": 0.1}}, tmp_path)
    assert loaded.release.canary is not None


def test_each_metric_of_each_task_has_a_title_and_a_direction() -> None:
    named = {name for names in METRICS.values() for name in names}
    assert named == set(TITLES)
    assert named >= SMALLER_IS_BETTER


def test_costs_of_another_task_are_not_limits_of_this_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load(REGRESSION, tmp_path)
    monkeypatch.setattr(limits, "git", lambda *_: PARAMS.read_text())
    mains = limits.of_commit(tmp_path, "0" * 40, settings)
    assert mains.decision == settings.decision
    # They cannot be met: no model of numbers has a ROC AUC.
    assert "roc_auc" in mains.gates.minima
    monkeypatch.setattr(limits, "git", lambda *_: (tmp_path / "mains.yaml").read_text())
    cheaper = yaml.safe_load((tmp_path / "params.yaml").read_text())
    cheaper |= {"task": "regression", "decision": FOLDS | {"cost_too_low": 7.0, "coverage": 0.8}}
    (tmp_path / "mains.yaml").write_text(yaml.safe_dump(cheaper))
    mains = limits.of_commit(tmp_path, "0" * 40, settings)
    assert isinstance(mains.decision, RegressionDecision)
    assert (mains.decision.cost_too_low, mains.decision.coverage) == (7.0, 0.8)
