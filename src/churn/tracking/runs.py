"""MLflow runs: the only module that opens one."""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

# Before MLflow is imported: an answer within seconds where there is no server (its own patience
# is minutes), no telemetry, and no progress bars of its own. A server that hangs is asked three
# times.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

import mlflow
import pandas as pd
from mlflow.entities import Run, RunStatus
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    PERMISSION_DENIED,
    RESOURCE_DOES_NOT_EXIST,
    UNAUTHENTICATED,
    ErrorCode,
)
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME, MLFLOW_RUN_NOTE
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from churn.core.errors import NoAnswerError, TrackingError
from churn.core.files import scratch_beside
from churn.core.params import Scalar
from churn.tracking import embedded, pyfunc

if TYPE_CHECKING:
    from churn.model.artifact import Model

EXPERIMENT = "churn"
MODEL_FOLDER = "model"
CANDIDATE_TAG = "candidate"
_FINISHED = RunStatus.to_string(RunStatus.FINISHED)
_UNDER_WAY = RunStatus.to_string(RunStatus.RUNNING)
_TRACKED_AS = "tracked_as"
_METRIC_NAME = re.compile(r"[\w/. :-]+")  # what MLflow allows
NOT_FOUND: str = ErrorCode.Name(RESOURCE_DOES_NOT_EXIST)
_UNKNOWN: str = ErrorCode.Name(UNAUTHENTICATED)
FORBIDDEN: str = ErrorCode.Name(PERMISSION_DENIED)
_ADVICE = {
    NOT_FOUND: "check the name",
    _UNKNOWN: "check MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
    FORBIDDEN: "this user may not do that; ask who manages the server",
}
_NO_ANSWER = (
    "Connection refused",
    "Name or service not known",
    "timed out",
    "Connection aborted",
    "Connection reset",
)
_FULL = ("disk is full", os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT))
# A run is logged within seconds; one that has been under way for longer was killed.
_DEAD_AFTER_MS = 15 * 60 * 1000


@dataclass(frozen=True)
class Record:
    """Everything that one run holds."""

    name: str
    params: dict[str, Scalar]
    metrics: dict[str, float]
    tags: dict[str, str]
    files: dict[Path, str]
    model: Path
    inputs: dict[str, tuple[str, ...]]
    example: pd.DataFrame


@dataclass(frozen=True)
class Tracked:
    """A run that stands in MLflow.

    Attributes
    ----------
    run_id, experiment_id : str
    new : bool
        Whether it was logged just now, and not found.
    model : str or None
        Address of the model that was logged just now.
    """

    run_id: str
    experiment_id: str
    new: bool
    model: str | None = field(default=None, compare=False)


def connect(root: Path) -> str:
    """Point MLflow at the server that `MLFLOW_TRACKING_URI` names, else at a local SQLite file.

    Parameters
    ----------
    root : Path
        Folder of ``mlflow.db`` and ``mlruns/``.

    Returns
    -------
    str
        Id of the experiment ``churn`` (or the one that `MLFLOW_EXPERIMENT_NAME` or
        `MLFLOW_EXPERIMENT_ID` names), made if it is not there.

    Raises
    ------
    TrackingError
        If the server or the file cannot be reached.
    """
    point_at_store(root)
    with clear_errors():
        if is_file():
            _make_database()
        if given := os.environ.get("MLFLOW_EXPERIMENT_ID"):
            return given
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
        if is_file() and mlflow.get_experiment_by_name(name) is None:
            _make_experiment(name)
        experiment_id: str = mlflow.set_experiment(name).experiment_id
    # MLflow sets this for the whole process, where it would be taken for an id of the next store's.
    del os.environ["MLFLOW_EXPERIMENT_ID"]
    return experiment_id


def _make_database() -> None:
    """Make the database whole or not at all: MLflow goes on with no half of one."""
    named = make_url(str(mlflow.get_tracking_uri())).database
    file = Path(named or ":memory:")
    if named in (None, "", ":memory:") or file.exists():
        return
    with scratch_beside(file) as fresh:
        mlflow.MlflowClient(f"sqlite:///{fresh}").search_experiments()
        try:
            file.hardlink_to(fresh)
        except FileExistsError:
            pass  # by another process, just now, and with its runs
        except OSError:  # there are no hard links here
            if not file.exists():
                fresh.replace(file)


def _make_experiment(name: str) -> None:
    """Make an experiment whose files lie beside the database; MLflow takes the current folder."""
    database = Path(str(mlflow.get_tracking_uri()).removeprefix("sqlite:///"))
    folder = database.resolve().parent / "mlruns" / quote(name, safe="")
    try:
        mlflow.create_experiment(name, artifact_location=str(folder))
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":  # by another process, just now
            raise


