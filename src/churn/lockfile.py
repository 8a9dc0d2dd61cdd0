"""Whether `dvc.lock` belongs to the inputs: a stale one would describe another model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from churn.candidate import INPUTS, git
from churn.errors import ArtifactError

LOCK = "dvc.lock"
# It makes nothing: whether a run was logged says nothing about the model.
_LOGS_ONLY = "track"


def stale(root: Path) -> list[str]:
    """List what `dvc.lock` does not know as it is.

    In the work tree, whatever `dvc status` finds. And where the inputs are those of the last
    commit, as on a runner after `dvc repro`, also what the *committed* lock has missed.

    Parameters
    ----------
    root : Path
        Top folder of the repository.

    Returns
    -------
    list of str
        ``stage: path`` each; empty where the lock is up to date.

    Raises
    ------
    ArtifactError
        If git or DVC cannot be asked.
    """
    if not (root / LOCK).exists():
        return [f"{LOCK}: not there"]
    current = _parse((root / LOCK).read_text(encoding="utf-8", errors="replace"))
    found = _status(root, _made(current))
    if not git(root, "status", "--porcelain", "--", *INPUTS).strip():
        # What is not committed yet will be, together with the lock.
        if not git(root, "ls-tree", "--name-only", "HEAD", LOCK):
            return [f"{LOCK}: not committed"]
        found += differences(_parse(git(root, "show", f"HEAD:{LOCK}")), current)
    return sorted(set(found))


def altered_data(root: Path) -> str | None:
    """Name the data that is here and is not what ``data.dvc`` says; None where it is, or absent."""
    for change in _ask(root, "data.dvc").get("data.dvc", []):
        for path, how in change.get("changed outs", {}).items() if isinstance(change, dict) else ():
            if how != "deleted":
                return str(path)
    return None


def _parse(text: str) -> dict[str, Any]:
    """Read a lock; one that is none knows nothing."""
    try:
        document: dict[str, Any] = yaml.safe_load(text)
        _inputs(document)
    except (yaml.YAMLError, AttributeError, KeyError, TypeError):
        return {}
    return document


def differences(committed: dict[str, Any], current: dict[str, Any]) -> list[str]:
    """Compare two locks by what goes in; what came out may differ from platform to platform.

    Returns
    -------
    list of str
        ``stage: path`` for each input that differs.
    """
    one, other = _inputs(committed), _inputs(current)
    keys = sorted(set(one) | set(other))
    return [
        f"{stage}: {name}"
        for stage, name in keys
        if one.get((stage, name)) != other.get((stage, name))
    ]


def _inputs(lock: dict[str, Any]) -> dict[tuple[str, str], Any]:
    """Return what each stage takes from outside the pipeline."""
    made = _made(lock)
    inputs: dict[tuple[str, str], Any] = {}
    for name, stage in (lock.get("stages") or {}).items():
        if name == _LOGS_ONLY:
            continue
        inputs[name, "command"] = stage.get("cmd")
        for file, values in stage.get("params", {}).items():
            inputs |= {(name, f"{file} {key}"): value for key, value in values.items()}
        for dep in stage.get("deps", []):
            if dep["path"] not in made:
                inputs[name, dep["path"]] = dep.get("md5")
    return inputs


def _made(lock: dict[str, Any]) -> set[str]:
    """Return the paths that stages write."""
    stages = lock.get("stages") or {}
    return {out["path"] for stage in stages.values() for out in stage.get("outs", [])}


def _status(root: Path, made: set[str]) -> list[str]:
    """Ask DVC, but not about what a later stage reads of an earlier one.

    That may differ where the lock was written on another platform. A stage whose own inputs
    differ, or whose outputs were changed by hand, is told all the same.
    """
    return [
        f"{stage}: {path}"
        for stage, changes in _ask(root).items()
        if stage != _LOGS_ONLY
        for change in changes
        if isinstance(change, dict)
        for kind, paths in change.items()
        for path in (paths if isinstance(paths, dict) else [str(paths)])
        if not (kind == "changed deps" and path in made)
    ]


def _ask(root: Path, *targets: str) -> dict[str, list[Any]]:
    """Ask DVC within this process: starting another one takes twice as long as the answer."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(root)) as repo:
            found: dict[str, list[Any]] = repo.status(targets=list(targets) or None)
    except DvcException as error:
        said = (str(error).strip().splitlines() or ["it said nothing"])[-1]
        raise ArtifactError(f"dvc status: {said}") from error
    # Seen from another folder, DVC puts the path of the stage's file in front.
    return {re.split("[:/]", name)[-1]: changes for name, changes in found.items()}
