"""Configure which MLflow is used, and translate its errors."""

from __future__ import annotations

import errno
import json
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, unquote

# Where there is no server, fail within seconds; MLflow's defaults wait for minutes. A server that
# hangs is asked three times. No telemetry; `churn.cli.main.main` sets this earlier.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    PERMISSION_DENIED,
    RESOURCE_DOES_NOT_EXIST,
    UNAUTHENTICATED,
    ErrorCode,
)
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from churn.core.errors import NoAnswerError, TrackingError
from churn.core.files import scratch_beside
from churn.tracking import local_store

EXPERIMENT = "churn"
NOT_FOUND: str = ErrorCode.Name(RESOURCE_DOES_NOT_EXIST)
ALREADY_EXISTS = ("RESOURCE_ALREADY_EXISTS", "ALREADY_EXISTS")
FORBIDDEN: str = ErrorCode.Name(PERMISSION_DENIED)
_UNAUTHENTICATED: str = ErrorCode.Name(UNAUTHENTICATED)
_ADVICE = {
    NOT_FOUND: "check the name",
    _UNAUTHENTICATED: "check MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
    FORBIDDEN: "this user may not do that; ask the server's administrator",
}
_NO_ANSWER = (
    "Connection refused",
    "Name or service not known",
    "timed out",
    "Connection aborted",
    "Connection reset",
)
_DISK_FULL = ("disk is full", os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT))


def connect(root: Path) -> str:
    """Configure MLflow, and return the experiment to log to.

    Parameters
    ----------
    root : Path
        Folder of ``mlflow.db`` and ``mlruns/``, used if ``MLFLOW_TRACKING_URI`` is not set.

    Returns
    -------
    str
        Id of the experiment ``churn``, or of the one that ``MLFLOW_EXPERIMENT_NAME`` or
        ``MLFLOW_EXPERIMENT_ID`` names; created if it does not exist.

    Raises
    ------
    TrackingError
        If the server or the database cannot be reached.
    """
    configure(root)
    with translate_errors():
        if uses_local_store():
            _create_database()
        if given := os.environ.get("MLFLOW_EXPERIMENT_ID"):
            return given
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
        if uses_local_store() and mlflow.get_experiment_by_name(name) is None:
            _create_experiment(name)
        experiment_id: str = mlflow.set_experiment(name).experiment_id
    # MLflow sets this for the whole process; with another store it would be a wrong id.
    del os.environ["MLFLOW_EXPERIMENT_ID"]
    return experiment_id


def _create_database() -> None:
    """Create the database in one step: MLflow cannot continue with a partial one."""
    named = make_url(str(mlflow.get_tracking_uri())).database
    file = Path(named or ":memory:")
    if named in (None, "", ":memory:") or file.exists():
        return
    with scratch_beside(file) as fresh:
        mlflow.MlflowClient(f"sqlite:///{fresh}").search_experiments()
        try:
            file.hardlink_to(fresh)
        except FileExistsError:
            pass  # created by another process meanwhile, which may have logged runs
        except OSError:  # a file system without hard links
            if not file.exists():
                fresh.replace(file)


def _create_experiment(name: str) -> None:
    """Create an experiment with its files beside the database, not in the current folder."""
    database = Path(str(mlflow.get_tracking_uri()).removeprefix("sqlite:///"))
    folder = database.resolve().parent / "mlruns" / quote(name, safe="")
    try:
        mlflow.create_experiment(name, artifact_location=str(folder))
    except MlflowException as error:
        if error.error_code not in ALREADY_EXISTS:  # created by another process meanwhile
            raise


def configure(root: Path) -> None:
    """Make MLflow use the server of ``MLFLOW_TRACKING_URI``, else ``mlflow.db`` in a folder.

    Nothing is created there.

    Parameters
    ----------
    root : Path
        Folder of ``mlflow.db``.
    """
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # This logger repeats, with pages of SQL, the errors that MLflow raises anyway.
    logging.getLogger("mlflow.store.db").setLevel(logging.CRITICAL)
    _move_credentials_out_of_address()
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        local_store.relocate_artifact_uris(root)
        mlflow.set_tracking_uri(f"sqlite:///{(root / 'mlflow.db').resolve()}")


def uses_local_store() -> bool:
    """Tell whether the configured MLflow is a SQLite file and not a server."""
    return str(mlflow.get_tracking_uri()).startswith("sqlite:")


def _move_credentials_out_of_address() -> None:
    """Move user and password from the server's address to MLflow's own variables for them.

    MLflow prints the address, writes it into messages and hands it to other programs.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    if given := re.match(r"(https?://)([^/?#]*)@(.*)", uri):
        user, _, password = given[2].partition(":")
        os.environ["MLFLOW_TRACKING_USERNAME"] = unquote(user)
        os.environ["MLFLOW_TRACKING_PASSWORD"] = unquote(password)
        os.environ["MLFLOW_TRACKING_URI"] = given[1] + given[3]


@contextmanager
def translate_errors(uri: str | None = None) -> Iterator[None]:
    """Raise MLflow's errors as a `TrackingError`: one line that names the server.

    Parameters
    ----------
    uri : str, optional
        Address of the server that is asked; default is the tracking address.

    Raises
    ------
    TrackingError
        In place of MLflow's error; a `NoAnswerError` if there was no answer.
    """
    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError, ImportError) as error:  # no database driver
        message = _without_credentials(getattr(error, "message", None) or str(error), uri)
        if any(sign in message for sign in _DISK_FULL):
            raise TrackingError(f"{shown_uri(uri)}: the disk is full; make room") from error
        where = "MLFLOW_TRACKING_URI" if uri is None else "its address"
        advice = _ADVICE.get(_code(error, message), f"check {where} and the server")
        kind = NoAnswerError if any(sign in message for sign in _NO_ANSWER) else TrackingError
        raise kind(f"{shown_uri(uri)}: MLflow: {_reason(message)}; {advice}") from error


def _code(error: Exception, message: str) -> str:
    """Return MLflow's code of an error; errors about files carry it in their message only."""
    for status, code in (("401", _UNAUTHENTICATED), ("403", FORBIDDEN)):
        if f"error code {status}" in message or f"{status} Client Error" in message:
            return code
    return str(getattr(error, "error_code", ""))


def shown_uri(uri: str | None = None) -> str:
    """Return an address without user and password; default is the tracking address."""
    shown = str(mlflow.get_tracking_uri()) if uri is None else uri
    return _without_credentials(shown, shown)


def _without_credentials(text: str, uri: str | None = None) -> str:
    """Remove from a text the credentials of an address, and those of every address in it."""
    address = str(mlflow.get_tracking_uri()) if uri is None else uri
    if credentials := re.match(r"(?:[\w+.-]+://)?([^/]*@)", address):
        text = text.replace(credentials[1], "")
    return re.sub(r"(?<=://)[^/\s]*@", "", text)


def _reason(message: str) -> str:
    """Return the part of an error message that says why."""
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
