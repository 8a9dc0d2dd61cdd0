"""The model as MLflow stores it: signature, example, requirements and code."""

from __future__ import annotations

import hashlib
import json
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow
import mlflow.pyfunc
import pandas as pd
import yaml
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from mlflow.types.schema import AnyType

from churn.core.errors import ArtifactError

MODEL_NAME = "model"
# What a served model imports, at the versions that it was trained with.
_REQUIREMENTS = (
    "mlflow",
    "numpy",
    "pandas",
    "pyarrow",
    "pydantic",
    "pyyaml",
    "scikit-learn",
    "scipy",
    "skops",
)
_HERE = Path(__file__).resolve().parent
_PACKAGE = _HERE.parent
_DESCRIPTION = "MLmodel"
_MODEL = f"artifacts/{MODEL_NAME}/"  # it has a digest of its own
_NOT_SERVING = (
    _DESCRIPTION,  # looked at by key
    "registered_model_meta",  # of the version
)
_OF_THE_COPY = frozenset({"artifact_path", "run_id", "model_id", "model_uuid"})


class _Flavor:
    """MLflow's pyfunc flavor, but for the test of the input example.

    That test loads the model again, which takes longer than all the rest, and only warns if it
    fails. `Model.log` reads the switch that turns it off, and `pyfunc.save_model` refuses it.
    """

    @staticmethod
    def save_model(*, validate_serving_input: bool, **arguments: Any) -> None:
        assert not validate_serving_input
        mlflow.pyfunc.save_model(**arguments)


def log(
    model: Path,
    inputs: dict[str, tuple[str, ...]],
    example: pd.DataFrame,
    run_id: str | None = None,
) -> str:
    """Log a model's folder into a run.

    Parameters
    ----------
    model : Path
        As `churn train` writes it; it is stored byte for byte.
    inputs : dict of str to tuple of str
        The raw columns by what their cells are (`churn.core.params.Columns.by_kind`).
    example : DataFrame
        A few rows of raw columns.
    run_id : str, optional
        The active run, if it is not given.

    Returns
    -------
    str
        Address of the logged model.
    """
    # MLflow refuses 64-bit integers where doubles are declared, and a table that pandas has read is
    # full of them. So it checks the names only; the model itself checks and casts the cells.
    anything = AnyType()  # type: ignore[no-untyped-call]
    takes: list[ColSpec | TensorSpec] = [
        ColSpec(anything, name) for kind in inputs.values() for name in kind
    ]
    outputs: list[ColSpec | TensorSpec] = [
        ColSpec(DataType.double, "probability"),
        ColSpec(DataType.long, "prediction"),
    ]
    logged = Model.log(
        artifact_path=None,
        run_id=run_id,
        name=MODEL_NAME,
        flavor=_Flavor,
        flavor_name="pyfunc",
        validate_serving_input=False,
        python_model=str(_HERE / "serving.py"),
        artifacts={"model": str(model)},
        code_paths=[str(_PACKAGE)],
        signature=ModelSignature(Schema(takes), Schema(outputs)),
        input_example=example,
        metadata={kind: list(names) for kind, names in inputs.items()},
        # Given, because MLflow would load the model in another process to guess them.
        pip_requirements=[f"{name}=={version(name)}" for name in _REQUIREMENTS],
    )
    return f"models:/{logged.model_id}"


def remove_bytecode(folder: Path) -> None:
    """Remove what Python has compiled; from ``__pycache__`` it runs what its source does not say.

    MLflow stores none of it.
    """
    for found in list(folder.rglob("__pycache__")):
        if found.is_dir():  # and was not in another one
            shutil.rmtree(found)


def serving_digest(folder: Path) -> str:
    """Digest what MLflow serves a model with: code, requirements, signature, how it is loaded.

    Every file counts but those of the model, which has a digest of its own.

    Parameters
    ----------
    folder : Path
        As MLflow holds the model.

    Returns
    -------
    str
        SHA-256, 64 hexadecimal digits; the same for a copy in another MLflow.

    Raises
    ------
    ArtifactError
        If it is no model.
    """
    try:
        described = yaml.safe_load((folder / _DESCRIPTION).read_text(encoding="utf-8"))
        kept = {key: value for key, value in described.items() if key not in _OF_THE_COPY}
    except (OSError, ValueError, yaml.YAMLError, AttributeError) as error:
        raise ArtifactError(f"{folder / _DESCRIPTION}: does not describe a model") from error
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    parts = [
        f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}"
        for name in sorted(names)
        if name not in _NOT_SERVING and not name.startswith(_MODEL)
    ]
    parts.append(json.dumps(kept, sort_keys=True, default=str))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
