"""What the parity check has found, kept beside a version, so that not every worker repeats it."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib.metadata import version
from pathlib import Path

import churn
from churn.core.files import Shape

# On whose versions the bits of the pipeline or of its compiled form depend.
_LIBRARIES = ("numpy", "pandas", "scikit-learn", "scipy", "skops", "treelite")
# What loads, compiles, compares and decodes.
_CODE = ("core", "data", "model", "serve")


class Verdict(Shape):
    """verdict.json: whether a version's compiled model has the bits of its pipeline.

    `key` says of what it was found (`key_of`); `why_not` is empty if the bits are the same.
    """

    key: str
    why_not: str


def key_of(digest: str, sample: bytes) -> str:
    """Digest all that a verdict depends on: another one may be wrong.

    Parameters
    ----------
    digest : str
        Of the model's files.
    sample : bytes
        The customers that it was tried on; empty if there were none.

    Returns
    -------
    str
        SHA-256 over these, the libraries' versions, the code of this project, and the machine.
    """
    found = [digest, hashlib.sha256(sample).hexdigest(), _surroundings()]
    return hashlib.sha256("\n".join(found).encode()).hexdigest()


@cache
def _surroundings() -> str:
    from churn.provenance import machine  # imports SciPy, which who only reads a store needs not

    libraries = {name: version(name) for name in _LIBRARIES}
    return json.dumps([libraries, _code_digest(), machine.describe()], sort_keys=True)


def _code_digest() -> str:
    root = Path(churn.__file__).parent
    found = hashlib.sha256()
    for path in sorted(path for name in _CODE for path in (root / name).rglob("*.py")):
        content = path.read_bytes()
        found.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode())
        found.update(content)
    return found.hexdigest()
