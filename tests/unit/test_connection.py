"""Which MLflow is used, in real stores, and what is said where it refuses."""

from __future__ import annotations

import errno
import importlib.util
import os
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy.exc import OperationalError

from churn.core.errors import NoAnswerError, TrackingError
from churn.tracking import connection

SECRET = "hunter2"


@pytest.fixture
def experiment(store: Path) -> str:
    """Return the experiment of a store of its own."""
    return connection.connect(store)


def client() -> mlflow.MlflowClient:
    return mlflow.MlflowClient()


def test_the_local_store_is_a_file_in_the_folder(experiment: str, store: Path) -> None:
    assert connection.shown_uri() == f"sqlite:///{store / 'mlflow.db'}"
    assert client().get_experiment(experiment).name == "churn"


@pytest.mark.long
def test_a_database_is_made_whole_or_not_at_all(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (store / "mlflow.db").unlink()

    def full(store: SqlAlchemyStore) -> None:
        raise OperationalError("CREATE TABLE metrics", None, Exception("database or disk is full"))

    with monkeypatch.context() as patch:
        patch.setattr(SqlAlchemyStore, "_initialize_store_state", full)
        with pytest.raises(TrackingError, match=r"mlflow\.db: the disk is full; make room$"):
            connection.connect(store)
    assert list(store.iterdir()) == []
    assert connection.connect(store)


@pytest.mark.slow
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
    connection.connect(store)
    assert client().get_experiment_by_name("theirs")


@pytest.mark.slow
def test_a_database_whose_address_has_settings_and_a_place_without_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: Path
) -> None:
    def refuse(here: Path, target: Path) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/other.db?timeout=30")
    mlflow.set_tracking_uri(None)
    assert connection.connect(store)
    assert (tmp_path / "other.db").is_file()


def test_another_experiment_can_be_named(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "autumn")
    named = connection.connect(store)
    assert client().get_experiment(named).name == "autumn"
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "17")
    assert connection.connect(store) == "17"


def test_the_next_store_has_an_experiment_of_its_own(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "autumn")
    connection.connect(store)
    another = tmp_path / "another"
    another.mkdir()
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "winter")
    named = connection.connect(another)
    assert client().get_experiment(named).name == "winter"
    assert "MLFLOW_EXPERIMENT_ID" not in os.environ


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


@pytest.mark.long
@pytest.mark.usefixtures("no_store")
def test_an_unreachable_server_is_an_error_before_long(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    port = closed_port()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://user:{SECRET}@127.0.0.1:{port}")
    started = time.monotonic()
    with pytest.raises(NoAnswerError) as caught:
        connection.connect(tmp_path)
    assert time.monotonic() - started < 60
    assert str(caught.value) == (
        f"http://127.0.0.1:{port}: MLflow: Connection refused;"
        " check MLFLOW_TRACKING_URI and the server"
    )


@pytest.mark.long
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
        connection.connect(tmp_path)
    assert SECRET not in str(caught.value)
    assert SECRET not in connection.shown_uri()


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
    assert connection.shown_uri() == shown


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
    connection.configure(tmp_path)
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


@pytest.mark.long
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
            connection.connect(tmp_path)
        assert not isinstance(caught.value, NoAnswerError)
        server.shutdown()
