"""MLflow runs: the only module that opens one."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Before MLflow is imported: an answer within seconds where there is no server (its own patience
# is minutes), no telemetry, and no progress bars of its own.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

import mlflow
import pandas as pd
from mlflow.entities import Run, RunStatus
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME
from sqlalchemy.exc import SQLAlchemyError

from churn import pyfunc
from churn.errors import TrackingError

if TYPE_CHECKING:
    from churn.model.artifact import Model

EXPERIMENT = "churn"
MODEL_FOLDER = "model"
CANDIDATE_TAG = "candidate"
_FINISHED = RunStatus.to_string(RunStatus.FINISHED)
_UNDER_WAY = RunStatus.to_string(RunStatus.RUNNING)


@dataclass(frozen=True)
class Record:
    """Everything that one run holds."""

    name: str
    params: dict[str, Any]
    metrics: dict[str, float]
    tags: dict[str, str]
    files: dict[Path, str]
    model: Path
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    example: pd.DataFrame


@dataclass(frozen=True)
class Tracked:
    """A run that stands in MLflow."""

    run_id: str
    experiment_id: str
    new: bool


def connect(root: Path) -> str:
    """Point MLflow at the server that `MLFLOW_TRACKING_URI` names, else at a local SQLite file.

    Parameters
    ----------
    root : Path
        Folder of ``mlflow.db``; MLflow itself puts ``mlruns/`` into the current folder.

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
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        mlflow.set_tracking_uri(f"sqlite:///{(root / 'mlflow.db').resolve()}")
    with _clear_errors():
        if given := os.environ.get("MLFLOW_EXPERIMENT_ID"):
            return given
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
        experiment_id: str = mlflow.set_experiment(name).experiment_id
        return experiment_id


def log_once(experiment_id: str, candidate: str, record: Record) -> Tracked:
    """Log a candidate, unless it has a finished run already; then only its git tags are renewed.

    A run of this candidate that was killed half-way is marked so, and a new one is logged.

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
    with _clear_errors():
        for run in client.search_runs(
            [experiment_id], f"tags.{CANDIDATE_TAG} = '{candidate}'", max_results=50
        ):
            if run.info.status == _FINISHED:
                for key in ("git_commit", "git_dirty"):
                    client.set_tag(run.info.run_id, key, record.tags[key])
                return Tracked(run.info.run_id, experiment_id, new=False)
            if run.info.status == _UNDER_WAY:
                client.set_terminated(run.info.run_id, RunStatus.to_string(RunStatus.KILLED))
    return log(experiment_id, record, {CANDIDATE_TAG: candidate})


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
        _clear_errors(),
        mlflow.start_run(given, experiment_id, run_name=name, tags=all_tags) as run,
    ):
        mlflow.log_params(record.params)
        mlflow.log_metrics(record.metrics)
        for file, folder in record.files.items():
            mlflow.log_artifact(str(file), folder or None)
        pyfunc.log(record.model, record.numeric, record.categorical, record.example)
        return Tracked(run.info.run_id, run.info.experiment_id, new=True)


def log_metrics(experiment_id: str, metrics: dict[str, float], tags: dict[str, str]) -> Tracked:
    """Log a run that has metrics only: another evaluation of a model that stands elsewhere."""
    given = os.environ.get("MLFLOW_RUN_ID")
    with _clear_errors(), mlflow.start_run(given, experiment_id, tags=tags) as run:
        mlflow.log_metrics(metrics)
        return Tracked(run.info.run_id, run.info.experiment_id, new=True)


def search(experiment_id: str, metric: str, limit: int, ascending: bool) -> list[Run]:
    """Return finished runs, best first by `metric`; those without it come last.

    Raises
    ------
    TrackingError
        If MLflow cannot be reached.
    """
    with _clear_errors():
        return list(
            mlflow.MlflowClient().search_runs(
                [experiment_id],
                f"attributes.status = '{_FINISHED}'",
                order_by=[f"metrics.{metric} {'ASC' if ascending else 'DESC'}"],
                max_results=limit,
            )
        )


def run_name(run: Run) -> str:
    """Return a run's name."""
    return str(run.data.tags.get(MLFLOW_RUN_NAME, ""))


def load_model(uri: str) -> Model:
    """Load a model that MLflow holds.

    Parameters
    ----------
    uri : str
        ``runs:/<run id>/model``, ``models:/<name>/<version or stage>``, ``models:/<name>@<alias>``
        or a folder that MLflow wrote.

    Raises
    ------
    TrackingError
        If there is none, it is not one of this project's, or MLflow cannot be reached.
    """
    from churn.model import artifact  # skops takes a second and more; logging needs none

    # Not by mlflow.pyfunc.load_model: somebody else's model may be a pickle, which it would run.
    with _clear_errors():
        folder = Path(mlflow.artifacts.download_artifacts(uri)) / "artifacts" / MODEL_FOLDER
    if not folder.is_dir():
        raise TrackingError(f"{uri}: not a model that this project has logged")
    return artifact.load(folder)


@contextmanager
def _clear_errors() -> Iterator[None]:
    """Turn MLflow's errors into one line that names the server."""
    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError, ImportError) as error:  # no database driver
        message = getattr(error, "message", None) or str(error)
        first_line = _reason(_without_credentials(message))
        raise TrackingError(
            f"{shown_uri()}: MLflow: {first_line}; check MLFLOW_TRACKING_URI and the server"
        ) from error


def shown_uri() -> str:
    """Return the tracking address without user name and password."""
    return _without_credentials(str(mlflow.get_tracking_uri()))


def _without_credentials(text: str) -> str:
    """Take the user name and password of the tracking address out of a text."""
    credentials = re.match(r"(?:[\w+.-]+://)?([^/]*@)", str(mlflow.get_tracking_uri()))
    return text.replace(credentials[1], "") if credentials else text


def _reason(message: str) -> str:
    """Pick the part of an error message that says why."""
    signs = ("Connection refused", "Name or service not known", "timed out")
    for sign in (*signs, "error code 401", "error code 403"):
        if sign in message:
            return sign
    try:
        message = json.loads(message)["message"]
    except (ValueError, KeyError, TypeError):
        pass
    return message.strip().splitlines()[0][:200] if message.strip() else "no reason given"
