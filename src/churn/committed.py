"""Whether the results that a commit names are those that its inputs give.

Later changes are compared with the model that ``dvc.lock`` on main names. One that was put there
by hand would be their baseline, so it is looked for before it gets there.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import yaml

from churn import baseline
from churn.candidate import INPUTS, git
from churn.errors import IncomparableError
from churn.evaluation.metric_names import TITLES
from churn.files import read_json, read_parquet
from churn.paths import Workspace

_LOCK = "dvc.lock"
# Another platform may round differently, and then here and there a tree splits differently.
_METRIC_TOLERANCE = 0.005
_PROBABILITY_TOLERANCE = 0.001
_DIFFERENT_SHARE = 0.01


def foreign(workspace: Workspace) -> list[str]:
    """List what the last commit names as results and the pipeline has not made of its inputs.

    Costs a moment where the committed ``dvc.lock`` names the model that is here, as at the desk;
    else that model is got and asked about the held-out customers.

    Parameters
    ----------
    workspace : Workspace
        In which the pipeline has run.

    Returns
    -------
    list of str
        ``path: what is wrong`` each; empty where all is well, or the inputs are not committed.
    """
    root = workspace.root
    if git(root, "status", "--porcelain", "--", *INPUTS).strip():
        return []
    found = _metrics(workspace)
    here, there = _model_md5(_lock(workspace)), _model_md5(_committed(workspace, _LOCK))
    if there is not None and here != there:
        found += _model(workspace)
    return found


def _metrics(workspace: Workspace) -> list[str]:
    name = workspace.metrics.relative_to(workspace.root).as_posix()
    committed = _committed(workspace, name)
    measured = read_json(workspace.metrics, "evaluate")
    wrong = []
    for side, metrics in measured.items():
        if not isinstance(metrics, dict) or not isinstance(committed.get(side), dict):
            continue
        for metric, value in metrics.items():
            said = committed[side].get(metric, value)
            if not _close(said, value):
                title = TITLES.get(metric, metric)
                wrong.append(f"{name}: {title} of the {side} rows is {value}, not {said}")
    return wrong[:1]


def _close(said: Any, value: Any) -> bool:
    if isinstance(said, (int, float)) and isinstance(value, (int, float)):
        return bool(abs(said - value) <= _METRIC_TOLERANCE)
    return bool(said == value)


def _model(workspace: Workspace) -> list[str]:
    """Ask the model that the commit names about the held-out customers."""
    name = workspace.model.relative_to(workspace.root).as_posix()
    predictions = read_parquet(workspace.predictions("test"), "evaluate")
    with baseline.stored_at(workspace.root, "HEAD") as model:
        if model is None:
            return []  # nobody has it: it will be reproduced where it is needed
        try:
            said = model.predict(workspace.split("test"))
        except IncomparableError as error:
            return [f"{name}: the committed one fails ({error})"]
    gap = np.abs(said["probability"].to_numpy() - predictions["probability"].to_numpy())
    # Not `gap > …`: of a probability that is no number that would be false.
    if np.mean(~(gap <= _PROBABILITY_TOLERANCE)) > _DIFFERENT_SHARE:
        return [f"{name}: dvc.lock names one that the inputs do not give"]
    return []


def _lock(workspace: Workspace) -> dict[str, Any]:
    return _parsed(workspace.dvc_lock.read_text(encoding="utf-8"))


def _committed(workspace: Workspace, name: str) -> dict[str, Any]:
    if not git(workspace.root, "ls-tree", "--name-only", "HEAD", name):
        return {}
    return _parsed(git(workspace.root, "show", f"HEAD:{name}"))


def _parsed(text: str) -> dict[str, Any]:
    """Read JSON or YAML; what is neither says nothing."""
    try:
        document = json.loads(text) if text.startswith("{") else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError):
        return {}
    return document if isinstance(document, dict) else {}


def _model_md5(lock: dict[str, Any]) -> str | None:
    try:
        outs = lock["stages"]["train"]["outs"]
        return next(str(out["md5"]) for out in outs if out["path"] == "build/model")
    except (KeyError, TypeError, StopIteration):
        return None
