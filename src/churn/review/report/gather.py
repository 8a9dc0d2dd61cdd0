"""Collect the facts about a candidate from the files in the work tree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from churn.core.document import read_document
from churn.core.errors import ArtifactError, ParamsError
from churn.core.files import read_any_json, read_json
from churn.core.paths import Workspace
from churn.core.shapes import from_json, to_json
from churn.data.stats import DataStats
from churn.provenance import search_result
from churn.provenance.candidate import INPUTS, input_fingerprint, model_digest
from churn.provenance.git import git
from churn.review.changes import Changes
from churn.review.comparison import Comparison
from churn.review.outcome import Verdict
from churn.review.report.facts import FORMAT, Checks, Metrics, Reason, Sample


def gather(workspace: Workspace) -> dict[str, object]:
    """Read the results of the stages, `compare` and `gate` as the JSON of `Facts`.

    A missing or damaged result is null, so that the verdict is always reported.

    Raises
    ------
    ArtifactError
        If `gate` has not run.
    """
    verdict = read_any_json(workspace.verdict, "gate")
    judged = from_json(Verdict, verdict).outcome == "judged"
    try:
        digest = model_digest(workspace.model) if judged else None
    except ArtifactError:
        digest = None
    return {
        "format": FORMAT,
        "verdict": verdict,
        "metrics": _result(Metrics, workspace.metrics) if judged else None,
        "checks": _result(Checks, workspace.checks) if judged else None,
        "comparison": _result(Comparison, workspace.comparison) if judged else None,
        "changes": _result(Changes, workspace.changes) or {},
        "commit": git(workspace.root, "rev-parse", "HEAD").strip(),
        "uncommitted": bool(git(workspace.root, "status", "--porcelain", "--", *INPUTS).strip()),
        "fingerprint": input_fingerprint(workspace.root),
        "model_digest": digest,
        "reasons": _result(list[Reason], workspace.reasons) if judged else None,
        "search": to_json(search_result.read(workspace.search, _model(workspace))),
        "sample": to_json(_sample(workspace)) if judged else None,
    }


def _sample(workspace: Workspace) -> Sample | None:
    try:
        stats = read_json(workspace.data_stats, "prepare", DataStats)
    except ArtifactError:
        return None
    return Sample(stats.train.rows, stats.training_rows) if stats.is_sampled else None


def _model(workspace: Workspace) -> Any:
    """Return the section `model` of params.yaml; None if it cannot be read."""
    try:
        return read_document(workspace.params).get("model")
    except ParamsError:
        return None


def _result(shape: Any, file: Path) -> Any:
    """Return the content of a file of some shape; None if it has another."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        from_json(shape, document)
    except (OSError, ValueError, RecursionError):
        return None
    return document
