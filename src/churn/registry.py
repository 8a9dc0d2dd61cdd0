"""Versions of the registered model: the only module that looks them up."""

from __future__ import annotations

from pathlib import Path

import mlflow
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from churn import tracking

MODEL = "churn-predictor"
PRODUCTION_ALIAS = "champion"
_PRODUCTION_STAGE = "Production"
# A database says the first, a server of another make the second.
_NO_SUCH_ALIAS = ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST")


def production(root: Path) -> ModelVersion | None:
    """Return the version in Production: the one with the alias, else the one in the stage.

    Parameters
    ----------
    root : Path
        Folder of the local MLflow store.

    Returns
    -------
    ModelVersion or None
        None where nothing is in Production.

    Raises
    ------
    TrackingError
        If the registry cannot be reached.
    """
    tracking.point_at_store(root)
    client = mlflow.MlflowClient()
    with tracking.clear_errors():
        found = list(client.search_model_versions(f"name = '{MODEL}'"))
        if not found:
            return None
        try:
            return client.get_model_version_by_alias(MODEL, PRODUCTION_ALIAS)
        except MlflowException as error:
            if error.error_code not in _NO_SUCH_ALIAS:
                raise
            in_stage = [v for v in found if v.current_stage == _PRODUCTION_STAGE]
            return max(in_stage, key=lambda v: int(v.version), default=None)


def download(version: ModelVersion, folder: Path) -> Path:
    """Copy a version's files into `folder`, and return where they are.

    Raises
    ------
    TrackingError
        If they cannot be had.
    """
    uri = f"models:/{version.name}/{version.version}"
    with tracking.clear_errors():
        return Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(folder)))
