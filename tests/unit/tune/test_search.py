"""Which candidates are tried: by the seed alone, whatever happened in between."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest

from churn.core.errors import ParamsError
from churn.core.params import Params
from churn.core.paths import Workspace
from churn.tune import outcome, records, search, space
from churn.tune.records import Records, Trial
from tests.unit.tune.conftest import load, rows

pytestmark = pytest.mark.long


def opened(project: Workspace, settings: Params) -> Records:
    return records.open_search(project, records.identify(project, settings), lambda _: None)


def tried(project: Workspace, name: str, most: int | None = None, **tune: Any) -> list[Trial]:
    """Search in a folder of that name, and return all candidates that are recorded there."""
    settings = load(project, **tune)
    found = Records(project.searches / name, opened(project, settings).identity)
    table = rows(project, settings)
    current = search.evaluate_current(table, settings, found)
    list(islice(search.candidates(table, settings, found, current), most))
    return found.trials()


def test_the_seed_decides_the_candidates(project: Workspace) -> None:
    first = tried(project, "first")
    assert [trial.number for trial in first] == list(range(12))
    assert tried(project, "again") == first
    other = tried(project, "other", seed=2)
    assert [t.hyperparameters for t in other] != [t.hyperparameters for t in first]


def test_a_search_that_goes_on_tries_what_it_would_have_tried(project: Workspace) -> None:
    whole = tried(project, "whole")
    for most in (1, 4, 5):  # it ends after one, five and ten candidates
        tried(project, "parts", most)
    assert tried(project, "parts") == whole


@pytest.mark.exhaustive
def test_more_candidates_begin_with_the_same_ones(project: Workspace) -> None:
    few = tried(project, "few", trials=4)
    assert tried(project, "more")[:4] == few


def test_a_candidate_that_does_worse_is_ended_early(project: Workspace) -> None:
    trials = tried(project, "early", trials=20)
    assert {trial.state for trial in trials} == {"complete", "pruned"}
    for trial in trials:
        assert len(trial.values) == (3 if trial.state == "complete" else 2)
        assert (trial.value is None) == (trial.state == "pruned")
    # As long as there is little to compare with, none is.
    assert [trial.state for trial in trials[:4]] == ["complete"] * 4


def test_a_candidate_is_fitted_once(project: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted: list[Any] = []

    def counted(rows: Any, settings: Params, values: Any, go_on: Any) -> Any:
        fitted.append(values)
        return evaluate(rows, settings, values, go_on)

    evaluate = search.evaluate
    monkeypatch.setattr(search, "evaluate", counted)
    trials = tried(project, "two", space={"max_depth": {"choices": [1, 2]}})
    assert len(trials) == 12
    assert sorted(map(str, fitted)) == ["{'max_depth': 1}", "{'max_depth': 2}", "{}"]


LINEAR = {
    "model.family": "logistic_regression",
    "model.hyperparameters": {},
    "tune.space": {
        "solver": {"choices": ["lbfgs", "saga"]},
        "l1_ratio": {"choices": [0.0, 1.0]},
    },
}


def test_values_that_contradict_each_other_fail_alone(project: Workspace) -> None:
    settings = params_with(project, LINEAR)
    space.require_valid(settings)
    found, table = opened(project, settings), rows(project, settings)
    current = search.evaluate_current(table, settings, found)
    trials = list(search.candidates(table, settings, found, current))
    failed = [trial for trial in trials if trial.state == "failed"]
    assert failed
    assert len(failed) < len(trials)
    assert {str(trial.hyperparameters) for trial in failed} == {
        "{'solver': 'lbfgs', 'l1_ratio': 1.0}"
    }
    assert "lbfgs" in failed[0].reason
    assert outcome.winner_of(trials, "log_loss").state == "complete"
    with pytest.raises(
        ParamsError, match=r"^tune: none of \d+ candidates could be fitted: .*lbfgs"
    ):
        outcome.winner_of(failed, "log_loss")


def params_with(project: Workspace, overrides: dict[str, Any]) -> Params:
    from churn.core import params

    return params.load(project.params, overrides)


def test_current_parameters_that_cannot_be_fitted_are_refused(project: Workspace) -> None:
    overrides = {**LINEAR, "model.hyperparameters": {"solver": "lbfgs", "l1_ratio": 1.0}}
    settings = params_with(project, overrides)
    with pytest.raises(ParamsError, match=r"^model: logistic_regression fails: .*lbfgs"):
        search.evaluate_current(rows(project, settings), settings, opened(project, settings))


def test_a_metric_that_is_undefined_is_refused(project: Workspace) -> None:
    overrides = {
        "tune.metric": "precision",
        "decision.strategy": "fixed",
        "decision.threshold": 1.0,
    }
    settings = params_with(project, overrides)
    with pytest.raises(ParamsError, match=r"^tune\.metric: precision is undefined"):
        search.evaluate_current(rows(project, settings), settings, opened(project, settings))


def test_no_candidate_is_begun_when_the_time_is_over(project: Workspace) -> None:
    assert len(tried(project, "short", timeout_s=1e-9)) == 0
    assert len(tried(project, "long", timeout_s=1000.0)) == 12
