"""The model as MLflow stores it: signature, example, requirements and code."""

from __future__ import annotations

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
        python_model=str(_PACKAGE / "serving.py"),
        artifacts={"model": str(model)},
        code_paths=[str(_PACKAGE)],
        signature=ModelSignature(Schema(inputs), Schema(outputs)),
        input_example=example,
        metadata={"numeric": list(numeric), "categorical": list(categorical)},
        # Given, because MLflow would load the model in another process to guess them.
        pip_requirements=[f"{name}=={version(name)}" for name in _REQUIREMENTS],
    )
