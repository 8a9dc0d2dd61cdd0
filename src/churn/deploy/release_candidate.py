"""Command `candidate make`: the candidate of a commit on main, made there from scratch.

Git is the only channel of what was reviewed. Nothing that a pull request's job has written is read
here: data, parameters and code are those of the commit, and everything else is computed again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from churn.core import params
from churn.core.errors import CandidateError, ChurnError
from churn.core.files import atomic
from churn.core.paths import Workspace
from churn.deploy import rules
from churn.deploy.commits import Commit, inputs_unchanged_since
from churn.provenance import bundle, lineage
from churn.provenance.candidate import holds_commit, input_fingerprint
from churn.registry import Registry
from churn.registry.working_copy import working_copy
from churn.review import run as review
from churn.review import verdict
from churn.review.gate import Verdict
from churn.review.report.text import prose

Say = Callable[[str], None]


@dataclass(frozen=True)
class Made:
    """How it has ended.

    Attributes
    ----------
    lines : tuple of str
        What there is to say of it, the whole last.
    code : int
        Exit code: 0 if the candidate is there or none is needed, 1 if a gate blocks it, 2 if it
        could not be made.
    needed : bool or None
        Whether there is something to release; None where that is blocked.
    digest : str
        Of the candidate's manifest, by which the next jobs know it.
    """

    lines: tuple[str, ...]
    code: int = 0
    needed: bool | None = True
    digest: str = ""


def make(root: Path, revision: str, output: Path, say: Say) -> Made:
    """Leave the candidate of a commit in `output`: trained, tested, compared and judged here.

    Where Production has a model of the same inputs, or these were rolled back, nothing is made. A
    workflow is told by ``needed`` and ``digest`` in the file that `GITHUB_OUTPUT` names.

    Parameters
    ----------
    root : Path
        Top folder of the repository, with the commit checked out.
    revision : str
        The commit.
    output : Path
        Folder of the candidate. An earlier one is removed first, so that it is not taken for this
        one if this fails.
    say : callable
        Told what is being done.

    Raises
    ------
    CandidateError
        If `output` holds something else, or the work tree holds other inputs than the commit.
    TrackingError
        If the registry cannot be reached.
    """
    bundle.remove(output)
    workspace = Workspace(root)
    try:
        commit = Commit.of(root, revision)
        if not holds_commit(root, commit.id):
            raise CandidateError(
                f"the work tree holds other inputs than {commit.id[:12]}; check that commit out,"
                " without changes"
            )
        with working_copy(root):
            registry = Registry(root, params.load(workspace.params).release)
            made = _not_needed(root, registry, commit) or _make(workspace, commit, output, say)
    except ChurnError as error:
        _write_note(workspace, [f"no candidate: {error}"])
        raise
    _tell_workflow(made)
    _write_note(workspace, made.lines)
    return made


def _not_needed(root: Path, registry: Registry, commit: Commit) -> Made | None:
    """Tell whether Production has the model of these inputs already, or they were rolled back."""
    fingerprint = input_fingerprint(root)
    version = registry.production()
    if version is not None and rules.is_released(version, fingerprint):
        same = f"version {version.number} in Production is of the same inputs"
        return Made((f"nothing to release: {same}",), needed=False)
    for version in registry.versions():
        told = rules.describe_rollback(version)
        if told and inputs_unchanged_since(root, version, commit, fingerprint):
            return Made((f"nothing to release: of the same inputs is {told}",), needed=False)
    return None


def _make(workspace: Workspace, commit: Commit, output: Path, say: Say) -> Made:
    source, unknown = lineage.of_commit(commit.id, os.environ)
    plan = review.Plan(revision=None, production=True, from_scratch=True, source=source)
    judged = review.run(workspace, plan, output, say)
    digest = bundle.read_manifest(output).digest
    lines = (*verdict.lines(judged, "Release"), *([unknown] if unknown else []))
    if not judged.passed:
        whole = f"{output}: {source.summary}; not to be released: {judged.reason}"
        return Made((*lines, whole), 2 if judged.outcome == "stopped" else 1, needed=None)
    bundle.verify(output, workspace.root, commit.id)
    whole = f"{output}: {source.summary}; {_as_reviewed(judged)}"
    return Made((*lines, whole), digest=digest)


def _as_reviewed(judged: Verdict) -> str:
    """Say how the model compares with the one that was reviewed."""
    gate = next(gate for gate in judged.gates if gate.name == "committed results")
    return f"compared with what was reviewed: {gate.value} ({gate.reason})"


def _write_note(workspace: Workspace, lines: Sequence[str]) -> None:
    """Write down how it went, for the summary of a workflow's run."""
    *before, whole = map(prose, lines)
    with atomic(workspace.release_note) as fresh:
        text = "\n".join([f"## {whole}", "", *(f"- {line}" for line in before)])
        fresh.write_text(text.rstrip() + "\n", encoding="utf-8")


def _tell_workflow(made: Made) -> None:
    file = os.environ.get("GITHUB_OUTPUT")
    if file and made.needed is not None:
        with Path(file).open("a", encoding="utf-8") as output:
            output.write(f"needed={str(made.needed).lower()}\ndigest={made.digest}\n")
