"""MLflow runs, in real stores."""

from __future__ import annotations

import errno
import importlib.util
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from mlflow.entities import Run
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy.exc import OperationalError

from churn.core.errors import NoAnswerError, TrackingError
from churn.model.artifact import Model
from churn.tracking import runs as tracking
from churn.tracking.runs import Record, Tracked

CANDIDATE = "c" * 64
SECRET = "hunter2"


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
        example=planned[list(model.card.inputs)].head(2),
    )


@pytest.fixture
def experiment(store: Path) -> str:
    """Return the experiment of a store of one's own."""
    return tracking.connect(store)


def client() -> mlflow.MlflowClient:
    return mlflow.MlflowClient()


def runs(experiment: str) -> list[Run]:
    return list(client().search_runs([experiment]))


def test_the_local_store_is_a_file_in_the_folder(experiment: str, store: Path) -> None:
    assert tracking.shown_uri() == f"sqlite:///{store / 'mlflow.db'}"
    assert client().get_experiment(experiment).name == "churn"


def test_a_database_is_made_whole_or_not_at_all(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (store / "mlflow.db").unlink()

    def full(store: SqlAlchemyStore) -> None:
        raise OperationalError("CREATE TABLE metrics", None, Exception("database or disk is full"))

    with monkeypatch.context() as patch:
        patch.setattr(SqlAlchemyStore, "_initialize_store_state", full)
        with pytest.raises(TrackingError, match=r"mlflow\.db: the disk is full; make room$"):
            tracking.connect(store)
    assert list(store.iterdir()) == []
    assert tracking.connect(store)


def test_a_database_that_another_process_has_made_meanwhile_stays(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = store / "mlflow.db"
    other = database.rename(store / "other.db")
    mlflow.MlflowClient(f"sqlite:///{other}").create_experiment("theirs")
    theirs = other.read_bytes()
    ask = mlflow.MlflowClient.search_experiments

    def meanwhile(client: mlflow.MlflowClient) -> Any:
        database.write_bytes(theirs)
        return ask(client)

    monkeypatch.setattr(mlflow.MlflowClient, "search_experiments", meanwhile)
    tracking.connect(store)
    assert client().get_experiment_by_name("theirs")


def test_a_database_whose_address_has_settings_and_a_place_without_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: Path
) -> None:
    def refuse(here: Path, target: Path) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/other.db?timeout=30")
    mlflow.set_tracking_uri(None)
    assert tracking.connect(store)
    assert (tmp_path / "other.db").is_file()


def test_another_experiment_can_be_named(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "autumn")
    named = tracking.connect(store)
    assert client().get_experiment(named).name == "autumn"
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "17")
    assert tracking.connect(store) == "17"


def test_the_next_store_has_an_experiment_of_its_own(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "autumn")
    tracking.connect(store)
    another = tmp_path / "another"
    another.mkdir()
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "winter")
    named = tracking.connect(another)
    assert client().get_experiment(named).name == "winter"
    assert "MLFLOW_EXPERIMENT_ID" not in os.environ


def test_a_run_holds_everything(experiment: str, record: Record) -> None:
    tracked = tracking.log_once(experiment, CANDIDATE, record)
    assert tracked == Tracked(tracked.run_id, experiment, new=True)
    assert tracked.model is not None
    assert tracked.model.startswith("models:/m-")
    [run] = runs(experiment)
    assert run.info.status == "FINISHED"
    assert tracking.run_name(run) == "small"
    assert run.data.params == {"model.seed": "42", "data.categorical": "plan"}
    assert run.data.metrics == record.metrics
    assert record.tags.items() <= run.data.tags.items()
    assert run.data.tags[tracking.CANDIDATE_TAG] == CANDIDATE
    [file] = client().list_artifacts(run.info.run_id, "reports")
    assert file.path == "reports/metrics.json"
    assert run.outputs.model_outputs


def test_a_candidate_is_found_again_rather_than_logged_twice(
    experiment: str, record: Record
) -> None:
    first = tracking.log_once(experiment, CANDIDATE, record)
    committed = replace(record, tags={"git_commit": "b" * 40, "git_dirty": "true"})
    again = tracking.log_once(experiment, CANDIDATE, committed)
    assert again == replace(first, new=False)
    [run] = runs(experiment)
    assert run.data.tags["git_commit"] == "b" * 40
    assert run.data.tags["git_dirty"] == "true"


def test_another_candidate_is_another_run(experiment: str, record: Record) -> None:
    one = tracking.log_once(experiment, CANDIDATE, record)
    other = tracking.log_once(experiment, "d" * 64, record)
    assert other.new
    assert {run.info.run_id for run in runs(experiment)} == {one.run_id, other.run_id}


