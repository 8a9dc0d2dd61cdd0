"""Log the model in MLflow's format, with signature, example, requirements and code."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from dataclasses import dataclass, replace
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
from mlflow.utils.databricks_utils import is_in_databricks_runtime

from churn.core.errors import ArtifactError

MODEL_NAME = "model"
# The packages that a served model imports; logged at the versions that it was trained with.
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
# The subpackages that `churn predict` imports to predict for a file, as a later review does it with
# a version's own code. A release transfers each file several times.
_STORED = ("cli", "core", "data", "model", "provenance", "registry", "spark", "tracking")
_DESCRIPTION = "MLmodel"
_KINDS = {float: DataType.double, int: DataType.long, str: DataType.string}
_MODEL = f"artifacts/{MODEL_NAME}/"  # has its own digest
_EXCLUDED_FILES = (
    _DESCRIPTION,  # compared key by key
    "registered_model_meta",  # describes the version
)
_EXCLUDED_KEYS = frozenset({"artifact_path", "run_id", "model_id", "model_uuid"})


@dataclass(frozen=True)
class Logged:
    """A model that was logged.

    Attributes
    ----------
    model_id : str
        MLflow's.
    serving_digest : str
        `serving_digest` of the files that were stored.
    """

    model_id: str
    serving_digest: str

    @property
    def uri(self) -> str:
        """Its address in MLflow."""
        return f"models:/{self.model_id}"


class _Flavor:
    """MLflow's pyfunc flavor without the test of the input example.

    That test loads the model again, which takes longer than everything else, and only warns if it
    fails. `Model.log` accepts the option that turns it off, but passes it on to
    `pyfunc.save_model`, which does not.

    Attributes
    ----------
    digest : str
        `serving_digest` of the files that `save_model` has written.
    """

    digest: str

    def save_model(self, *, path: str, validate_serving_input: bool, **arguments: Any) -> None:
        assert not validate_serving_input
        mlflow.pyfunc.save_model(path, **arguments)
        remove_bytecode(Path(path))
        self.digest = serving_digest(Path(path))


def log(
    model: Path,
    inputs: dict[str, tuple[str, ...]],
    answered: dict[str, type],
    example: pd.DataFrame,
    run_id: str | None = None,
) -> Logged:
    """Log a model's folder to a run.

    Parameters
    ----------
    model : Path
        As `churn train` writes it; stored byte for byte.
    inputs : dict of str to tuple of str
        The raw columns by kind (`churn.core.params.Columns.by_kind`).
    answered : dict of str to type
        Columns of an answer (`churn.model.outputs.Output.answered`).
    example : DataFrame
        A few rows of raw columns.
    run_id : str, optional
        Default is the active run.

    Returns
    -------
    Logged
    """
    # MLflow rejects 64-bit integers for columns that are declared as doubles, and tables read by
    # pandas are full of them. So it only checks the names; the model checks and casts the cells.
    anything = AnyType()  # type: ignore[no-untyped-call]
    takes: list[ColSpec | TensorSpec] = [
        ColSpec(anything, name) for kind in inputs.values() for name in kind
    ]
    gives: list[ColSpec | TensorSpec] = [
        ColSpec(_KINDS[kind], name) for name, kind in answered.items()
    ]
    flavor = _Flavor()
    with tempfile.TemporaryDirectory(prefix="churn-code-") as folder:
        code = shutil.copytree(_PACKAGE, Path(folder) / _PACKAGE.name, ignore=_not_stored)
        logged = Model.log(
            artifact_path=None,
            run_id=run_id,
            name=MODEL_NAME,
            flavor=flavor,
            flavor_name="pyfunc",
            validate_serving_input=False,
            python_model=str(_HERE / "serving.py"),
            artifacts={"model": str(model)},
            code_paths=[str(code)],
            signature=ModelSignature(Schema(takes), Schema(gives)),
            input_example=example,
            metadata={kind: list(names) for kind, names in inputs.items()},
            # Without this MLflow would load the model in another process to guess them.
            pip_requirements=[f"{name}=={version(name)}" for name in _REQUIREMENTS],
        )
    found = Logged(str(logged.model_id), flavor.digest)
    if is_in_databricks_runtime():  # type: ignore[no-untyped-call]
        return _digested_again(found)  # MLflow adds files there, for Unity Catalog
    return found


def _digested_again(logged: Logged) -> Logged:
    with tempfile.TemporaryDirectory(prefix="churn-logged-") as folder:
        stored = Path(mlflow.artifacts.download_artifacts(logged.uri, dst_path=folder))
        remove_bytecode(stored)
        return replace(logged, serving_digest=serving_digest(stored))


def _not_stored(folder: str, names: list[str]) -> list[str]:
    """Return what is left out of a folder of the package, as `shutil.copytree` asks."""
    place = Path(folder)
    if place != _PACKAGE:
        return [name for name in names if name == "__pycache__"]
    return [name for name in names if (place / name).is_dir() and name not in _STORED]


def remove_bytecode(folder: Path) -> None:
    """Remove compiled Python files, which may do something else than their source.

    MLflow stores none.
    """
    for found in list(folder.rglob("__pycache__")):
        if found.is_dir():  # not removed with another one already
            shutil.rmtree(found)


def serving_digest(folder: Path) -> str:
    """Digest what is served with a model: code, requirements, signature, and how it is loaded.

    All files count except those of the model, which have their own digest.

    Parameters
    ----------
    folder : Path
        A model in MLflow's format.

    Returns
    -------
    str
        SHA-256, 64 hexadecimal digits; equal for a copy in another MLflow.

    Raises
    ------
    ArtifactError
        If it is not a model in MLflow's format.
    """
    try:
        described = yaml.safe_load((folder / _DESCRIPTION).read_text(encoding="utf-8"))
        kept = {key: value for key, value in described.items() if key not in _EXCLUDED_KEYS}
    except (OSError, ValueError, yaml.YAMLError, AttributeError) as error:
        raise ArtifactError(f"{folder / _DESCRIPTION}: does not describe a model") from error
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    parts = [
        f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}"
        for name in sorted(names)
        if name not in _EXCLUDED_FILES and not name.startswith(_MODEL)
    ]
    parts.append(json.dumps(kept, sort_keys=True, default=str))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
