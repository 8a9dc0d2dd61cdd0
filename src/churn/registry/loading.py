"""Get a model from a folder or from an MLflow address, and load it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from churn.model.card import CARD_FILE
from churn.registry import verified
from churn.registry.reader import MODEL_FILES
from churn.registry.working_copy import working_copy
from churn.tracking import connection, runs

if TYPE_CHECKING:
    from churn.model.artifact import Model

_MLFLOW_FILE = "MLmodel"  # in every model folder that MLflow writes


@dataclass(frozen=True)
class Fetched:
    """A model's files.

    Attributes
    ----------
    model : Path
        The folder that `churn.model.artifact.load` takes.
    stored : Path or None
        The folder in MLflow's format; None of a model that MLflow does not hold.
    version : str
        The version's number; empty for a model that is not registered.
    """

    model: Path
    stored: Path | None = None
    version: str = ""


def fetch(uri: str, root: Path, folder: Path) -> Fetched:
    """Get a model's files.

    Parameters
    ----------
    uri : str
        A folder, or an address as for `churn.tracking.runs.load_model`. A registered version is
        verified.
    root : Path
        Folder of the local MLflow store.
    folder : Path
        For what is downloaded.

    Raises
    ------
    ArtifactError, CandidateError, TrackingError
        If there is no such model, or its files were changed.
    """
    named = Path(uri)
    is_address = "/" in uri.partition(":")[2]
    if (named / CARD_FILE).is_file() or not (is_address or (named / _MLFLOW_FILE).is_file()):
        return Fetched(named)
    if not is_address:
        return Fetched(runs.model_folder(named, uri), named)
    with working_copy(root):
        connection.configure(root)
        if found := verified.registered(root, uri):
            registry, version = found
            stored = verified.fetch(registry, version, folder)
            return Fetched(stored / MODEL_FILES, stored, str(version.number))
        stored = runs.fetch(uri, folder / "model")
        return Fetched(runs.model_folder(stored, uri), stored)


def load_model(uri: str, root: Path) -> Model:
    """Load a model; parameters and errors as for `fetch`."""
    from churn.model import artifact  # who only wants the files does not wait for scikit-learn

    with tempfile.TemporaryDirectory(prefix="churn-model-") as folder:
        return artifact.load(fetch(uri, root, Path(folder)).model)