def test_a_run_that_was_killed_is_marked_and_logged_anew(experiment: str, record: Record) -> None:
    # What a killed process leaves: a run under way that nobody will end.
    an_hour_ago = int((time.time() - 3600) * 1000)
    tags = {tracking.CANDIDATE_TAG: CANDIDATE}
    left = client().create_run(experiment, start_time=an_hour_ago, tags=tags)
    tracked = tracking.log_once(experiment, CANDIDATE, record)
    assert tracked.new
    assert tracked.run_id != left.info.run_id
    assert client().get_run(left.info.run_id).info.status == "KILLED"
    assert client().get_run(tracked.run_id).info.status == "FINISHED"
    assert tracking.log_once(experiment, CANDIDATE, record) == replace(tracked, new=False)


def test_a_run_that_another_process_is_logging_right_now_is_left_alone(
    experiment: str, record: Record
) -> None:
    live = client().create_run(experiment, tags={tracking.CANDIDATE_TAG: CANDIDATE})
    tracking.log_once(experiment, CANDIDATE, record)
    assert client().get_run(live.info.run_id).info.status == "RUNNING"


def test_the_running_run_of_another_candidate_is_left_alone(
    experiment: str, record: Record
) -> None:
    other = client().create_run(experiment, tags={tracking.CANDIDATE_TAG: "d" * 64})
    tracking.log_once(experiment, CANDIDATE, record)
    assert client().get_run(other.info.run_id).info.status == "RUNNING"


def test_a_run_that_fails_is_marked_and_logged_anew(experiment: str, record: Record) -> None:
    with pytest.raises(TrackingError, match=r"absent\.json"):
        tracking.log_once(
            experiment, CANDIDATE, replace(record, files={Path("absent.json"): "reports"})
        )
    [failed] = runs(experiment)
    assert failed.info.status == "FAILED"
    tracked = tracking.log_once(experiment, CANDIDATE, record)
    assert tracked.new
    assert tracked.run_id != failed.info.run_id


