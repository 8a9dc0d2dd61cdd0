"""The MLflow store without a server: ``mlflow.db`` with ``mlruns/`` beside it.

MLflow writes absolute paths into the database (its issue 3144). When the folder is moved or copied,
as from one job of a workflow to the next, the paths are updated to where the files are now.
"""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

from churn.core.errors import ArtifactError, RegistryError
from churn.provenance.candidate import INPUTS, changed_inputs

BRANCH = "CHURN_REGISTRY_BRANCH"
_FILES = "mlruns"
_COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
    ("logged_models", "artifact_location"),
)
_LOCATION = re.compile(rf"((?:file://)?/.*)/{_FILES}/([^/]+)")


def registry_branch() -> str | None:
    """Return the branch that stores the registry, as `BRANCH` names it.

    Returns
    -------
    str or None
        None if the registry is a server (``MLFLOW_TRACKING_URI``) or the store in this folder.

    Raises
    ------
    RegistryError
        If ``CHURN_REGISTRY_SERVER`` says that the registry is a server whose address this run does
        not have: a branch or folder would be a different registry.
    """
    if os.environ.get("MLFLOW_TRACKING_URI"):
        return None
    if server := os.environ.get("CHURN_REGISTRY_SERVER"):
        raise RegistryError(
            f"the registry is {server}, and this run may not read it; set the secret"
            " MLFLOW_READER_URI (docs/pull-requests.md)"
        )
    return os.environ.get(BRANCH) or None


def relocate_artifact_uris(root: Path, whole: bool = False) -> None:
    """Update the paths in ``mlflow.db`` after its folder was moved or copied.

    Takes a millisecond if nothing was moved. Paths to files that are kept elsewhere on purpose do
    not change: a folder ``mlruns`` counts as moved only if one of its experiments is here.

    Parameters
    ----------
    root : Path
        Folder of ``mlflow.db``.
    whole : bool, default=False
        Whether the files of every experiment are here, or will be, and none are kept elsewhere.
    """
    database = root / "mlflow.db"
    if not database.is_file() or not (whole or (root / _FILES).is_dir()):
        return
    here = root.resolve()
    with closing(sqlite3.connect(database)) as store, store:
        try:
            found = store.execute("SELECT artifact_location FROM experiments").fetchall()
        except sqlite3.DatabaseError:  # MLflow reports what is wrong
            return
        for before in _moved([str(location) for (location,) in found], here, whole):
            prefix = "file://" if before.startswith("file://") else ""
            for table, column in _COLUMNS:
                store.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?)"  # noqa: S608 our names
                    f" WHERE substr({column}, 1, ?) = ?",
                    (f"{prefix}{here}", len(before) + 1, len(before) + 1, f"{before}/"),
                )


def _moved(locations: list[str], here: Path, whole: bool) -> set[str]:
    """Return the folders, as the database writes them, that the store was in before."""
    matches = [match for text in locations if (match := _LOCATION.fullmatch(text))]
    return {
        folder
        for folder, experiment in (match.groups() for match in matches)
        if folder.removeprefix("file://") != str(here)
        and (whole or (here / _FILES / experiment).is_dir())
    }


def reason_not_to_release(root: Path) -> str | None:
    """Say why `make run` does not release here.

    It releases only to the store in this folder, and only inputs that are committed.

    Parameters
    ----------
    root : Path
        Top folder of the repository.

    Returns
    -------
    str or None
        None if it releases.
    """
    if os.environ.get("MLFLOW_TRACKING_URI"):
        return "MLFLOW_TRACKING_URI names a server; deploy.yml or churn release releases to it"
    if registry_branch():
        return f"{BRANCH} names a branch; deploy.yml or churn release releases to it"
    try:
        altered = changed_inputs(root, "HEAD")
    except ArtifactError:
        return "there is no commit yet, and a version in Production belongs to one"
    inputs = [name for name in altered if name.startswith(INPUTS)]
    if inputs:
        return f"{', '.join(inputs[:3])} not committed yet, and a version belongs to a commit"
    return None
