"""Log, find and download MLflow runs; no other module opens one."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow
import pandas as pd
from mlflow.entities import Metric, Param, Run, RunStatus
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME, MLFLOW_RUN_NOTE

from churn.core.errors import TrackingError
from churn.core.params import Scalar
from churn.tracking import pyfunc
from churn.tracking.connection import translate_errors

if TYPE_CHECKING:
    from churn.model.artifact import Model

MODEL_FOLDER = "model"
CANDIDATE_TAG = "candidate"
_FINISHED = RunStatus.to_string(RunStatus.FINISHED)
_RUNNING = RunStatus.to_string(RunStatus.RUNNING)
_TRACKED_AS = "tracked_as"  # tag: the run that the candidate has
_SEARCH = "search"  # tag: the search that the run is of
_OF_SEARCH = {"kind": "tune"}
_METRIC_NAME = re.compile(r"[\w/. :-]+")  # what MLflow allows
_NOT_IN_A_NAME = re.compile(r"[^\w. -]")  # nor a slash, which may make a path that it refuses
_LONGEST_NAME = 250
# A run is logged within seconds; one that has been running for longer was killed.
_KILLED_AFTER_MS = 15 * 60 * 1000


@dataclass(frozen=True)
class Record:
    """What is logged to one run.

    Attributes
    ----------
    name : str
    params, tags : dict
    metrics : dict of str to float
    files : dict of Path to str
        The folder in the run for each file.
    model : Path
        Folder that `churn train` has written.
    answered : dict of str to type
        Columns of the model's answer.
    inputs : dict of str to tuple of str
        The model's columns by kind (`churn.core.params.Columns.by_kind`).
    example : DataFrame
        A few rows of these columns.
    """

    name: str
    params: dict[str, Scalar]
    metrics: dict[str, float]
    tags: dict[str, str]
    files: dict[Path, str]
    model: Path
    inputs: dict[str, tuple[str, ...]]
    answered: dict[str, type]
    example: pd.DataFrame


@dataclass(frozen=True)
class Tracked:
    """A run in MLflow.

    Attributes
    ----------
    run_id, experiment_id : str
    new : bool
        True if it was logged by this call, False if it was found.
    model : churn.tracking.pyfunc.Logged or None
        The model that this call has logged.
    """

    run_id: str
    experiment_id: str
    new: bool
    model: pyfunc.Logged | None = field(default=None, compare=False)


def log_once(experiment_id: str, candidate: str, record: Record) -> Tracked:
    """Log a candidate unless it has a finished run; of that run only the git tags are updated.

    A run of this candidate that has been running for more than 15 minutes is marked as killed, and
    a new one is logged. Inside `mlflow run`, the run that MLflow has opened gets a tag with the id
    of the candidate's run.

    Parameters
    ----------
    experiment_id : str
    candidate : str
        The candidate's identity (`churn.provenance.candidate`).
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
    with translate_errors():
        found = client.search_runs(
            [experiment_id], f"tags.{CANDIDATE_TAG} = '{candidate}'", max_results=50
        )
        for run in found:
            age = time.time() * 1000 - run.info.start_time
            if run.info.status == _RUNNING and age > _KILLED_AFTER_MS:
                client.set_terminated(run.info.run_id, RunStatus.to_string(RunStatus.KILLED))
        for run in found:
            if run.info.status == _FINISHED:
                _update_tags(client, run.info.run_id, record)
                return Tracked(run.info.run_id, experiment_id, new=False)
    return log(experiment_id, record, {CANDIDATE_TAG: candidate})


def _update_tags(client: mlflow.MlflowClient, run_id: str, record: Record) -> None:
    """Update the git tags of a candidate's run, and link to it from the run of `mlflow run`."""
    for key in ("git_commit", "git_dirty"):
        client.set_tag(run_id, key, record.tags[key])
    opened = os.environ.get("MLFLOW_RUN_ID")
    if opened and opened != run_id:
        client.set_tag(opened, _TRACKED_AS, run_id)
        client.set_tag(opened, MLFLOW_RUN_NOTE, f"This candidate is in run {run_id}.")


def log(experiment_id: str, record: Record, tags: dict[str, str] | None = None) -> Tracked:
    """Log a run with its model; inside `mlflow run`, to the run that MLflow has opened.

    Raises
    ------
    TrackingError
        If MLflow cannot be reached or refuses; the run is then marked as failed.
    """
    given = os.environ.get("MLFLOW_RUN_ID")
    name = None if given else record.name
    all_tags = {**record.tags, **(tags or {})}
    with (
        translate_errors(),
        mlflow.start_run(given, experiment_id, run_name=name, tags=all_tags) as run,
    ):
        mlflow.log_params(_allowed(record.params))
        for file, folder in record.files.items():
            mlflow.log_artifact(str(file), folder or None)
        model = pyfunc.log(record.model, record.inputs, record.answered, record.example)
        # After the model, or MLflow asks for each metric again, to note it of the model as well.
        mlflow.log_metrics(record.metrics, model_id=model.model_id)
        return Tracked(run.info.run_id, run.info.experiment_id, new=True, model=model)