def test_the_run_that_mlflow_run_has_opened_is_used(
    experiment: str, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = client().create_run(experiment, run_name="opened").info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", opened)
    assert tracking.log_once(experiment, CANDIDATE, record) == Tracked(opened, experiment, True)
    [run] = runs(experiment)
    assert run.info.status == "FINISHED"
    assert tracking.run_name(run) == "opened"
    assert run.data.params["model.seed"] == "42"
    assert tracking.log_once(experiment, CANDIDATE, record) == Tracked(opened, experiment, False)


def test_a_second_mlflow_run_finds_the_candidate_and_logs_nothing(
    experiment: str, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tracking.log_once(experiment, CANDIDATE, record)
    opened = client().create_run(experiment).info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", opened)
    assert tracking.log_once(experiment, CANDIDATE, record) == replace(first, new=False)
    assert client().get_run(opened).data.params == {}
    assert client().get_run(opened).info.status == "RUNNING"  # mlflow run ends it


def test_a_second_mlflow_run_points_to_the_candidates_run_and_is_not_listed(
    experiment: str, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tracking.log_once(experiment, CANDIDATE, record)
    opened = client().create_run(experiment).info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", opened)
    tracking.log_once(experiment, CANDIDATE, record)
    client().set_terminated(opened)
    assert first.run_id in client().get_run(opened).data.tags["mlflow.note.content"]
    found = tracking.search(experiment, "test_roc_auc", 10, ascending=False)
    assert [run.info.run_id for run in found] == [first.run_id]


def test_metrics_alone_can_be_logged(experiment: str) -> None:
    tracked = tracking.log_metrics(experiment, {"test_f1": 0.5}, {"kind": "experiment"})
    run = client().get_run(tracked.run_id)
    assert run.data.metrics == {"test_f1": 0.5}
    assert run.data.tags["kind"] == "experiment"
    assert run.info.status == "FINISHED"


def test_runs_are_found_best_first(experiment: str) -> None:
    for value in (0.6, 0.8, 0.7):
        tracking.log_metrics(experiment, {"auc": value}, {})
    tracking.log_metrics(experiment, {"other": 1.0}, {})
    client().create_run(experiment)  # not finished

    def found(ascending: bool, limit: int) -> list[float | None]:
        best = tracking.search(experiment, "auc", limit, ascending)
        return [run.data.metrics.get("auc") for run in best]

    assert found(ascending=False, limit=3) == [0.8, 0.7, 0.6]
    assert found(ascending=True, limit=2) == [0.6, 0.7]
    assert found(ascending=False, limit=9) == [0.8, 0.7, 0.6, None]
    assert found(ascending=True, limit=9) == [0.6, 0.7, 0.8, None]


def test_a_logged_model_is_loaded_with_its_card(
    experiment: str, record: Record, model: Model, planned: pd.DataFrame
) -> None:
    tracked = tracking.log(experiment, record)
    loaded = tracking.load_model(f"runs:/{tracked.run_id}/model")
    assert loaded.card == model.card
    assert (loaded.probability(planned) == model.probability(planned)).all()


@pytest.mark.parametrize("uri", ["runs:/{}/model".format("401" + "0" * 29), "models:/absent@new"])
def test_a_model_that_is_not_there_is_refused_with_the_reason(experiment: str, uri: str) -> None:
    with pytest.raises(TrackingError, match=r"(not found|does not exist).*; check the name$"):
        tracking.load_model(uri)


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def no_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Let MLflow forget the stores of other tests."""
    mlflow.set_tracking_uri(None)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_PROXY", "*")
    yield
    mlflow.set_tracking_uri(None)


@pytest.mark.usefixtures("no_store")
def test_an_unreachable_server_is_an_error_before_long(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    port = closed_port()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://user:{SECRET}@127.0.0.1:{port}")
    started = time.monotonic()
    with pytest.raises(NoAnswerError) as caught:
        tracking.connect(tmp_path)
    assert time.monotonic() - started < 60
    assert str(caught.value) == (
        f"http://127.0.0.1:{port}: MLflow: Connection refused;"
        " check MLFLOW_TRACKING_URI and the server"
    )


@pytest.mark.usefixtures("no_store")
@pytest.mark.parametrize(
    "uri",
    [
        f"http://user:{SECRET}@",
        f"http://user:{SECRET}@127.0.0.1:99999",
        f"foo://user:{SECRET}@host/folder",
        f"user:{SECRET}@host",
        f"http://us@er:{SECRET}@127.0.0.1:99999",
        f"postgresql+absent://user:{SECRET}@127.0.0.1:1/churn",
        f"mssql+pymssql://user:{SECRET}@127.0.0.1:1/churn",
    ],
)
def test_no_message_holds_the_credentials(
    uri: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if "pymssql" in uri and importlib.util.find_spec("pymssql"):
        pytest.skip("the driver that has to be missing is installed")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(TrackingError) as caught:
        tracking.connect(tmp_path)
    assert SECRET not in str(caught.value)
    assert SECRET not in tracking.shown_uri()


@pytest.mark.usefixtures("no_store")
@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("http://user:secret@host:5000/path@x", "http://host:5000/path@x"),
        ("https://host:5000", "https://host:5000"),
        ("sqlite:////home/me@work/mlflow.db", "sqlite:////home/me@work/mlflow.db"),
        ("postgresql://user:p%40ss@host/db", "postgresql://host/db"),
    ],
)
def test_the_address_is_shown_without_user_and_password(
    uri: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert tracking.shown_uri() == shown


@pytest.mark.usefixtures("no_store")
@pytest.mark.parametrize(
    ("uri", "user", "password", "left"),
    [
        ("http://ann:s%40cr%2Ft@host:5000/a@b", "ann", "s@cr/t", "http://host:5000/a@b"),
        ("https://us@er:se:cret@host", "us@er", "se:cret", "https://host"),
        ("http://host:5000", None, None, "http://host:5000"),
        ("postgresql://ann:secret@host/db", None, None, "postgresql://ann:secret@host/db"),
    ],
)
def test_user_and_password_of_a_server_are_taken_out_of_its_address(
    uri: str,
    user: str | None,
    password: str | None,
    left: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    tracking.point_at_store(tmp_path)
    names = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_URI")
    assert [os.environ.get(name) for name in names] == [user, password, left]


class _Refusing(BaseHTTPRequestHandler):
    """A server that gives everybody the same bad answer."""

    status = 401

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(b"who are you?")

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.mark.usefixtures("no_store")
@pytest.mark.parametrize(
    ("status", "why"),
    [
        (401, "error code 401 from /api/.*; check MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_P"),
        (403, "error code 403 from /api/.*; this user may not do that"),
        (503, "error code 503: the server fails, and its log says why; check MLFLOW_TRACKING_URI"),
    ],
)
def test_a_server_that_refuses_is_an_error_with_its_answer(
    status: int, why: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(_Refusing, "status", status)
    with HTTPServer(("127.0.0.1", 0), _Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv(
            "MLFLOW_TRACKING_URI", f"http://user:{SECRET}@127.0.0.1:{server.server_port}"
        )
        with pytest.raises(TrackingError, match=f"MLflow: {why}") as caught:
            tracking.connect(tmp_path)
        assert not isinstance(caught.value, NoAnswerError)
        server.shutdown()


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
        tracking.load_model(str(tmp_path / "foreign"))
    assert not sign.exists()
