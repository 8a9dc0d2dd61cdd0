"""Command `gate`: read the results, judge them, and write the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from churn.core import params
from churn.core.files import read_json, write_json
from churn.core.paths import Workspace
from churn.evaluation.results import Metrics
from churn.provenance import lockfile
from churn.provenance.candidate import identity, model_digest
from churn.review import gate, limits, outputs
from churn.review.changes import Changes
from churn.review.comparison import Absent, Comparison
from churn.review.gate import Results
from churn.review.outcome import Gate, Verdict
from churn.validation.results import Checks


def run(workspace: Workspace, release: bool = False) -> Verdict:
    """Judge the candidate that the pipeline and `compare` have made.

    Parameters
    ----------
    workspace : Workspace
    release : bool, default=False
        Judge it for a release; see `churn.review.gate.judge`.

    Raises
    ------
    ParamsError, ArtifactError
        If params.yaml or a result cannot be read; without a verdict, the candidate is blocked.
    """
    settings = params.load(workspace.params)
    comparison = read_json(workspace.comparison, "compare", Comparison)
    stale = lockfile.stale(workspace.root)
    results = Results(
        stale=stale,
        outputs=None if stale else outputs.compare(workspace),
        metrics=read_json(workspace.metrics, "evaluate", Metrics),
        checks=read_json(workspace.checks, "validate", Checks),
        comparison=comparison,
        model_digest=model_digest(workspace.model),
        main_checks=read_json(workspace.main_checks, "compare", Checks)
        if workspace.main_checks.exists()
        else None,
    )
    main = _revision(comparison)
    judged_by = limits.judged_by(workspace.root, main, settings)
    # A candidate for a release is on main already: then the commit before is its first parent.
    accepted = limits.accepts(workspace.root, settings.gates, main or "HEAD^1")
    replaced = main is not None and limits.replaces(workspace.root, main, settings.data)
    moved = _changed_limits(workspace)
    verdict = gate.judge(results, judged_by, release, moved, accepted, replaced)
    write(workspace, verdict)
    return verdict


def _revision(comparison: Comparison) -> str | None:
    """Return the commit of main; None if the candidate was compared with Production only."""
    revisions = (
        entry.identity
        for entry in comparison.baselines
        if not isinstance(entry, Absent) and entry.kind == "revision"
    )
    return next(filter(None, revisions), None)


def _changed_limits(workspace: Workspace) -> list[str]:
    if not workspace.changes.exists():
        return []
    changed = read_json(workspace.changes, "compare", Changes).parameters
    return [parameter.key for parameter in changed if parameter.limit]


def write(workspace: Workspace, verdict: Verdict) -> None:
    """Write ``build/verdict.json``, for a judged candidate with its identity."""
    content = asdict(verdict)
    if verdict.outcome == "judged":
        content["of"] = asdict(identity(workspace))
    write_json(workspace.verdict, content)


def lines(verdict: Verdict, verb: str = "Merge") -> Sequence[str]:
    """Write a verdict for a terminal: one line per gate, then the conclusion."""
    shown = [f"{_sign(gate)}  {gate.name}: {gate.reason}" for gate in verdict.gates]
    conclusion = verb if verdict.passed else f"Do not {verb.lower()}"
    if verdict.undecided:
        conclusion = "Cannot tell, a person has to decide" if verdict.passed else "Cannot tell"
    if verdict.passed and verdict.moved:
        moved = f"Changes its own limits ({_first(verdict.moved)})"
        conclusion = f"{moved}. {conclusion}" if verdict.undecided else moved
    return [*shown, f"{conclusion}: {verdict.reason}"]


def _first(names: Sequence[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"


def _sign(gate: Gate) -> str:
    if gate.undecided:
        return "?   "
    return "pass" if gate.passed else "FAIL"
