"""Load a model from a folder or from an MLflow address."""

from __future__ import annotations

from pathlib import Path

from churn.model import artifact
from churn.model.artifact import Model
from churn.model.card import CARD_FILE
from churn.registry import verified
from churn.registry.working_copy import working_copy
from churn.tracking import connection, runs

_MLFLOW_FILE = "MLmodel"  # in every model folder that MLflow writes


def load_model(uri: str, root: Path) -> Model:
    """Load a model from a folder that `churn train` wrote, or from MLflow.

    Parameters
    ----------
    uri : str
        A folder, or an address as for `churn.tracking.runs.load_model`. A registered version is
        verified before it is loaded.
    root : Path
        Folder of the local MLflow store.

    Raises
    ------
    ArtifactError, TrackingError
        If there is no such model.
    """
    folder = Path(uri)
    is_address = "/" in uri.partition(":")[2]
    if (folder / CARD_FILE).is_file() or not (is_address or (folder / _MLFLOW_FILE).is_file()):
        return artifact.load(folder)
    if not is_address:
        return runs.load_model(uri)
    with working_copy(root):
        connection.configure(root)
        return verified.load(root, uri)