def _allowed(params: dict[str, Scalar]) -> dict[str, Scalar]:
    """Return parameters by names that MLflow allows: a key may be a class, such as ``<=50K``.

    Its run has params.yaml as well, with the names as they are.
    """
    found: dict[str, Scalar] = {}
    for name, value in params.items():
        plain = _NOT_IN_A_NAME.sub("_", name)[:_LONGEST_NAME]
        alike = 1
        while plain in found:
            alike += 1
            plain = f"{plain[: _LONGEST_NAME - 10]} {alike}"
        found[plain] = value
    return found


def log_metrics(experiment_id: str, metrics: dict[str, float], tags: dict[str, str]) -> Tracked:
    """Log a run with metrics only, such as another evaluation of a model that is logged already.

    Raises
    ------
    TrackingError
        If MLflow cannot be reached or refuses.
    """
    given = os.environ.get("MLFLOW_RUN_ID")
    with translate_errors(), mlflow.start_run(given, experiment_id, tags=tags) as run:
        mlflow.log_metrics(metrics)
        return Tracked(run.info.run_id, run.info.experiment_id, new=True)


@dataclass(frozen=True)
class Notes:
    """What is logged to a run without a model.

    Attributes
    ----------
    name : str
    params, tags : dict
    metrics : dict of str to float
    steps : dict of str to list
        Metrics with a value for each step, from 1 on; None where it is undefined.
    """

    name: str
    params: dict[str, Scalar]
    tags: dict[str, str]
    metrics: dict[str, float] = field(default_factory=dict)
    steps: dict[str, list[float | None]] = field(default_factory=dict)


@contextmanager
def parent(experiment_id: str, key: str, notes: Notes) -> Iterator[str]:
    """Keep the run of a search open while the block runs; one that was interrupted is continued.

    Inside `mlflow run`, the run that MLflow has opened is the parent.

    Parameters
    ----------
    experiment_id : str
    key : str
        Identifies the search.
    notes : Notes

    Yields
    ------
    str
        The id of the run.

    Raises
    ------
    TrackingError
        If MLflow cannot be reached or refuses. After any error the run is marked as failed.
    """
    with translate_errors():
        found = mlflow.MlflowClient().search_runs(
            [experiment_id], f"tags.{_SEARCH} = '{key}'", max_results=1
        )
        # Taken out, or the first candidate would be logged to it.
        given = os.environ.pop("MLFLOW_RUN_ID", None)
        run_id = given or (found[0].info.run_id if found else None)
        tags = {**notes.tags, **_OF_SEARCH, _SEARCH: key}
        name = None if run_id else notes.name
        run = mlflow.start_run(run_id, experiment_id, run_name=name, tags=tags)
        mlflow.log_params(_allowed(notes.params))
    try:
        yield run.info.run_id
    except BaseException:  # Ctrl-C as well
        with translate_errors():
            mlflow.end_run(RunStatus.to_string(RunStatus.FAILED))
        raise
    with translate_errors():
        mlflow.end_run()


def log_child(notes: Notes) -> None:
    """Log a candidate of a search, below the run that `parent` keeps open.

    Raises
    ------
    TrackingError
        If MLflow cannot be reached or refuses; the candidate's run is then marked as failed.
    """
    tags, now = {**notes.tags, **_OF_SEARCH}, int(time.time() * 1000)
    points = [Metric(name, value, now, 0) for name, value in notes.metrics.items()]
    points += [
        Metric(name, value, now, step)
        for name, values in notes.steps.items()
        for step, value in enumerate(values, 1)
        if value is not None
    ]
    params = [Param(name, str(value)) for name, value in notes.params.items()]
    with translate_errors(), mlflow.start_run(run_name=notes.name, nested=True, tags=tags) as run:
        mlflow.MlflowClient().log_batch(run.info.run_id, points, params)


def children(experiment_id: str, parent_id: str) -> set[str]:
    """Return the names of the finished runs below a run.

    Raises
    ------
    TrackingError
        If MLflow cannot be reached.
    """
    below = f"tags.{MLFLOW_PARENT_RUN_ID} = '{parent_id}'"
    wanted = f"{below} and attributes.status = '{_FINISHED}'"
    with translate_errors():
        found = mlflow.MlflowClient().search_runs([experiment_id], wanted, max_results=10_000)
    return {run_name(run) for run in found}