def point_at_store(root: Path) -> None:
    """Point MLflow at the server or the local file, as `connect` does, and make nothing there."""
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # It raises what it logs, with pages of SQL.
    logging.getLogger("mlflow.store.db").setLevel(logging.CRITICAL)
    _take_credentials_out()
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        embedded.follow(root)
        mlflow.set_tracking_uri(f"sqlite:///{(root / 'mlflow.db').resolve()}")


def is_file() -> bool:
    """Tell whether MLflow is a file and no server, once it is pointed at one of them."""
    return str(mlflow.get_tracking_uri()).startswith("sqlite:")


def _take_credentials_out() -> None:
    """Put user and password of the server's address into the variables that MLflow has for them.

    MLflow prints the address, writes it into messages and hands it to other programs.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    if given := re.match(r"(https?://)([^/?#]*)@(.*)", uri):
        user, _, password = given[2].partition(":")
        os.environ["MLFLOW_TRACKING_USERNAME"] = unquote(user)
        os.environ["MLFLOW_TRACKING_PASSWORD"] = unquote(password)
        os.environ["MLFLOW_TRACKING_URI"] = given[1] + given[3]


def log_once(experiment_id: str, candidate: str, record: Record) -> Tracked:
    """Log a candidate, unless it has a finished run already; then only its git tags are renewed.

    A run of this candidate that was killed half-way is marked so, some time later, and a new one
    is logged. Inside `mlflow run`, the run that it has opened says which one the candidate has.

    Parameters
    ----------
    experiment_id : str
    candidate : str
        The candidate's identity.
    record : Record

    Returns
    -------
    Tracked

    Raises
    ------
    TrackingError
        If MLflow cannot be reached or refuses.
    """
    client = mlflow.MlflowClient()
    with clear_errors():
        found = client.search_runs(
            [experiment_id], f"tags.{CANDIDATE_TAG} = '{candidate}'", max_results=50
        )
        for run in found:
            age = time.time() * 1000 - run.info.start_time
            if run.info.status == _UNDER_WAY and age > _DEAD_AFTER_MS:
                client.set_terminated(run.info.run_id, RunStatus.to_string(RunStatus.KILLED))
        for run in found:
            if run.info.status == _FINISHED:
                _note_again(client, run.info.run_id, record)
                return Tracked(run.info.run_id, experiment_id, new=False)
    return log(experiment_id, record, {CANDIDATE_TAG: candidate})


def _note_again(client: mlflow.MlflowClient, run_id: str, record: Record) -> None:
    """Renew the git tags of a candidate's run, and let the run of `mlflow run` point to it."""
    for key in ("git_commit", "git_dirty"):
        client.set_tag(run_id, key, record.tags[key])
    opened = os.environ.get("MLFLOW_RUN_ID")
    if opened and opened != run_id:
        client.set_tag(opened, _TRACKED_AS, run_id)
        client.set_tag(opened, MLFLOW_RUN_NOTE, f"This candidate is in run {run_id}.")


def log(experiment_id: str, record: Record, tags: dict[str, str] | None = None) -> Tracked:
    """Log one run with its model; inside `mlflow run`, into the run that it has opened.

    Raises
    ------
    TrackingError
        If MLflow cannot be reached or refuses; the run is marked as failed then.
    """
    given = os.environ.get("MLFLOW_RUN_ID")
    name = None if given else record.name
    all_tags = {**record.tags, **(tags or {})}
    with (
        clear_errors(),
        mlflow.start_run(given, experiment_id, run_name=name, tags=all_tags) as run,
    ):
        mlflow.log_params(record.params)
        mlflow.log_metrics(record.metrics)
        for file, folder in record.files.items():
            mlflow.log_artifact(str(file), folder or None)
        model = pyfunc.log(record.model, record.inputs, record.example)
        return Tracked(run.info.run_id, run.info.experiment_id, new=True, model=model)


def log_metrics(experiment_id: str, metrics: dict[str, float], tags: dict[str, str]) -> Tracked:
    """Log a run that has metrics only: another evaluation of a model that stands elsewhere."""
    given = os.environ.get("MLFLOW_RUN_ID")
    with clear_errors(), mlflow.start_run(given, experiment_id, tags=tags) as run:
        mlflow.log_metrics(metrics)
        return Tracked(run.info.run_id, run.info.experiment_id, new=True)


def search(experiment_id: str, metric: str, limit: int, ascending: bool) -> list[Run]:
    """Return finished runs, best first by `metric`; those without it come last.

    A name that no metric can have orders nothing.

    A run of `mlflow run` that only points to the candidate's own is left out.

    Raises
    ------
    TrackingError
        If MLflow cannot be reached.
    """
    direction = "ASC" if ascending else "DESC"
    order_by = [f"metrics.`{metric}` {direction}"] if _METRIC_NAME.fullmatch(metric) else None
    with clear_errors():
        found = mlflow.MlflowClient().search_runs(
            [experiment_id],
            f"attributes.status = '{_FINISHED}'",
            order_by=order_by,
            max_results=limit,
        )
    return [run for run in found if _TRACKED_AS not in run.data.tags]


