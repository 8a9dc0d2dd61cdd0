"""Copy versions from one MLflow to another, usually from the local store to a server."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import mlflow
from mlflow.entities import LoggedModelOutput, Metric, Param, Run, RunStatus, RunTag
from mlflow.models import Model

from churn.core.errors import RegistryError
from churn.core.params import ReleaseParams
from churn.registry.moves import Registry
from churn.registry.version import Version, by_number
from churn.tracking import connection

_BATCH = 100  # maximum number of parameters in a request
_GAP = "gap"  # tag: a placeholder for a version that was deleted at the source
_SYSTEM = "mlflow."  # prefix of the tags that MLflow writes
_KEPT = ("mlflow.runName", "mlflow.note.content", "mlflow.user", "mlflow.source.git.commit")


@dataclass(frozen=True)
class _Ends:
    """The two ends of a migration."""

    source: mlflow.MlflowClient
    source_uri: str
    target: mlflow.MlflowClient
    experiment_id: str
    name: str


def migrate(
    root: Path, source_uri: str, settings: ReleaseParams, by: str, say: Callable[[str], None]
) -> int:
    """Copy every version to the registry that ``MLFLOW_TRACKING_URI`` names.

    With its run, files, tags, description, aliases and number. The source does not change. If it
    is interrupted, start it again: it copies the versions that are missing.

    Parameters
    ----------
    root : Path
        Folder of the local MLflow store.
    source_uri : str
        The source: ``sqlite:///mlflow.db``, or another server.
    settings : ReleaseParams
    by : str
        Who migrates, for those who wait for the lock.
    say : callable
        Called with a line for each version.

    Returns
    -------
    int
        Number of versions copied.

    Raises
    ------
    RegistryError
        If there is nothing to copy, or the target has other versions with these numbers.
    TrackingError
        If one of the two cannot be reached.
    """
    experiment_id = connection.connect(root)
    target_uri = mlflow.get_tracking_uri()
    source = Registry(root, settings, source_uri)
    found = source.versions()
    if not found:
        raise RegistryError(
            f"{connection.shown_uri(source_uri)}: no versions of {settings.model} there"
        )
    target = Registry(root, settings)
    ends = _Ends(
        mlflow.MlflowClient(source_uri, source_uri),
        source_uri,
        mlflow.MlflowClient(target_uri, target_uri),
        experiment_id,
        settings.model,
    )
    with target.locked(by):
        target.create()
        missing = _missing(found, target.versions())
        for version in missing:
            say(f"version {version.number}")
            copy_version(ends, version)
        if not target.import_aliases(found):
            say("versions were moved there since: what is in Production there stays")
    return len(missing)


def _missing(found: list[Version], there: list[Version]) -> list[Version]:
    """Return the versions to copy, after checking that those with the same number are equal."""
    known = by_number(version for version in there if _GAP not in version.tags)
    ours = by_number(found)
    for number, version in known.items():
        if number not in ours or ours[number].digest != version.digest:
            raise RegistryError(
                f"version {number} of the target is another model; versions are copied into a"
                " registry of their own only"
            )
    return [version for version in found if version.number not in known]


def copy_version(ends: _Ends, version: Version) -> None:
    """Copy a version with its run and files."""
    with tempfile.TemporaryDirectory(prefix="churn-migrate-") as folder:
        files, there = Path(folder) / "files", Path(folder) / "model"
        with connection.translate_errors(ends.source_uri):
            run, model = _fetch(ends, version, files, there)
        with connection.translate_errors():
            made = _copy_run(ends.target, ends.experiment_id, run, files)
            model_id = _copy_model(ends, made, model)
            _create(ends, version, made, model_id)


def _fetch(ends: _Ends, version: Version, files: Path, there: Path) -> tuple[Run, Path]:
    """Download a version's model and the files of its run into two folders."""
    run = ends.source.get_run(version.run_id)
    for place in (files, there):
        place.mkdir()
    # Not "models:/…", which would be looked up in the target's registry.
    uri = ends.source.get_model_version_download_uri(ends.name, str(version.number))
    model = mlflow.artifacts.download_artifacts(
        uri, dst_path=str(there), tracking_uri=ends.source_uri
    )
    for entry in ends.source.list_artifacts(version.run_id):
        ends.source.download_artifacts(version.run_id, entry.path, str(files))
    return run, Path(model)


def _create(ends: _Ends, version: Version, run_id: str, model_id: str) -> None:
    """Create the version with its old number; numbers of deleted versions stay unused."""
    client, name, source = ends.target, ends.name, f"models:/{model_id}"
    there = client.search_model_versions(f"name = '{name}'")
    first = max((int(entry.version) for entry in there), default=0) + 1
    gaps = [
        client.create_model_version(name, source, run_id, {_GAP: "yes"}, model_id=model_id)
        for _ in range(first, version.number)
    ]
    made = client.create_model_version(
        name,
        source,
        run_id,
        {key: value for key, value in version.tags.items() if value},
        description=version.description,
        model_id=model_id,
    )
    for gap in gaps:
        client.delete_model_version(name, str(gap.version))
    if int(made.version) != version.number:
        client.delete_model_version(name, str(made.version))
        raise RegistryError(
            f"the target has deleted a version {version.number}, and MLflow does not use a number"
            f" again; delete its registered model {name}, which is empty, and start again"
        )


def _copy_run(client: mlflow.MlflowClient, experiment_id: str, run: Run, files: Path) -> str:
    tags = {
        key: value
        for key, value in run.data.tags.items()
        if not key.startswith(_SYSTEM) or key in _KEPT
    }
    made = client.create_run(experiment_id, run.info.start_time, tags, run.info.run_name)
    run_id = str(made.info.run_id)
    parameters = [Param(key, value) for key, value in run.data.params.items()]
    end = run.info.end_time or run.info.start_time
    metrics = [Metric(key, value, end, 0) for key, value in run.data.metrics.items()]
    for start in range(0, len(parameters), _BATCH):
        client.log_batch(run_id, params=parameters[start : start + _BATCH])
    client.log_batch(run_id, metrics=metrics, tags=[RunTag("migrated_from", run.info.run_id)])
    client.log_artifacts(run_id, str(files))
    client.set_terminated(run_id, RunStatus.to_string(RunStatus.FINISHED), end)
    return run_id


def _copy_model(ends: _Ends, run_id: str, folder: Path) -> str:
    """Log a model's folder to another MLflow; only ``MLmodel`` changes, with the new ids."""
    made = ends.target.create_logged_model(ends.experiment_id, "model", run_id)
    model_id = str(made.model_id)
    described = Model.load(str(folder))
    described.model_id, described.run_id = model_id, run_id
    described.save(str(folder / "MLmodel"))
    ends.target.log_model_artifacts(model_id, str(folder))
    ends.target.finalize_logged_model(model_id, "READY")
    ends.target.log_outputs(run_id, [LoggedModelOutput(model_id, 0)])
    return model_id
