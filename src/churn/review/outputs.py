"""Check that the outputs in a commit's ``dvc.lock`` are reproducible from its inputs.

Later changes are compared with the model in main's ``dvc.lock``, and a teammate's next `dvc repro`
continues from the rows in it. So every output is compared with the output that was reproduced here;
the lock and the remote are not trusted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, cast

import numpy as np
import pandas as pd

from churn.core.errors import ChurnError, IncomparableError
from churn.core.files import read_any_json, read_json, read_parquet
from churn.core.params import TaskName
from churn.core.paths import SIDES, Workspace
from churn.model.card import CARD_FILE
from churn.model.outputs import Output, of
from churn.provenance import lockfile
from churn.provenance.candidate import holds_commit
from churn.provenance.git import changed, git
from churn.provenance.worktree import worktree
from churn.review import revisions
from churn.review.baseline import Baseline, Card
from churn.review.gates_alone import Outputs
from churn.validation.results import Checks

# Other machines may round differently, which changes a few splits of trees.
_METRIC_TOLERANCE = 0.005
_NUMBER_TOLERANCE = 0.02  # of slices and curves, which have fewer customers
_SCORE_TOLERANCE = 0.001  # of probabilities; of numbers in standard deviations of these
_MAX_DIFFERENT_SHARE = 0.01
_SAME_SHARE = f"for {1 - _MAX_DIFFERENT_SHARE:.0%} of customers"


def compare(workspace: Workspace) -> Outputs:
    """Compare every output in the last commit's ``dvc.lock`` with the workspace.

    Parameters
    ----------
    workspace : Workspace
        In which the pipeline has run, with that commit's inputs. With other inputs, nothing is
        compared.
    """
    root = workspace.root
    if not holds_commit(root, "HEAD"):
        return Outputs("uncommitted")
    committed, here = (lock.outputs for lock in lockfile.locks(root))
    differing = {path for path in {*committed, *here} if committed.get(path) != here.get(path)}
    # Outputs in git are compared with git: people read them there, whatever dvc.lock says.
    in_git = git(root, "ls-tree", "-r", "--name-only", "HEAD", "--", *here).splitlines()
    differing |= {
        path for path in here for file in changed(root, "HEAD", in_git) if file.startswith(path)
    }
    if not differing:
        return Outputs("same")
    missing = sorted(differing.difference(committed))
    if missing or _machine(workspace) == read_any_json(workspace.machine, "evaluate"):
        reason = "not in dvc.lock" if missing else "differs, although the machine is equal"
        return Outputs("other", tuple(f"{path}: {reason}" for path in missing or sorted(differing)))
    mismatches = tuple(_beyond_tolerance(workspace, sorted(differing)))
    if mismatches:
        return Outputs("other", mismatches)
    return Outputs("rounded", (_tolerance(_output(workspace)),))


def _output(workspace: Workspace) -> Output:
    """Return what the workspace's model answers."""
    card = read_json(workspace.model / CARD_FILE, "train", Card)
    return of(cast(TaskName, card.task), card.classes)


def _tolerance(output: Output) -> str:
    if output.task == "regression":
        return f"predictions within {_SCORE_TOLERANCE:g} standard deviations {_SAME_SHARE}"
    return f"probabilities within {_SCORE_TOLERANCE:g} {_SAME_SHARE}"


def _machine(workspace: Workspace) -> Any:
    """Return the machine on which the committed outputs were made; None if unknown."""
    name = workspace.machine.relative_to(workspace.root).as_posix()
    with suppress(ChurnError, ValueError):
        return json.loads(git(workspace.root, "show", f"HEAD:./{name}"))
    return None


def _beyond_tolerance(workspace: Workspace, paths: list[str]) -> Iterator[str]:
    commit = git(workspace.root, "rev-parse", "HEAD").strip()
    read = lockfile.locks(workspace.root)[1].read
    with worktree(workspace.root, commit, share_cache=True) as tree:
        committed = Workspace(tree)
        for path in paths:
            compare = _COMPARE.get(path)
            if compare is None and path not in read:  # a picture or a page, which no stage reads
                continue
            if not (tree / path).exists():
                revisions.pull(tree, path)
            if not (tree / path).exists():
                yield f"{path}: neither the cache nor the remote has it; run dvc push"
                continue
            if compare is None:
                yield f"{path}: made on another machine, and no tolerance is defined for it"
                continue
            try:
                mismatch = compare(workspace, committed, path)
            except (ChurnError, OSError, ValueError, KeyError, TypeError) as error:
                mismatch = f"the committed output cannot be read ({error})"
            if mismatch:
                yield f"{path}: {mismatch}"


def _rows(here: Workspace, committed: Workspace, path: str) -> str | None:
    """Compare rows of the split exactly: nothing in them is rounded."""
    ours, theirs = (read_parquet(w.root / path, "prepare") for w in (here, committed))
    return None if ours.equals(theirs) else "its rows differ from those of the inputs"