def download(run_id: str, path: str, folder: Path) -> Path:
    """Copy a file or folder of a run into `folder`, below the same path.

    Raises
    ------
    TrackingError
        If it cannot be had.
    """
    return fetch(f"runs:/{run_id}/{path}", folder)


def fetch(uri: str, folder: Path) -> Path:
    """Copy what stands at an address of MLflow into a folder, and return where it is.

    Raises
    ------
    TrackingError
        If it cannot be had.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with clear_errors():
        return Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(folder)))


def add_files(run_id: str, folder: Path, path: str) -> None:
    """Add a folder's files to a run, below `path`.

    Raises
    ------
    TrackingError
        If MLflow cannot be reached or refuses.
    """
    with clear_errors():
        mlflow.MlflowClient().log_artifacts(run_id, str(folder), path)


def log_model(run_id: str, record: Record) -> str:
    """Log a record's model into a run that is there, beside those that it has, from this code.

    Returns
    -------
    str
        Address of the logged model.

    Raises
    ------
    TrackingError
        If MLflow cannot be reached or refuses.
    """
    with clear_errors():
        return pyfunc.log(record.model, record.inputs, record.example, run_id)


def run_name(run: Run) -> str:
    """Return a run's name."""
    return str(run.data.tags.get(MLFLOW_RUN_NAME, ""))


def load_model(uri: str) -> Model:
    """Load a model that MLflow holds.

    Parameters
    ----------
    uri : str
        ``runs:/<run id>/model``, ``models:/<name>/<version or stage>``, ``models:/<name>@<alias>``
        or a folder that MLflow wrote (with ``MLmodel`` in it).

    Raises
    ------
    TrackingError
        If there is none, it is not one of this project's, or MLflow cannot be reached.
    """
    from churn.model import artifact  # skops takes a second and more; logging needs none

    # Not by mlflow.pyfunc.load_model: somebody else's model may be a pickle, which it would run.
    with clear_errors():
        folder = Path(mlflow.artifacts.download_artifacts(uri)) / "artifacts" / MODEL_FOLDER
    if not folder.is_dir():
        raise TrackingError(f"{uri}: not a model that this project has logged")
    return artifact.load(folder)


@contextmanager
def clear_errors(uri: str | None = None) -> Iterator[None]:
    """Turn MLflow's errors into one line that names the server.

    Parameters
    ----------
    uri : str, optional
        The server that is asked, where it is not the one of the tracking address.
    """
    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError, ImportError) as error:  # no database driver
        message = _without_credentials(getattr(error, "message", None) or str(error), uri)
        if any(sign in message for sign in _FULL):
            raise TrackingError(f"{shown_uri(uri)}: the disk is full; make room") from error
        where = "MLFLOW_TRACKING_URI" if uri is None else "its address"
        advice = _ADVICE.get(_code(error, message), f"check {where} and the server")
        kind = NoAnswerError if any(sign in message for sign in _NO_ANSWER) else TrackingError
        raise kind(f"{shown_uri(uri)}: MLflow: {_reason(message)}; {advice}") from error


def _code(error: Exception, message: str) -> str:
    """Return MLflow's code of an error; what has to do with files has none but in its text."""
    for status, code in (("401", _UNKNOWN), ("403", FORBIDDEN)):
        if f"error code {status}" in message or f"{status} Client Error" in message:
            return code
    return str(getattr(error, "error_code", ""))


def shown_uri(uri: str | None = None) -> str:
    """Return an address, the tracking address if none is given, without user and password."""
    shown = str(mlflow.get_tracking_uri()) if uri is None else uri
    return _without_credentials(shown, shown)


def _without_credentials(text: str, uri: str | None = None) -> str:
    """Take user and password out of a text: of an address, by default ours, and of any in it."""
    address = str(mlflow.get_tracking_uri()) if uri is None else uri
    if credentials := re.match(r"(?:[\w+.-]+://)?([^/]*@)", address):
        text = text.replace(credentials[1], "")
    return re.sub(r"(?<=://)[^/\s]*@", "", text)


def _reason(message: str) -> str:
    """Pick the part of an error message that says why."""
    for sign in _NO_ANSWER:
        if sign in message:
            return sign
    if refused := re.search(r"(?:endpoint (\S+) failed with )?(error code 40[13])", message):
        return f"{refused[2]} from {refused[1]}" if refused[1] else refused[2]
    if failing := re.search(r"too many (5\d\d) error responses", message):
        return f"error code {failing[1]}: the server fails, and its log says why"
    try:
        message = json.loads(message)["message"]
    except (ValueError, KeyError, TypeError):
        pass
    return message.strip().splitlines()[0][:200] if message.strip() else "no reason given"
