"""The model as it is shipped with a job: packed by the driver, loaded once by each executor."""

from __future__ import annotations

import hashlib
import json
import platform
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version as version_of
from pathlib import Path

import pandas as pd

from churn.core.errors import ChurnError
from churn.provenance.candidate import model_digest
from churn.serve import parity, served
from churn.serve.served import Served

# Their versions stand in the message about answers that differ.
_LIBRARIES = ("numpy", "pandas", "scipy", "scikit-learn", "treelite", "pyarrow")


@dataclass(frozen=True)
class Shipped:
    """A model's bytes, with what an executor needs to check them.

    Attributes
    ----------
    version : str
        Its number, or what a model without one is called.
    digest : str
        Of its files.
    files : mapping of str to bytes
        By name.
    sample : str
        Typical customers, as `pandas.DataFrame.to_json` writes them (``split``).
    answers : str
        Digest of the driver's answers for the sample and for hostile customers.
    libraries : str
        The driver's Python and libraries.
    """

    version: str
    digest: str
    files: Mapping[str, bytes]
    sample: str
    answers: str
    libraries: str


def pack(folder: Path, version: str, sample: pd.DataFrame | None) -> tuple[Shipped, Served]:
    """Pack a verified model, and load it from what was packed.

    Parameters
    ----------
    folder : Path
        As `churn.model.artifact.save` writes it.
    version : str
        Its number, or what a model without one is called.
    sample : DataFrame or None
        Typical customers, raw columns; default is a customer of whom nothing is known.

    Raises
    ------
    ArtifactError
        If there is no model of this project.
    """
    digest = model_digest(folder)
    files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    text = "" if sample is None else sample.to_json(orient="split", date_format="iso")
    model = _unpacked(version, digest, files, text)
    return Shipped(version, digest, files, text, _answers(model, text), _libraries()), model


_loaded: dict[tuple[str, str, str], Served] = {}  # of this process


def load(shipped: Shipped) -> Served:
    """Load a shipped model; once in a process, which Spark uses for many tasks.

    Raises
    ------
    CandidateError
        If the bytes have another digest.
    ChurnError
        If this executor's answers differ from the driver's.
    """
    key = (shipped.version, shipped.digest, shipped.answers)
    if key not in _loaded:
        model = _unpacked(shipped.version, shipped.digest, shipped.files, shipped.sample)
        if _answers(model, shipped.sample) != shipped.answers:
            raise ChurnError(
                f"the executor on {platform.node()} gives other answers than the driver;"
                f" it has {_libraries()}, the driver {shipped.libraries}"
            )
        _loaded.clear()
        _loaded[key] = model
    return _loaded[key]


def _unpacked(version: str, digest: str, files: Mapping[str, bytes], sample: str) -> Served:
    with tempfile.TemporaryDirectory(prefix="churn-spark-") as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        return served.load(version, Path(folder), digest, _sample(sample), max_rows=1)


def _sample(text: str) -> pd.DataFrame | None:
    return pd.DataFrame(**json.loads(text), dtype=object) if text else None


def _answers(model: Served, sample: str) -> str:
    customers = _sample(sample)
    if customers is None:
        customers = pd.DataFrame([dict.fromkeys(model.model.card.inputs)], dtype=object)
    scores = model.scores(parity.hostile(model.model, customers))
    return hashlib.sha256(scores.tobytes()).hexdigest()


def _libraries() -> str:
    found = [f"{name} {version_of(name)}" for name in _LIBRARIES]
    return ", ".join([f"Python {platform.python_version()} on {platform.machine()}", *found])