def _predictions(here: Workspace, committed: Workspace, path: str) -> str | None:
    output = _output(here)
    scored = list(output.scored)
    for side in SIDES:
        ours, theirs = (read_parquet(w.predictions(side), "evaluate") for w in (here, committed))
        if not ours.drop(columns=scored).equals(theirs.drop(columns=scored)):
            return "its customers differ"
        if _differ(output, ours, theirs):
            return "its predictions differ from those of the inputs"
    return None


def _out_of_fold(here: Workspace, committed: Workspace, path: str) -> str | None:
    ours, theirs = (read_parquet(w.out_of_fold, "train") for w in (here, committed))
    if not ours["fold"].equals(theirs["fold"]):
        return "its customers or folds differ"
    differ = _differ(_output(here), ours, theirs)
    return "its predictions differ from those of the inputs" if differ else None


def _model(here: Workspace, committed: Workspace, path: str) -> str | None:
    """Compare the committed model's predictions for the held-out customers.

    The model is not trusted, so it runs in another process.
    """
    model = Baseline("the commit", "HEAD", "stored", committed.model, committed.root / "src", None)
    try:
        predictions = model.predict(here.split("test"))
    except IncomparableError as error:
        return f"the committed model fails ({error})"
    if _differ(_output(here), read_parquet(here.predictions("test"), "evaluate"), predictions):
        return "dvc.lock names a model that the inputs do not give"
    return None


def _differ(output: Output, ours: pd.DataFrame, theirs: pd.DataFrame) -> bool:
    """Tell whether scores differ by more than the tolerance for too many customers."""
    if len(ours) != len(theirs):
        return True
    first, second = (np.atleast_2d(output.scores(table).T) for table in (ours, theirs))
    unit = float(np.std(first)) if output.task == "regression" else 1.0
    # Not `gap > …`, which is false for NaN. Of several classes each has to be equal.
    is_equal = (np.abs(first - second) <= _SCORE_TOLERANCE * unit).all(axis=0)
    return bool(np.mean(~is_equal) > _MAX_DIFFERENT_SHARE)


def _numbers(tolerance: float) -> Callable[[Workspace, Workspace, str], str | None]:
    def compare(here: Workspace, committed: Workspace, path: str) -> str | None:
        files = [here.root / path]
        files = sorted(files[0].glob("*.json")) if files[0].is_dir() else files
        for file in files:
            name = file.relative_to(here.root)
            ours, theirs = (read_any_json(w.root / name, "evaluate") for w in (here, committed))
            for key, our_value, their_value in _differences(ours, theirs, tolerance):
                return f"{key or name.name} is {our_value}, but {their_value} in the commit"
        return None

    return compare


def _differences(
    ours: Any, theirs: Any, tolerance: float, key: str = ""
) -> Iterator[tuple[Any, ...]]:
    """Yield the dotted key and both values where two JSON documents differ beyond a tolerance."""
    if isinstance(ours, dict) and isinstance(theirs, dict) and ours.keys() == theirs.keys():
        for name in ours:
            yield from _differences(ours[name], theirs[name], tolerance, f"{key}.{name}".strip("."))
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for our_item, their_item in zip(ours, theirs, strict=True):
            yield from _differences(our_item, their_item, tolerance, key)
    elif _is_number(ours) and _is_number(theirs):
        if not abs(ours - theirs) <= tolerance * max(1, abs(ours)):
            yield key, ours, theirs
    elif ours != theirs:
        yield key, _short(ours), _short(theirs)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _short(value: Any) -> str:
    return str(value) if len(str(value)) <= 40 else "a long value"


def _statuses(here: Workspace, committed: Workspace, path: str) -> str | None:
    ours, theirs = (
        [(found.suite, found.check, found.status) for found in listed.checks]
        for listed in (read_json(w.checks, "validate", Checks) for w in (here, committed))
    )
    differing = [check for suite, check, how in ours if (suite, check, how) not in theirs]
    if differing or len(ours) != len(theirs):
        return f"its results differ from the commit's: {', '.join(differing[:3])}"
    return None


_COMPARE: dict[str, Callable[[Workspace, Workspace, str], str | None]] = {
    "build/train.parquet": _rows,
    "build/test.parquet": _rows,
    "build/data_stats.json": _numbers(_METRIC_TOLERANCE),
    "build/out_of_fold.parquet": _out_of_fold,
    "build/predictions": _predictions,
    "build/reference.json": _numbers(_NUMBER_TOLERANCE),
    "build/model": _model,
    "reports/metrics.json": _numbers(_METRIC_TOLERANCE),
    "reports/slices.json": _numbers(_NUMBER_TOLERANCE),
    "reports/plots": _numbers(_NUMBER_TOLERANCE),
    "reports/checks.json": _statuses,
}
