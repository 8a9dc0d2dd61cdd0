"""Whether `dvc.lock` belongs to the inputs: a stale one would describe another model."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from churn.core import process
from churn.core.errors import ArtifactError
from churn.provenance.candidate import INPUTS
from churn.provenance.git import git

LOCK = "dvc.lock"
# It makes nothing: whether a run was logged says nothing about the model.
_LOGS_ONLY = "track"


@dataclass(frozen=True)
class Lock:
    """What a ``dvc.lock`` says of the stages; nothing where there is none.

    Attributes
    ----------
    inputs : dict of (str, str) to object
        By stage and name what each stage takes from outside the pipeline; values of parameters
        are of any kind.
    outputs : dict of str to str
        The paths that stages write, with their digests.
    read : set of str
        Those outputs that another stage of the pipeline reads.
    """

    inputs: dict[tuple[str, str], object] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    read: frozenset[str] = frozenset()


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
    committed, current = locks(root)
    found = _status(root, set(current.outputs))
    if not git(root, "status", "--porcelain", "--", *INPUTS).strip():
        # What is not committed yet will be, together with the lock.
        if not git(root, "ls-tree", "--name-only", "HEAD", LOCK):
            return [f"{LOCK}: not committed"]
        found += differences(committed, current)
    return sorted(set(found))


def locks(root: Path) -> tuple[Lock, Lock]:
    """Read ``dvc.lock`` as it is in the last commit, and as it is here; empty where there is none.

    Raises
    ------
    ArtifactError
        If git cannot be asked.
    """
    is_there = git(root, "ls-tree", "--name-only", "HEAD", LOCK)
    here = (root / LOCK).read_text(encoding="utf-8", errors="replace")
    return _parse(git(root, "show", f"HEAD:./{LOCK}") if is_there else ""), _parse(here)


def _parse(text: str) -> Lock:
    """Read a lock; one that is none knows nothing."""
    try:
        stages = yaml.safe_load(text).get("stages") or {}
        outs = [out for stage in stages.values() for out in stage.get("outs", [])]
        outputs = {out["path"]: str(out.get("md5")) for out in outs}
        stages.pop(_LOGS_ONLY, None)
        read = {dep["path"] for stage in stages.values() for dep in stage.get("deps", [])}
        return Lock(_inputs(stages, outputs), outputs, frozenset(read & set(outputs)))
    except (yaml.YAMLError, AttributeError, KeyError, TypeError):
        return Lock()


def differences(committed: Lock, current: Lock) -> list[str]:
    """Compare two locks by what goes in; what came out may differ from platform to platform.

    Returns
    -------
    list of str
        ``stage: path`` for each input that differs.
    """
    one, other = committed.inputs, current.inputs
    keys = sorted(set(one) | set(other))
    return [
        f"{stage}: {name}"
        for stage, name in keys
        if one.get((stage, name)) != other.get((stage, name))
    ]


def _inputs(stages: Any, made: dict[str, str]) -> dict[tuple[str, str], object]:
    inputs: dict[tuple[str, str], object] = {}
    for name, stage in stages.items():
        inputs[name, "command"] = stage.get("cmd")
        for file, values in stage.get("params", {}).items():
            inputs |= {(name, f"{file} {key}"): value for key, value in values.items()}
        for dep in stage.get("deps", []):
            if dep["path"] not in made:
                inputs[name, dep["path"]] = dep.get("md5")
    return inputs


def _status(root: Path, made: set[str]) -> list[str]:
    """Ask DVC, but not about what a later stage reads of an earlier one.

    That may differ where the lock was written on another platform. A stage whose own inputs
    differ, or whose outputs were changed by hand, is told all the same.
    """
    return [
        f"{stage}: {path}"
        for stage, changes in ask_dvc(root).items()
        if stage != _LOGS_ONLY
        for change in changes
        if isinstance(change, dict)
        for kind, paths in change.items()
        for path in (paths if isinstance(paths, dict) else [str(paths)])
        if not (kind == "changed deps" and path in made)
    ]


def ask_dvc(root: Path, *targets: str) -> dict[str, list[Any]]:
    """Ask DVC within this process: starting another one takes twice as long as the answer."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(root)) as repo:
            found: dict[str, list[Any]] = repo.status(targets=list(targets) or None)
    except DvcException as error:
        reason = process.error_line(str(error), last=True)
        raise ArtifactError(f"dvc status: {reason}") from error
    # Seen from another folder, DVC puts the path of the stage's file in front.
    return {re.split("[:/]", name)[-1]: changes for name, changes in found.items()}
