"""The model as MLflow stores it: signature, example, requirements and code."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow
import mlflow.pyfunc
import pandas as pd
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from mlflow.types.schema import AnyType

MODEL_NAME = "model"
# What a served model imports, at the versions that it was trained with.
_REQUIREMENTS = (
    "mlflow",
    "numpy",
    "pandas",
    "pydantic",
    "pyyaml",
    "scikit-learn",
    "scipy",
    "skops",
)
_PACKAGE = Path(__file__).resolve().parent
_SERVING = _PACKAGE / "serving.py"
_DESCRIPTION = "MLmodel"
# The model has a digest of its own, and the others say where the model lies: a copy says otherwise.
_NOT_SERVING = ("artifacts/", _DESCRIPTION, "registered_model_meta")


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
    model: Path, numeric: tuple[str, ...], categorical: tuple[str, ...], example: pd.DataFrame
) -> None:
    """Log a model's folder into the active run.

    Parameters
    ----------
    model : Path
        As `churn train` writes it; it is stored byte for byte.
    numeric, categorical : tuple of str
        The raw columns: numbers and text, missing ones allowed.
    example : DataFrame
        A few rows of raw columns.
    """
    # MLflow refuses 64-bit integers where doubles are declared, and a table that pandas has read is
    # full of them. So it checks the names only; the model itself checks and casts the cells.
    anything = AnyType()  # type: ignore[no-untyped-call]
    inputs: list[ColSpec | TensorSpec] = [
        ColSpec(anything, name) for name in (*numeric, *categorical)
    ]
    outputs: list[ColSpec | TensorSpec] = [
        ColSpec(DataType.double, "probability"),
        ColSpec(DataType.long, "prediction"),
    ]
    Model.log(
        artifact_path=None,
        name=MODEL_NAME,
        flavor=_Flavor,
        flavor_name="pyfunc",
        validate_serving_input=False,
        python_model=str(_SERVING),
        artifacts={"model": str(model)},
        code_paths=[str(_PACKAGE)],
        signature=ModelSignature(Schema(inputs), Schema(outputs)),
        input_example=example,
        metadata={"numeric": list(numeric), "categorical": list(categorical)},
        # Given, because MLflow would load the model in another process to guess them.
        pip_requirements=[f"{name}=={version(name)}" for name in _REQUIREMENTS],
    )


def serving_digest(folder: Path) -> str:
    """Digest what MLflow serves a model with: its code, its requirements, and how it is loaded.

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
    MlflowException
        If it is no model.
    """
    names = (path.relative_to(folder).as_posix() for path in _files(folder))
    parts = [
        f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}"
        for name in sorted(names)
        if not name.startswith(_NOT_SERVING)
    ]
    parts.append(json.dumps(Model.load(str(folder)).flavors, sort_keys=True, default=str))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def holds_this_code(folder: Path) -> bool:
    """Tell whether what MLflow holds of a model has the code that runs here, and no other.

    Parameters
    ----------
    folder : Path
        As MLflow holds the model.
    """
    code = folder / "code" / _PACKAGE.name
    served = (folder / "serving.py").read_bytes()
    return _contents(code) == _contents(_PACKAGE) and served == _SERVING.read_bytes()


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in _files(folder)}


def _files(folder: Path) -> list[Path]:
    """List the files below a folder; what Python has compiled follows from its source."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return [path for path in found if "__pycache__" not in path.parts]
