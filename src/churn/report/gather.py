"""The facts of a candidate, from the files that lie in the work tree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

from churn.candidate import INPUTS, git, input_fingerprint, model_digest
from churn.errors import ArtifactError
from churn.files import read_json
from churn.paths import Workspace
from churn.report.facts import Changes, Checks, Comparison, Facts, Metrics, Verdict
from churn.report.shape import read

_T = TypeVar("_T")


def gather(workspace: Workspace) -> Facts:
    """Read what `compare`, `gate` and the stages have written.

    A result that is missing or damaged is None: the verdict is told all the same.

    Raises
    ------
    ArtifactError
        If `gate` has not run.
    """
    try:
        verdict = read(Verdict, read_json(workspace.verdict, "gate"))
    except ValueError as error:
        raise ArtifactError(
            f"{workspace.verdict}: not what `churn gate` writes ({error}); run it again"
        ) from error
    judged = verdict.outcome == "judged"
    return Facts(
        verdict=verdict,
        metrics=_result(Metrics, workspace.metrics) if judged else None,
        checks=_result(Checks, workspace.checks) if judged else None,
        comparison=_result(Comparison, workspace.comparison) if judged else None,
        changes=_result(Changes, workspace.changes) or Changes(),
        commit=git(workspace.root, "rev-parse", "HEAD").strip(),
        uncommitted=bool(git(workspace.root, "status", "--porcelain", "--", *INPUTS).strip()),
        fingerprint=input_fingerprint(workspace.root),
        model_digest=_digest(workspace.model) if judged else None,
    )


def _result(kind: type[_T], file: Path) -> _T | None:
    try:
        return read(kind, json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError):
        return None


def _digest(model: Path) -> str | None:
    try:
        return model_digest(model)
    except ArtifactError:
        return None
