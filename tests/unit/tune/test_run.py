"""The command: what it logs, what it prints, what it writes, and what it leaves alone."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.entities import Run
from rich.console import Console

from churn.core import params
from churn.core.document import read_document
from churn.core.errors import ArtifactError, ParamsError, TrackingError
from churn.core.paths import Workspace
from churn.provenance import search_result
from churn.tracking import connection, runs
from churn.tune import records, run, search, show
from churn.tune.outcome import Outcome
from tests.unit.tune.conftest import load

pytestmark = pytest.mark.long


def find(project: Workspace, **tune: Any) -> Outcome:
    return run.find(project, load(project, **tune), lambda _: None)


def shown(found: Outcome) -> str:
    console = Console(file=io.StringIO(), width=80)
    show.show(found, console)
    return " ".join(console.file.getvalue().split())  # type: ignore[attr-defined]


def logged(project: Workspace) -> tuple[list[Run], list[Run]]:
    """Return the runs of searches, and those of candidates."""
    found = mlflow.MlflowClient().search_runs([connection.connect(project.root)])
    below = "mlflow.parentRunId"
    return (
        [one for one in found if below not in one.data.tags],
        [one for one in found if below in one.data.tags],
    )


@pytest.fixture
def improved(project: Workspace) -> Outcome:
    """Return an outcome whose winner is better."""
    found = find(project, trials=4)
    found = replace(found, winner={**found.winner, "max_depth": 4, "learning_rate": 0.0625})
    others = [metric for metric in found.differences if metric.metric != found.metric]
    better = replace(found.difference, difference=-0.02, lower=-0.03, upper=-0.01, word="better")
    return replace(found, optimistic=-0.025, differences=(better, *others))


def test_a_search_is_a_run_with_one_below_it_for_each_candidate(project: Workspace) -> None:
    found = find(project)
    [parent], candidates = logged(project)
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["verdict"] == found.word
    assert parent.data.metrics["candidates"] == found.tried
    assert parent.data.params["tune.space.max_depth.high"] == "4"
    assert len(candidates) == 12
    for candidate in candidates:
        assert candidate.info.status == "FINISHED"
        assert candidate.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert {"max_depth", "learning_rate", "max_features"} <= candidate.data.params.keys()
        history = mlflow.MlflowClient().get_metric_history(candidate.info.run_id, "cv_log_loss")
        is_whole = candidate.data.tags["state"] == "complete"
        assert [point.step for point in history] == ([1, 2, 3] if is_whole else [1, 2])
        assert ("cv_roc_auc" in candidate.data.metrics) == is_whole


def test_the_runs_of_a_search_are_no_models_to_choose_from(project: Workspace) -> None:
    find(project, trials=2)
    experiment = connection.connect(project.root)
    assert runs.search(experiment, "cv_log_loss", 50, ascending=True) == []


def test_held_out_customers_are_not_read(project: Workspace) -> None:
    found = find(project)
    project.split("test").write_bytes(b"not even Parquet")
    (project.root / "build/tune").rename(project.root / "elsewhere")
    assert find(project) == found
    project.split("test").unlink()
    (project.root / "build/tune").rename(project.root / "elsewhere2")
    assert find(project) == found
    assert len(logged(project)[1]) == 12


def test_training_rows_are_read(project: Workspace) -> None:
    project.split("train").unlink()
    with pytest.raises(ArtifactError, match=r"train\.parquet: not there; `churn prepare`"):
        find(project)


class Killed(BaseException):
    """The end of a process, at any place."""


@pytest.mark.parametrize(
    "place",
    [
        pytest.param("write", marks=pytest.mark.exhaustive),
        pytest.param("log_child", marks=pytest.mark.exhaustive),
        "note",
    ],
)
def test_killed_anywhere_it_goes_on(
    place: str, project: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = records.Records if place == "write" else runs
    real, calls = getattr(owner, place), []

    def dying(*arguments: Any) -> None:
        calls.append(arguments)
        if len(calls) == (1 if place == "note" else 4):
            raise Killed
        real(*arguments)

    monkeypatch.setattr(owner, place, dying)
    with pytest.raises(Killed):
        find(project)
    monkeypatch.undo()
    assert logged(project)[0][0].info.status == "FAILED"
    found = find(project)
    [parent], candidates = logged(project)
    assert parent.info.status == "FINISHED"
    names = sorted(runs.run_name(one) for one in candidates)
    assert names == sorted(f"candidate-{n}" for n in range(1, 13))
    (project.root / "build/tune").rename(project.root / "elsewhere")
    assert find(project) == found  # as if it had never been killed


def test_a_finished_search_is_not_repeated(
    project: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = find(project)
    monkeypatch.setattr(search, "evaluate", None)
    assert find(project) == found
    assert len(logged(project)[1]) == 12


def test_fewer_candidates_are_those_of_a_shorter_search(project: Workspace) -> None:
    few = find(project, trials=4)
    find(project)
    assert find(project, trials=4) == few


def test_a_store_that_is_away_is_told_before_anything_is_fitted(
    project: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setattr(search, "evaluate", None)
    with pytest.raises(TrackingError, match="Connection refused"):
        find(project)


def test_the_verdict_is_printed_with_its_reason(improved: Outcome) -> None:
    text = shown(improved)
    assert "better: log loss -0.0200, 95% interval -0.0300 to -0.0100" in text
    assert "on the rows that chose it -0.0250, where the best of many looks better" in text
    assert "4 candidates were tried (4 on all 3 folds)" in text
    assert "training rows that had no part in the choice" in text
    unclear = replace(improved.difference, upper=0.01, word="inconclusive")
    others = improved.differences[1:]
    text = shown(replace(improved, differences=(unclear, *others)))
    assert "inconclusive: winner and current parameters cannot be told apart" in text
    text = shown(replace(improved, optimistic=0.01, pruned=2, failed=1))
    assert "no candidate did better than the current parameters" in text
    assert "2 ended early, 1 failed" in text


def test_nothing_is_written_unless_it_is_asked_for(project: Workspace) -> None:
    before = project.params.read_bytes()
    run.run(project.root, {"tune.trials": 3}, write=False, console=Console(file=io.StringIO()))
    assert project.params.read_bytes() == before
    assert not project.search.exists()


def test_the_winner_is_written_with_what_the_search_says_of_it(
    project: Workspace, improved: Outcome
) -> None:
    told = run.accept(project, improved)
    assert told.startswith("params.yaml: ")
    settings = params.load(project.params)
    assert settings.model.hyperparameters == improved.winner
    found = search_result.read(project.search, read_document(project.params)["model"])
    assert found is not None
    assert (found.candidates, found.earlier, found.word) == (4, 0, "better")
    assert (found.difference, found.optimistic) == (-0.02, -0.025)


def test_what_it_says_is_of_these_hyperparameters_only(
    project: Workspace, improved: Outcome
) -> None:
    run.accept(project, improved)
    model = read_document(project.params)["model"]
    other = {**model, "hyperparameters": {**model["hyperparameters"], "max_iter": 13}}
    assert search_result.read(project.search, other) is None
    assert search_result.read(project.search, {"family": "x"}) is None
    assert search_result.read(project.search, None) is None
    for text in ("", "[]", "{", json.dumps({"format": 2})):
        project.search.write_text(text)
        assert search_result.read(project.search, model) is None


def test_searches_that_follow_each_other_are_added_up(
    project: Workspace, improved: Outcome
) -> None:
    run.accept(project, improved)
    # The next one begins with this winner, or it is not written.
    with pytest.raises(ParamsError, match="model has changed since the search began"):
        run.accept(project, improved)
    again = replace(improved, current=improved.winner, winner={**improved.winner, "max_iter": 14})
    run.accept(project, again)
    found = search_result.read(project.search, read_document(project.params)["model"])
    assert found is not None
    assert (found.candidates, found.earlier) == (4, 4)


def test_without_a_better_candidate_nothing_is_written(
    project: Workspace, improved: Outcome
) -> None:
    before = project.params.read_bytes()
    told = run.accept(project, replace(improved, optimistic=0.001))
    assert told == "params.yaml: not changed, no candidate did better than what is there"
    assert project.params.read_bytes() == before
    assert not project.search.exists()


def test_a_record_without_its_params_says_nothing(
    project: Workspace, improved: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = project.params.read_bytes()

    def dying(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(run.document, "update", dying)
    with pytest.raises(Killed):
        run.accept(project, improved)
    assert project.params.read_bytes() == before
    assert project.search.exists()
    assert search_result.read(project.search, read_document(project.params)["model"]) is None


def test_the_run_that_mlflow_has_opened_is_the_search(
    project: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = connection.connect(project.root)
    opened = mlflow.MlflowClient().create_run(experiment).info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", opened)
    find(project, trials=2)
    [parent], candidates = logged(project)
    assert parent.info.run_id == opened
    assert parent.data.tags["kind"] == "tune"
    assert {one.data.tags["mlflow.parentRunId"] for one in candidates} == {opened}


def test_the_folder_of_searches_is_not_in_git() -> None:
    ignored = (Path(__file__).parents[3] / ".gitignore").read_text().splitlines()
    assert "/build/" in ignored
