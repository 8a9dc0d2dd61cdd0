"""The MLflow store without a server: ``mlflow.db``, with ``mlruns/`` beside it.

MLflow writes absolute paths into the database (its issue 3144). Moved or copied, as from one job of
a workflow to the next, the store would look for its files where they were; so the paths are made to
follow the folder.
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
    """Return the branch of the repository that is the registry, from `BRANCH`.

    Returns
    -------
    str or None
        None where ``MLFLOW_TRACKING_URI`` names a server, and where no branch is named: then it is
        the folder's own store.

    Raises
    ------
    RegistryError
        If the repository's variables name a server that this run has no address of: what a branch
        or a folder holds is then another registry.
    """
    if os.environ.get("MLFLOW_TRACKING_URI"):
        return None
    if server := os.environ.get("CHURN_REGISTRY_SERVER"):
        raise RegistryError(
            f"the registry is {server}, and this run may not read it; set the secret"
            " MLFLOW_READER_URI (docs/pull-requests.md)"
        )
    return os.environ.get(BRANCH) or None


def follow(root: Path, whole: bool = False) -> None:
    """Make the paths in ``mlflow.db`` lead to the files that lie beside it.

    Costs a millisecond where they do. Files that somebody keeps elsewhere on purpose stay there:
    only a folder ``mlruns`` that has one of its experiments here is taken for the one that was
    moved.

    Parameters
    ----------
    root : Path
        Folder of ``mlflow.db``.
    whole : bool
        Whether nothing is kept elsewhere, so that every experiment's files are here, or will be.
    """
    database = root / "mlflow.db"
    if not database.is_file() or not (whole or (root / _FILES).is_dir()):
        return
    here = root.resolve()
    with closing(sqlite3.connect(database)) as store, store:
        try:
            found = store.execute("SELECT artifact_location FROM experiments").fetchall()
        except sqlite3.DatabaseError:  # MLflow will say what is wrong with it
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
    """Return the folders, as they are written, in which the store lay before."""
    places = [match for text in locations if (match := _LOCATION.fullmatch(text))]
    return {
        place[1]
        for place in places
        if place[1].removeprefix("file://") != str(here)
        and (whole or (here / _FILES / place[2]).is_dir())
    }


def not_released(root: Path) -> str | None:
    """Say why `make run` does not release here: to a server, or what belongs to no commit.

    Returns
    -------
    str or None
        None where it does.
    """
    if os.environ.get("MLFLOW_TRACKING_URI"):
        return "MLFLOW_TRACKING_URI names a server, to which deploy.yml or churn release brings it"
    if registry_branch():
        return f"{BRANCH} names a branch, to which deploy.yml or churn release brings it"
    try:
        altered = changed_inputs(root, "HEAD")
    except ArtifactError:
        return "there is no commit yet, and a version in Production belongs to one"
    inputs = [name for name in altered if name.startswith(INPUTS)]
    if inputs:
        return f"{', '.join(inputs[:3])} not committed yet, and a version belongs to a commit"
    return None
