"""MLflow runs, in real stores."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from mlflow.entities import Run

from churn.core.errors import TrackingError
from churn.model.artifact import Model
from churn.tracking import connection, pyfunc, runs
from churn.tracking.runs import Record, Tracked
from tests.binary import OUTPUT

pytestmark = pytest.mark.slow

CANDIDATE = "c" * 64


@pytest.fixture
def record(stored: Path, model: Model, planned: pd.DataFrame, tmp_path: Path) -> Record:
    """Return what a run of the small model holds."""
    (tmp_path / "metrics.json").write_text("{}")
    return Record(
        name="small",
        params={"model.seed": 42, "data.categorical": "plan"},
        metrics={"test_roc_auc": 0.75, "test_cost": 0.4},
        tags={"git_commit": "a" * 40, "git_dirty": "false"},
        files={tmp_path / "metrics.json": "reports"},
        model=stored,
        inputs=model.card.by_kind,
        answered=OUTPUT.answered,
        example=planned[list(model.card.inputs)].head(2),
    )


@pytest.fixture
def experiment(store: Path) -> str:
    """Return the experiment of a store of its own."""
    return connection.connect(store)


def client() -> mlflow.MlflowClient:
    return mlflow.MlflowClient()


def logged_runs(experiment: str) -> list[Run]:
    return list(client().search_runs([experiment]))


def test_a_run_holds_everything(experiment: str, record: Record) -> None:
    tracked = runs.log_once(experiment, CANDIDATE, record)
    assert tracked == Tracked(tracked.run_id, experiment, new=True)
    assert tracked.model is not None
    [run] = logged_runs(experiment)
    assert run.info.status == "FINISHED"
    assert runs.run_name(run) == "small"
    assert run.data.params == {"model.seed": "42", "data.categorical": "plan"}
    assert run.data.metrics == record.metrics
    assert record.tags.items() <= run.data.tags.items()
    assert run.data.tags[runs.CANDIDATE_TAG] == CANDIDATE
    [file] = client().list_artifacts(run.info.run_id, "reports")
    assert file.path == "reports/metrics.json"
    [output] = run.outputs.model_outputs
    assert output.model_id == tracked.model.model_id
    logged = client().get_logged_model(output.model_id)
    assert {metric.key: metric.value for metric in logged.metrics} == record.metrics


@pytest.mark.parametrize("is_databricks", [False, True])
def test_the_digest_of_what_a_model_is_served_with_is_that_of_the_files_in_the_store(
    is_databricks: bool,
    experiment: str,
    record: Record,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if is_databricks:  # where MLflow stores more files
        monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "16.4")
    tracked = runs.log(experiment, record)
    assert tracked.model is not None
    again = runs.log_model(tracked.run_id, record)
    assert again.uri != tracked.model.uri
    for number, logged in enumerate((tracked.model, again)):
        stored = runs.fetch(logged.uri, tmp_path / str(number))
        assert pyfunc.serving_digest(stored) == logged.serving_digest


def test_a_parameter_may_have_the_name_of_any_class(experiment: str, record: Record) -> None:
    classes = ["<=50K", ">50K", "n/a", "../", "it's 100 %", "größer", "very long " * 40, "x" * 400]
    costs = {f"decision.costs.{name}": place for place, name in enumerate(classes)}
    tracked = runs.log(experiment, replace(record, params=costs))
    found = client().get_run(tracked.run_id).data.params
    assert sorted(map(int, found.values())) == list(range(len(classes)))
    assert found["decision.costs.__50K"] == "0" and found["decision.costs.größer"] == "5"
    with runs.parent(experiment, "a search", runs.Notes("search", costs, {})) as run_id:
        pass
    assert client().get_run(run_id).data.params == found


def test_a_candidate_is_found_again_rather_than_logged_twice(
    experiment: str, record: Record
) -> None:
    first = runs.log_once(experiment, CANDIDATE, record)
    committed = replace(record, tags={"git_commit": "b" * 40, "git_dirty": "true"})
    again = runs.log_once(experiment, CANDIDATE, committed)
    assert again == replace(first, new=False)
    [run] = logged_runs(experiment)
    assert run.data.tags["git_commit"] == "b" * 40
    assert run.data.tags["git_dirty"] == "true"


# Runs a command as `python -m churn`, and says what it has imported.
TOLD = (
    "import atexit, runpy, sys;"
    "atexit.register(lambda: print(*sys.modules));"
    "runpy.run_module('churn', run_name='__main__')"
)


def test_what_is_stored_beside_a_model_is_what_predicting_for_a_file_imports(
    experiment: str, record: Record, model: Model, planned: pd.DataFrame, tmp_path: Path
) -> None:
    tracked = runs.log_once(experiment, CANDIDATE, record)
    assert tracked.model is not None
    kept = Path(
        mlflow.artifacts.download_artifacts(tracked.model.uri, dst_path=str(tmp_path / "kept"))
    )
    planned.to_parquet(tmp_path / "in.parquet")
    command = [sys.executable, "-c", TOLD, "predict", "--model", kept / "artifacts/model"]
    command += ["--input", tmp_path / "in.parquet", "--output", tmp_path / "out.parquet"]

    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(kept / "code")},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    assert (pd.read_parquet(tmp_path / "out.parquet")["probability"] == model.scores(planned)).all()
    package = kept / "code/churn"
    stored = {path.name for path in package.iterdir() if (path / "__init__.py").exists()}
    names = [name.split(".") for name in done.stdout.splitlines()[-1].split()]
    imported = {name[1] for name in names if name[0] == "churn" and len(name) > 1}
    assert stored - imported <= {"tracking"}  # by which MLflow loads a model


def test_another_candidate_is_another_run(experiment: str, record: Record) -> None:
    one = runs.log_once(experiment, CANDIDATE, record)
    other = runs.log_once(experiment, "d" * 64, record)
    assert other.new
    assert {run.info.run_id for run in logged_runs(experiment)} == {one.run_id, other.run_id}


def test_a_run_that_was_killed_is_marked_and_logged_anew(experiment: str, record: Record) -> None:
    # What a killed process leaves: a run under way that nobody will end.
    an_hour_ago = int((time.time() - 3600) * 1000)
    tags = {runs.CANDIDATE_TAG: CANDIDATE}
    left = client().create_run(experiment, start_time=an_hour_ago, tags=tags)
    tracked = runs.log_once(experiment, CANDIDATE, record)
    assert tracked.new
    assert tracked.run_id != left.info.run_id
    assert client().get_run(left.info.run_id).info.status == "KILLED"
    assert client().get_run(tracked.run_id).info.status == "FINISHED"
    assert runs.log_once(experiment, CANDIDATE, record) == replace(tracked, new=False)


def test_a_run_that_another_process_is_logging_right_now_is_left_alone(
    experiment: str, record: Record
) -> None:
    live = client().create_run(experiment, tags={runs.CANDIDATE_TAG: CANDIDATE})
    runs.log_once(experiment, CANDIDATE, record)
    assert client().get_run(live.info.run_id).info.status == "RUNNING"


def test_the_running_run_of_another_candidate_is_left_alone(
    experiment: str, record: Record
) -> None:
    other = client().create_run(experiment, tags={runs.CANDIDATE_TAG: "d" * 64})
    runs.log_once(experiment, CANDIDATE, record)
    assert client().get_run(other.info.run_id).info.status == "RUNNING"


def test_a_run_that_fails_is_marked_and_logged_anew(experiment: str, record: Record) -> None:
    with pytest.raises(TrackingError, match=r"absent\.json"):
        runs.log_once(
            experiment, CANDIDATE, replace(record, files={Path("absent.json"): "reports"})
        )
    [failed] = logged_runs(experiment)
    assert failed.info.status == "FAILED"
    tracked = runs.log_once(experiment, CANDIDATE, record)
    assert tracked.new
    assert tracked.run_id != failed.info.run_id


def test_the_run_that_mlflow_run_has_opened_is_used(
    experiment: str, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = client().create_run(experiment, run_name="opened").info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", opened)
    assert runs.log_once(experiment, CANDIDATE, record) == Tracked(opened, experiment, True)
    [run] = logged_runs(experiment)
    assert run.info.status == "FINISHED"
    assert runs.run_name(run) == "opened"
    assert run.data.params["model.seed"] == "42"
    assert runs.log_once(experiment, CANDIDATE, record) == Tracked(opened, experiment, False)


def test_a_second_mlflow_run_finds_the_candidate_and_logs_nothing(
    experiment: str, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = runs.log_once(experiment, CANDIDATE, record)
    opened = client().create_run(experiment).info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", opened)
    assert runs.log_once(experiment, CANDIDATE, record) == replace(first, new=False)
    assert client().get_run(opened).data.params == {}
    assert client().get_run(opened).info.status == "RUNNING"  # mlflow run ends it


def test_a_second_mlflow_run_points_to_the_candidates_run_and_is_not_listed(
    experiment: str, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = runs.log_once(experiment, CANDIDATE, record)
    opened = client().create_run(experiment).info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", opened)
    runs.log_once(experiment, CANDIDATE, record)
    client().set_terminated(opened)
    assert first.run_id in client().get_run(opened).data.tags["mlflow.note.content"]
    found = runs.search(experiment, "test_roc_auc", 10, ascending=False)
    assert [run.info.run_id for run in found] == [first.run_id]


def test_metrics_alone_can_be_logged(experiment: str) -> None:
    tracked = runs.log_metrics(experiment, {"test_f1": 0.5}, {"kind": "experiment"})
    run = client().get_run(tracked.run_id)
    assert run.data.metrics == {"test_f1": 0.5}
    assert run.data.tags["kind"] == "experiment"
    assert run.info.status == "FINISHED"


def test_runs_are_found_best_first(experiment: str) -> None:
    for value in (0.6, 0.8, 0.7):
        runs.log_metrics(experiment, {"auc": value}, {})
    runs.log_metrics(experiment, {"other": 1.0}, {})
    client().create_run(experiment)  # not finished

    def found(ascending: bool, limit: int) -> list[float | None]:
        best = runs.search(experiment, "auc", limit, ascending)
        return [run.data.metrics.get("auc") for run in best]

    assert found(ascending=False, limit=3) == [0.8, 0.7, 0.6]
    assert found(ascending=True, limit=2) == [0.6, 0.7]
    assert found(ascending=False, limit=9) == [0.8, 0.7, 0.6, None]
    assert found(ascending=True, limit=9) == [0.6, 0.7, 0.8, None]


def test_a_logged_model_is_loaded_with_its_card(
    experiment: str, record: Record, model: Model, planned: pd.DataFrame
) -> None:
    tracked = runs.log(experiment, record)
    loaded = runs.load_model(f"runs:/{tracked.run_id}/model")
    assert loaded.card == model.card
    assert (loaded.scores(planned) == model.scores(planned)).all()


@pytest.mark.parametrize("uri", ["runs:/{}/model".format("401" + "0" * 29), "models:/absent@new"])
def test_a_model_that_is_not_there_is_refused_with_the_reason(experiment: str, uri: str) -> None:
    with pytest.raises(TrackingError, match=r"(not found|does not exist).*; check the name$"):
        runs.load_model(uri)


class _Loud:
    """Writes a file when it is unpickled."""

    def __init__(self, sign: Path) -> None:
        self.sign = sign

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.sign,))


def test_somebody_elses_pickled_model_is_refused_and_not_run(tmp_path: Path) -> None:
    sign = tmp_path / "it-ran"

    class Foreign(mlflow.pyfunc.PythonModel):
        loud = _Loud(sign)

        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            return model_input

    mlflow.pyfunc.save_model(tmp_path / "foreign", python_model=Foreign(), pip_requirements=[])
    sign.unlink(missing_ok=True)
    with pytest.raises(TrackingError, match="not a model that this project has logged"):
        runs.load_model(str(tmp_path / "foreign"))
    assert not sign.exists()
