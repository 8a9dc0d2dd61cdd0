"""Command `candidate make`: build the candidate of a commit on main from scratch.

Reads git only, and nothing that a pull request's job has written: data, parameters and code are
those of the commit, and everything else is computed again.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from churn.core import params
from churn.core.errors import CandidateError, ChurnError
from churn.core.files import atomic
from churn.core.paths import Workspace
from churn.core.progress import Say
from churn.deploy import rules
from churn.deploy.commits import Commit, inputs_unchanged_since
from churn.provenance import bundle, lineage
from churn.provenance.candidate import holds_commit, input_fingerprint
from churn.registry import Registry
from churn.registry.working_copy import working_copy
from churn.review import run as review
from churn.review import verdict
from churn.review.outcome import Verdict
from churn.review.report.text import prose


@dataclass(frozen=True)
class Made:
    """The result of building a candidate.

    Attributes
    ----------
    lines : tuple of str
        Messages, the summary last.
    code : int
        Exit code: 0 if the candidate was built or none is needed, 1 if a gate blocks it, 2 if it
        could not be built.
    needed : bool or None
        Whether there is something to release; None if that is blocked.
    digest : str
        Digest of the candidate's manifest, by which later jobs verify it.
    """

    lines: tuple[str, ...]
    code: int = 0
    needed: bool | None = True
    digest: str = ""


def make(root: Path, revision: str, output: Path, say: Say) -> Made:
    """Train, test, compare and judge the candidate of a commit, and pack it into `output`.

    Nothing is built if Production has a model of the same inputs, or such a model was rolled back.
    Writes ``needed`` and ``digest`` to the file that `GITHUB_OUTPUT` names, for the workflow.

    Parameters
    ----------
    root : Path
        Top folder of the repository, with the commit checked out.
    revision : str
        The commit.
    output : Path
        Folder of the candidate. An earlier candidate is removed first, so that it cannot be
        mistaken for this one after a failure.
    say : callable
        Called with the name of each step.

    Raises
    ------
    CandidateError
        If `output` holds something else, or the inputs in the work tree differ from the commit.
    TrackingError
        If the registry cannot be reached.
    """
    bundle.remove(output)
    workspace = Workspace(root)
    try:
        commit = Commit.of(root, revision)
        if not holds_commit(root, commit.id):
            raise CandidateError(
                f"the inputs in the work tree differ from {commit.id[:12]}; check out that commit"
                " without changes"
            )
        with working_copy(root):
            registry = Registry(root, params.load(workspace.params).release)
            made = _not_needed(root, registry, commit) or _make(workspace, commit, output, say)
    except ChurnError as error:
        _write_note(workspace, [f"no candidate: {error}"])
        raise
    _write_workflow_output(made)
    _write_note(workspace, made.lines)
    return made


def _not_needed(root: Path, registry: Registry, commit: Commit) -> Made | None:
    """Return a result if Production has a model of these inputs, or one was rolled back."""
    fingerprint = input_fingerprint(root)
    version = registry.production()
    if version is not None and rules.is_released(version, fingerprint):
        same = f"version {version.number} in Production has the same inputs"
        return Made((f"nothing to release: {same}",), needed=False)
    for version in registry.versions():
        rollback = rules.describe_rollback(version)
        if rollback and inputs_unchanged_since(root, version, commit, fingerprint):
            reason = f"nothing to release: the same inputs gave {rollback}"
            return Made((reason,), needed=False)
    return None


def _make(workspace: Workspace, commit: Commit, output: Path, say: Say) -> Made:
    source, unknown = lineage.of_commit(commit.id, os.environ)
    plan = review.Plan(revision=None, production=True, from_scratch=True, source=source)
    judged = review.run(workspace, plan, output, say)
    digest = bundle.read_manifest(output).digest
    lines = (*verdict.lines(judged, "Release"), *([unknown] if unknown else []))
    if not judged.passed:
        summary = f"{output}: {source.summary}; not to be released: {judged.reason}"
        return Made((*lines, summary), 2 if judged.outcome == "stopped" else 1, needed=None)
    bundle.verify(output, workspace.root, commit.id)
    summary = f"{output}: {source.summary}; {_compared_with_review(judged)}"
    return Made((*lines, summary), digest=digest)


def _compared_with_review(judged: Verdict) -> str:
    """Say how the results compare with the committed ones, which were reviewed."""
    gate = next(gate for gate in judged.gates if gate.name == "committed results")
    return f"compared with what was reviewed: {gate.value} ({gate.reason})"


def _write_note(workspace: Workspace, lines: Sequence[str]) -> None:
    """Write the result as Markdown, for the summary of the workflow run."""
    *details, summary = map(prose, lines)
    with atomic(workspace.release_note) as fresh:
        text = "\n".join([f"## {summary}", "", *(f"- {line}" for line in details)])
        fresh.write_text(text.rstrip() + "\n", encoding="utf-8")


def _write_workflow_output(made: Made) -> None:
    file = os.environ.get("GITHUB_OUTPUT")
    if file and made.needed is not None:
        with Path(file).open("a", encoding="utf-8") as output:
            output.write(f"needed={str(made.needed).lower()}\ndigest={made.digest}\n")
