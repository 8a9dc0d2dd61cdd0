"""Whether the outputs that a commit's ``dvc.lock`` names are those that its inputs give.

Later changes are compared with the model that ``dvc.lock`` on main names, and a teammate's next
`dvc repro` goes on from the rows that it names. So every output is compared with the one that was
made again here, whoever has written the lock and the remote.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd

from churn.core.errors import ChurnError, IncomparableError
from churn.core.files import read_any_json, read_json, read_parquet
from churn.core.paths import SIDES, Workspace
from churn.provenance import lockfile
from churn.provenance.candidate import holds_commit
from churn.provenance.git import changed, git
from churn.provenance.worktree import worktree
from churn.review import baseline
from churn.review.baseline import Baseline
from churn.review.gate import Outputs
from churn.validation.results import CheckResult, Checks

# Another machine may round differently, and then here and there a tree splits differently.
_METRIC_TOLERANCE = 0.005
_NUMBER_TOLERANCE = 0.02  # of slices and curves, which have fewer customers
_PROBABILITY_TOLERANCE = 0.001
_DIFFERENT_SHARE = 0.01
_TOLERANCE = (
    f"probabilities within {_PROBABILITY_TOLERANCE:g} for {1 - _DIFFERENT_SHARE:.0%} of customers"
)


def compare(workspace: Workspace) -> Outputs:
    """Compare every output that the last commit names with what is in the workspace.

    Parameters
    ----------
    workspace : Workspace
        In which the pipeline has run, with that commit's inputs. Where it holds other inputs,
        nothing is compared.
    """
    root = workspace.root
    if not holds_commit(root, "HEAD"):
        return Outputs("uncommitted")
    committed, here = (lock.outputs for lock in lockfile.locks(root))
    differing = {path for path in {*committed, *here} if committed.get(path) != here.get(path)}
    # What is in git is read from there by people, whatever dvc.lock says of it.
    in_git = git(root, "ls-tree", "-r", "--name-only", "HEAD", "--", *here).splitlines()
    differing |= {
        path for path in here for file in changed(root, "HEAD", in_git) if file.startswith(path)
    }
    if not differing:
        return Outputs("same")
    missing = sorted(differing.difference(committed))
    if missing or _machine(workspace) == read_any_json(workspace.machine, "evaluate"):
        why = "not in dvc.lock" if missing else "made on a machine as this one, and not this"
        return Outputs("other", tuple(f"{path}: {why}" for path in missing or sorted(differing)))
    found = tuple(_beyond_tolerance(workspace, sorted(differing)))
    return Outputs("other", found) if found else Outputs("rounded", (_TOLERANCE,))


def _machine(workspace: Workspace) -> Any:
    """Return the kind of machine on which the committed outputs were made, if they say it."""
    name = workspace.machine.relative_to(workspace.root).as_posix()
    with suppress(ChurnError, ValueError):
        return json.loads(git(workspace.root, "show", f"HEAD:./{name}"))
    return None


def _beyond_tolerance(workspace: Workspace, paths: list[str]) -> Iterator[str]:
    commit = git(workspace.root, "rev-parse", "HEAD").strip()
    read = lockfile.locks(workspace.root)[1].read
    with worktree(workspace.root, commit, share_cache=True) as tree:
        there = Workspace(tree)
        for path in paths:
            compare = _KINDS.get(path)
            if compare is None and path not in read:  # a picture or a page, which nothing reads
                continue
            if not (tree / path).exists():
                baseline.pull(tree, path)
            if not (tree / path).exists():
                yield f"{path}: neither the cache nor the remote has it; run dvc push"
                continue
            if compare is None:
                yield f"{path}: on another machine, and nobody knows how far it may differ"
                continue
            try:
                what = compare(workspace, there, path)
            except (ChurnError, OSError, ValueError, KeyError, TypeError) as error:
                what = f"the committed one cannot be read ({error})"
            if what:
                yield f"{path}: {what}"


def _rows(here: Workspace, there: Workspace, path: str) -> str | None:
    """Compare rows of the split; nothing in them is rounded."""
    one, other = (read_parquet(w.root / path, "prepare") for w in (here, there))
    return None if one.equals(other) else "holds other rows than the inputs give"


def _predictions(here: Workspace, there: Workspace, path: str) -> str | None:
    for side in SIDES:
        one, other = (read_parquet(w.predictions(side), "evaluate") for w in (here, there))
        if not one.drop(columns="probability").equals(other.drop(columns="probability")):
            return "is of other customers"
        if _differ(one, other):
            return "holds others than the inputs give"
    return None


def _out_of_fold(here: Workspace, there: Workspace, path: str) -> str | None:
    one, other = (read_parquet(w.out_of_fold, "train") for w in (here, there))
    if not one["fold"].equals(other["fold"]):
        return "is of other customers, or of other folds"
    return "holds others than the inputs give" if _differ(one, other) else None


def _model(here: Workspace, there: Workspace, path: str) -> str | None:
    """Ask the model that the commit names about the held-out customers.

    In a process of its own: nobody has said yet that it is good.
    """
    model = Baseline("the commit", "HEAD", "stored", there.model, there.root / "src", None)
    try:
        said = model.predict(here.split("test"))
    except IncomparableError as error:
        return f"the committed one fails ({error})"
    if _differ(said, read_parquet(here.predictions("test"), "evaluate")):
        return "dvc.lock names one that the inputs do not give"
    return None


def _differ(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    if len(one) != len(other):
        return True
    gap = np.abs(one["probability"].to_numpy() - other["probability"].to_numpy())
    # Not `gap > …`: of a probability that is no number that would be false.
    return bool(np.mean(~(gap <= _PROBABILITY_TOLERANCE)) > _DIFFERENT_SHARE)


def _numbers(tolerance: float) -> Callable[[Workspace, Workspace, str], str | None]:
    def compare(here: Workspace, there: Workspace, path: str) -> str | None:
        files = [here.root / path]
        files = sorted(files[0].glob("*.json")) if files[0].is_dir() else files
        for file in files:
            name = file.relative_to(here.root)
            measured, said = (read_any_json(w.root / name, "evaluate") for w in (here, there))
            for key, value, other in _unlike(measured, said, tolerance):
                return f"{key or name.name} is {value}, and the commit says {other}"
        return None

    return compare


def _unlike(here: Any, there: Any, tolerance: float, key: str = "") -> Iterator[tuple[Any, ...]]:
    """Find the values that differ by more than a tolerance, of two that JSON holds."""
    if isinstance(here, dict) and isinstance(there, dict) and here.keys() == there.keys():
        for name in here:
            yield from _unlike(here[name], there[name], tolerance, f"{key}.{name}".strip("."))
    elif isinstance(here, list) and isinstance(there, list) and len(here) == len(there):
        for one, other in zip(here, there, strict=True):
            yield from _unlike(one, other, tolerance, key)
    elif _is_number(here) and _is_number(there):
        if not abs(here - there) <= tolerance * max(1, abs(here)):
            yield key, here, there
    elif here != there:
        yield key, _short(here), _short(there)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _short(value: Any) -> str:
    return str(value) if len(str(value)) <= 40 else "another"


def _statuses(here: Workspace, there: Workspace, path: str) -> str | None:
    one, other = (read_json(w.checks, "validate", Checks).checks for w in (here, there))
    found = [check.check for check in one if _status(check) not in map(_status, other)]
    if found or len(one) != len(other):
        return f"other results than the commit says: {', '.join(found[:3])}"
    return None


def _status(check: CheckResult) -> tuple[str, str, str]:
    return check.suite, check.check, check.status


_KINDS: dict[str, Callable[[Workspace, Workspace, str], str | None]] = {
    "build/train.parquet": _rows,
    "build/test.parquet": _rows,
    "build/data_stats.json": _numbers(_METRIC_TOLERANCE),
    "build/out_of_fold.parquet": _out_of_fold,
    "build/predictions": _predictions,
    "build/model": _model,
    "reports/metrics.json": _numbers(_METRIC_TOLERANCE),
    "reports/slices.json": _numbers(_NUMBER_TOLERANCE),
    "reports/plots": _numbers(_NUMBER_TOLERANCE),
    "reports/checks.json": _statuses,
}
