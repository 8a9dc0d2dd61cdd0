"""Check that `dvc.lock` is up to date: a stale lock describes another model."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from churn.core import process
from churn.core.errors import ArtifactError
from churn.provenance.candidate import INPUTS
from churn.provenance.git import git

LOCK = "dvc.lock"
# A stage without outputs: whether its run was logged says nothing about the model.
_LOGS_ONLY = "track"


@dataclass(frozen=True)
class Lock:
    """The content of a ``dvc.lock``; empty if there is none.

    Attributes
    ----------
    inputs : dict of (str, str) to object
        What each stage reads from outside the pipeline, by stage and name: digests of files, and
        values of parameters, which may have any type.
    outputs : dict of str to str
        Digests of the stages' outputs, by path.
    read : frozenset of str
        The outputs that another stage reads.
    """

    inputs: dict[tuple[str, str], object] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    read: frozenset[str] = frozenset()


def stale(root: Path) -> list[str]:
    """List the out-of-date entries of `dvc.lock`.

    These are what `dvc status` reports for the work tree. If no input differs from the last commit,
    as on a runner after `dvc repro`, the *committed* lock is checked as well.

    Parameters
    ----------
    root : Path
        Top folder of the repository.

    Returns
    -------
    list of str
        One ``stage: path`` per entry; empty if the lock is up to date.

    Raises
    ------
    ArtifactError
        If git or DVC fails.
    """
    if not (root / LOCK).exists():
        return [f"{LOCK}: not there"]
    committed, current = locks(root)
    found = _status(root, set(current.outputs))
    if not git(root, "status", "--porcelain", "--", *INPUTS).strip():
        # Uncommitted inputs will be committed together with the lock.
        if not git(root, "ls-tree", "--name-only", "HEAD", LOCK):
            return [f"{LOCK}: not committed"]
        found += differences(committed, current)
    return sorted(set(found))


def locks(root: Path) -> tuple[Lock, Lock]:
    """Read ``dvc.lock`` of the last commit and of the work tree; empty if there is none.

    Raises
    ------
    ArtifactError
        If git fails.
    """
    is_committed = git(root, "ls-tree", "--name-only", "HEAD", LOCK)
    current = (root / LOCK).read_text(encoding="utf-8", errors="replace")
    return parse(git(root, "show", f"HEAD:./{LOCK}") if is_committed else ""), parse(current)


@lru_cache(maxsize=4)  # a review asks for the same ones again and again; each takes 50 ms
def parse(text: str) -> Lock:
    """Parse a lock; a text that is no lock gives an empty one."""
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
    """Compare the inputs of two locks; outputs may differ between platforms.

    Returns
    -------
    list of str
        One ``stage: path`` per input that differs.
    """
    before, now = committed.inputs, current.inputs
    return [
        f"{stage}: {name}"
        for stage, name in sorted({*before, *now})
        if before.get((stage, name)) != now.get((stage, name))
    ]


def _inputs(stages: Any, outputs: dict[str, str]) -> dict[tuple[str, str], object]:
    inputs: dict[tuple[str, str], object] = {}
    for name, stage in stages.items():
        inputs[name, "command"] = stage.get("cmd")
        for file, values in stage.get("params", {}).items():
            inputs |= {(name, f"{file} {key}"): value for key, value in values.items()}
        for dep in stage.get("deps", []):
            if dep["path"] not in outputs:
                inputs[name, dep["path"]] = dep.get("md5")
    return inputs


def _status(root: Path, outputs: set[str]) -> list[str]:
    """Run `dvc status`, but ignore changed outputs of earlier stages as inputs of later ones.

    They differ if the lock was written on another platform. A stage whose external inputs differ,
    or whose outputs were changed by hand, is still listed.
    """
    return [
        f"{stage}: {path}"
        for stage, changes in dvc_status(root).items()
        if stage != _LOGS_ONLY
        for change in changes
        if isinstance(change, dict)
        for kind, paths in change.items()
        for path in (paths if isinstance(paths, dict) else [str(paths)])
        if not (kind == "changed deps" and path in outputs)
    ]


def dvc_status(root: Path, *targets: str) -> dict[str, list[Any]]:
    """Run `dvc status` in this process: starting another takes twice as long as the check.

    Raises
    ------
    ArtifactError
        If DVC fails.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(root)) as repo:
            status: dict[str, list[Any]] = repo.status(targets=list(targets) or None)
    except DvcException as error:
        reason = process.error_line(str(error), last=True)
        raise ArtifactError(f"dvc status: {reason}") from error
    # Called from another folder, DVC prefixes the name with the path of dvc.yaml.
    return {re.split("[:/]", name)[-1]: changes for name, changes in status.items()}
