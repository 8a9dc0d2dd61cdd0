"""Command `gate`: read what there is, judge it, write the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from churn import committed, gate, lockfile, params, shapes
from churn.candidate import input_fingerprint, model_digest
from churn.files import read_json, write_json
from churn.gate import Results, Verdict
from churn.paths import Workspace


def run(workspace: Workspace, release: bool = False) -> Verdict:
    """Judge the candidate that the pipeline and `compare` have made.

    Parameters
    ----------
    workspace : Workspace
    release : bool, default=False
        Whether it is to be released; see `churn.gate.judge`.

    Raises
    ------
    ParamsError, ArtifactError
        If params.yaml or a result cannot be read: nothing is judged then, which blocks.
    """
    settings = params.load(workspace.params)
    stale = lockfile.stale(workspace.root)
    results = Results(
        stale=stale,
        foreign=None if stale else committed.foreign(workspace),
        metrics=read_json(workspace.metrics, "evaluate", shapes.Metrics),
        checks=read_json(workspace.checks, "validate", shapes.JudgedChecks),
        comparison=read_json(workspace.comparison, "compare", shapes.Comparison),
        model_digest=model_digest(workspace.model),
    )
    verdict = gate.judge(results, settings.gates, settings.checks, release)
    write(workspace, verdict)
    return verdict


def write(workspace: Workspace, verdict: Verdict) -> None:
    """Write ``build/verdict.json``; of what was judged, also by what it is known."""
    content = asdict(verdict)
    if verdict.outcome == "judged":
        content["of"] = identity(workspace)
    write_json(workspace.verdict, content)


def identity(workspace: Workspace) -> dict[str, str]:
    """Return by what a candidate is known: its model's digest and its inputs' fingerprint."""
    return {
        "model_digest": model_digest(workspace.model),
        "fingerprint": input_fingerprint(workspace.root),
    }


def lines(verdict: Verdict, verb: str = "Merge") -> Sequence[str]:
    """Say a verdict on a terminal: one line a gate, then the whole."""
    shown = [
        f"{'pass' if one.passed else 'FAIL'}  {one.name}: {one.reason}" for one in verdict.gates
    ]
    whole = verb if verdict.passed else f"Do not {verb.lower()}"
    return [*shown, f"{whole}: {verdict.reason}"]