def note(metrics: dict[str, float], tags: dict[str, str]) -> None:
    """Log metrics and tags to the run that `parent` keeps open.

    Raises
    ------
    TrackingError
        If MLflow cannot be reached or refuses.
    """
    with translate_errors():
        mlflow.log_metrics(metrics)
        mlflow.set_tags(tags)


def search(experiment_id: str, metric: str, limit: int, ascending: bool) -> list[Run]:
    """Return finished runs, the best first.

    Runs of `mlflow run` that only link to a candidate's run are left out, and those of a search.

    Parameters
    ----------
    experiment_id : str
    metric : str
        Runs without it come last. A name that MLflow does not allow leaves the runs unordered.
    limit : int
        Maximum number of runs.
    ascending : bool
        Whether smaller values are better.

    Raises
    ------
    TrackingError
        If MLflow cannot be reached.
    """
    direction = "ASC" if ascending else "DESC"
    order_by = [f"metrics.`{metric}` {direction}"] if _METRIC_NAME.fullmatch(metric) else None
    with translate_errors():
        found = mlflow.MlflowClient().search_runs(
            [experiment_id],
            f"attributes.status = '{_FINISHED}'",
            order_by=order_by,
            max_results=limit,
        )
    return [
        run
        for run in found
        if _TRACKED_AS not in run.data.tags and not _OF_SEARCH.items() <= run.data.tags.items()
    ]


def download(run_id: str, path: str, folder: Path) -> Path:
    """Download a file or folder of a run into `folder`, under the same path.

    Raises
    ------
    TrackingError
        If there is no such file, or MLflow cannot be reached.
    """
    return fetch(f"runs:/{run_id}", folder, path)


def fetch(uri: str, folder: Path, path: str = "") -> Path:
    """Download what an MLflow address names into a folder, and return its path.

    Parameters
    ----------
    uri : str
        Address of a run (``runs:/...``) or of a model (``models:/...``).
    folder : Path
        The target folder.
    path : str, default=""
        A file or folder below that address, kept as the path below `folder`; all if empty.

    Raises
    ------
    TrackingError
        If nothing has that address, or MLflow cannot be reached.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with translate_errors():
        if source := _stored_here(uri, path):
            return _copy(source, folder / path)
        address = f"{uri}/{path}" if path else uri
        return Path(mlflow.artifacts.download_artifacts(address, dst_path=str(folder)))


def _stored_here(uri: str, path: str) -> Path | None:
    """Return where MLflow keeps a file or folder, if that is on this machine.

    MLflow resolves the path of each file anew when it copies one: most of the time of a release.
    """
    repository = get_artifact_repository(uri)
    repository = getattr(repository, "repo", repository)  # runs:/ and models:/ lead to another
    if not isinstance(repository, LocalArtifactRepository):
        return None
    found = Path(repository.artifact_dir, path)
    return found if found.exists() else None


def _copy(source: Path, target: Path) -> Path:
    """Copy a file or a folder; links stay links, so that who verifies the copy sees them."""
    if source.is_dir():
        return shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy(source, target, follow_symlinks=False))


def add_files(run_id: str, folder: Path, path: str) -> None:
    """Upload the files of a folder to a run, under `path`.

    Raises
    ------
    TrackingError
        If MLflow cannot be reached or refuses.
    """
    with translate_errors():
        mlflow.MlflowClient().log_artifacts(run_id, str(folder), path)


def log_model(run_id: str, record: Record) -> pyfunc.Logged:
    """Log a record's model, with the code as it is now, to a run that may have other models.

    Raises
    ------
    TrackingError
        If MLflow cannot be reached or refuses.
    """
    with translate_errors():
        return pyfunc.log(record.model, record.inputs, record.answered, record.example, run_id)


def run_name(run: Run) -> str:
    """Return a run's name."""
    return str(run.data.tags.get(MLFLOW_RUN_NAME, ""))


def load_model(uri: str) -> Model:
    """Load a model that MLflow holds.

    Parameters
    ----------
    uri : str
        ``runs:/<run id>/model``, ``models:/<name>/<version or stage>``, ``models:/<name>@<alias>``
        or a folder that MLflow has written (with ``MLmodel`` in it).

    Raises
    ------
    TrackingError
        If there is no such model, this project has not logged it, or MLflow cannot be reached.
    """
    from churn.model import artifact  # importing skops takes a second, and logging does not need it

    # Not with mlflow.pyfunc.load_model: another project's model may be a pickle, and would be run.
    with translate_errors():
        stored = Path(mlflow.artifacts.download_artifacts(uri))
    return artifact.load(model_folder(stored, uri))


def model_folder(stored: Path, uri: str) -> Path:
    """Return the model's folder in what MLflow stores for it.

    Raises
    ------
    TrackingError
        If this project has not logged it.
    """
    folder = stored / "artifacts" / MODEL_FOLDER
    if not folder.is_dir():
        raise TrackingError(f"{uri}: not a model that this project has logged")
    return folder
