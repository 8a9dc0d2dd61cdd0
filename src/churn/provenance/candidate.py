"""Identify a candidate: the fingerprint of its inputs and the digest of its model."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import yaml

from churn.core.errors import ArtifactError
from churn.core.paths import Workspace
from churn.data import sources
from churn.provenance.git import changed, commit_objects, work_tree_objects

# All that a model depends on. Not dvc.lock: it is an output, with the digests of this platform.
# DVC's settings are inputs: they say which data are tracked, and where they come from.
INPUTS = (
    ".dvc/config",
    ".dvcignore",
    "data.dvc",
    "dvc.yaml",
    "params.yaml",
    "src",
    "requirements",
)
# Not inputs, but changing them alone may change which model a commit stands for.
_RESULTS = (".dvc", "dvc-remote", "dvc.lock", "reports")
# The code and libraries that are served together with the model's files.
SERVED = (
    "requirements/pipeline.txt",
    "src/churn/__init__.py",
    "src/churn/core",
    "src/churn/data",
    "src/churn/model",
    "src/churn/tracking/serving.py",
)


@dataclass(frozen=True)
class Identity:
    """What identifies a candidate: its model's digest and its inputs' fingerprint."""

    model_digest: str
    fingerprint: str


def model_digest(folder: Path) -> str:
    """Digest a model's folder: names and bytes, nothing else.

    Parameters
    ----------
    folder : Path
        As `churn train` writes it.

    Returns
    -------
    str
        SHA-256, 64 hexadecimal digits, over one line ``sha256  path`` per file, sorted by path.

    Raises
    ------
    ArtifactError
        If the folder does not exist or is empty.
    """
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    if not names:
        raise ArtifactError(f"{folder}: no model there; `churn train` writes build/model")
    lines = [
        f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}" for name in names
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def input_fingerprint(root: Path) -> str:
    """Fingerprint the inputs in the work tree, committed or not.

    Parameters
    ----------
    root : Path
        The project's folder, at the top of a git repository or below it.

    Returns
    -------
    str
        SHA-256, 64 hexadecimal digits, over `work_tree_fingerprint` of `INPUTS` and the SHA-256 of
        the table, because ``data.dvc`` names the data by MD5, which can collide.

    Raises
    ------
    ArtifactError
        If `root` is not in a git repository.
    """
    lines = f"{work_tree_fingerprint(root, INPUTS)}\n{table_digest(root)}"
    return hashlib.sha256(lines.encode()).hexdigest()


def identity(workspace: Workspace) -> Identity:
    """Return what identifies a candidate: its model's digest and its inputs' fingerprint."""
    return Identity(model_digest(workspace.model), input_fingerprint(workspace.root))


def table_path(root: Path) -> Path | None:
    """Return the path of the table that params.yaml names; None if it names none."""
    try:
        named = _named_table((root / "params.yaml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return None if named is None else root / named


@lru_cache(maxsize=4)  # a review asks for the same one again and again
def _named_table(params: str) -> str | None:
    try:
        return str(yaml.safe_load(params)["data"]["path"])
    # Validating params.yaml is not this function's job.
    except (ValueError, TypeError, KeyError, RecursionError, yaml.YAMLError):
        return None


def table_digest(root: Path) -> str:
    """Return the SHA-256 of the table that params.yaml names; ``absent`` if there is none."""
    table = table_path(root)
    return (table and sources.digest(table, "sha256")) or "absent"


def data_md5(root: Path) -> str:
    """Return the MD5 digest of the data in ``data.dvc``.

    Raises
    ------
    ArtifactError
        If ``data.dvc`` cannot be read or has no digest.
    """
    try:
        document = yaml.safe_load((root / "data.dvc").read_text(encoding="utf-8"))
        return str(document["outs"][0]["md5"])
    except (OSError, yaml.YAMLError, KeyError, IndexError, TypeError) as error:
        raise ArtifactError(f"{root / 'data.dvc'}: does not name the data") from error


def holds_commit(root: Path, commit: str) -> bool:
    """Tell whether the inputs in the work tree equal those of a commit."""
    return not changed(root, commit, INPUTS)


def work_tree_fingerprint(root: Path, paths: Sequence[str]) -> str:
    """Fingerprint the files below some paths of the work tree, committed or not.

    Built from git's object ids, so that the same content has the same fingerprint in another
    clone, after a squash and after a rebase.

    Parameters
    ----------
    root : Path
        The project's folder, at the top of a git repository or below it.
    paths : sequence of str

    Returns
    -------
    str
        SHA-256, 64 hexadecimal digits, over one line ``object-id  path`` per file, sorted by path.

    Raises
    ------
    ArtifactError
        If `root` is not in a git repository.
    """
    return _fingerprint(work_tree_objects(root, paths))


def commit_fingerprint(root: Path, commit: str, paths: Sequence[str]) -> str:
    """Fingerprint the files below some paths of a commit.

    Equal to `work_tree_fingerprint` of a clean work tree at that commit.

    Raises
    ------
    ArtifactError
        If there is no such commit.
    """
    return _fingerprint(commit_objects(root, commit, paths))


def changed_inputs(root: Path, commit: str) -> list[str]:
    """List the files that may change the model and differ between a commit and the work tree.

    Parameters
    ----------
    root : Path
        Top folder of the repository.
    commit : str

    Returns
    -------
    list of str
        Changed, new and deleted files: those of `INPUTS`, ``dvc.lock``, ``reports`` and what DVC
        and its remote hold.
    """
    return changed(root, commit, (*INPUTS, *_RESULTS))


def _fingerprint(ids: dict[str, str]) -> str:
    lines = [f"{ids[path]}  {path}" for path in sorted(ids)]
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()
