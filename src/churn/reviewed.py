"""Command `candidate fetch`: the candidate that was reviewed, or why it had to be made again."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from churn import bundle, lineage, params, promotion, review, taken, tracking, verdict
from churn.candidate import commit_fingerprint, input_fingerprint
from churn.errors import CandidateError, ChurnError, GitHubError, RegistryError
from churn.files import atomic
from churn.gate import Verdict
from churn.github import Repository
from churn.lineage import Source
from churn.paths import Workspace
from churn.promotion import Commit
from churn.registry import Registry
from churn.report.text import prose
from churn.taken import Missing, Wanted, plain

Say = Callable[[str], None]
_KEPT = "registry-"  # how the keys begin under which .github/actions/keep_registry keeps one


@dataclass(frozen=True)
class Fetched:
    """How a fetch has ended.

    Attributes
    ----------
    lines : tuple of str
        What there is to say of it, the whole last.
    code : int
        Exit code: 0 if the candidate is there or none is needed, 1 if what was made again is
        blocked by its gates, 2 if it could not be made.
    needed : bool or None
        Whether there is something to release; None where that is blocked.
    """

    lines: tuple[str, ...]
    code: int = 0
    needed: bool | None = True


def fetch(root: Path, revision: str, output: Path, say: Say) -> Fetched:
    """Leave the reviewed candidate of a commit in `output`, or one that is made again.

    Made again means: trained from the work tree, and judged against Production. Where Production
    has a model of the same inputs already, nothing is left there. A workflow is told by
    ``needed=true`` or ``needed=false`` in the file that `GITHUB_OUTPUT` names.

    Parameters
    ----------
    root : Path
        Top folder of the repository.
    revision : str
        The commit.
    output : Path
        Folder of the candidate. An earlier one is removed first, with the note beside it, so that
        neither is taken for this one's if this fails.
    say : callable
        Told what is being done.

    Returns
    -------
    Fetched

    Raises
    ------
    RegistryError
        If a registry that GitHub keeps could not be restored, or another release is under way.
    CandidateError
        If `output` holds something else, or if it has to be made again and the work tree holds
        other inputs.
    TrackingError
        If the registry cannot be reached.
    """
    bundle.remove(output)
    lineage.path(output).unlink(missing_ok=True)
    commit = Commit.of(root, revision).id
    wanted = Wanted(root, commit, commit_fingerprint(root, commit), output)
    workspace = Workspace(root)
    try:
        registry = Registry(root, params.load(workspace.params).release)
        _require_registry(root)
        fetched = (
            _released_before(wanted, registry)
            or _rolled_back(wanted, registry)
            or _take_or_reproduce(wanted, say)
        )
    except ChurnError as error:
        _write_note(workspace, [f"no candidate: {error}"])
        raise
    _tell_workflow(fetched.needed)
    _write_note(workspace, fetched.lines)
    return fetched


def _write_note(workspace: Workspace, lines: Sequence[str]) -> None:
    """Write down how it went, for the summary of a workflow's run."""
    *before, whole = map(prose, lines)
    with atomic(workspace.release_note) as fresh:
        text = "\n".join([f"## {whole}", "", *(f"- {line}" for line in before)])
        fresh.write_text(text.rstrip() + "\n", encoding="utf-8")


def _require_registry(root: Path) -> None:
    """Make sure that an empty registry is a new one, and not a file that could not be restored.

    A release into that would be its version 1, and would be kept in place of all that was before.
    """
    # Any file in there, of whatever version: both are kept together or not at all.
    if not tracking.is_file() or _lacking() or any((root / "mlruns").rglob("*")):
        return
    repository = _repository()
    try:
        kept = repository.caches(_KEPT, repository.default_branch())
    except GitHubError as error:
        raise RegistryError(
            f"the registry is empty, and whether GitHub keeps another is unknown: {error}"
        ) from error
    if kept:
        raise RegistryError(
            f"the registry is empty, but GitHub keeps one ({plain(str(kept[0].get('key')))}) that"
            " could not be restored; run this job again"
        )


def _released_before(wanted: Wanted, registry: Registry) -> Fetched | None:
    """Tell whether Production works, and has the model of the same inputs."""
    commit = Commit.of(wanted.root, wanted.commit)
    version = promotion.released(wanted.root, registry, commit, wanted.fingerprint)
    if version is None:
        return None
    same = f"version {version.number} in Production is of the same inputs"
    return Fetched((f"nothing to release: {same}",), needed=False)


def _rolled_back(wanted: Wanted, registry: Registry) -> Fetched | None:
    """Tell whether this commit has what was rolled back, and has only not changed it since."""
    commit = Commit.of(wanted.root, wanted.commit)
    for version in registry.versions():
        told = promotion.rolled_back(version)
        if told and promotion.has_stayed(wanted.root, version, commit):
            return Fetched((f"nothing to release: of the same inputs is {told}",), needed=False)
    return None


def _take_or_reproduce(wanted: Wanted, say: Say) -> Fetched:
    found = _take(wanted, say)
    return _reproduce(wanted, found, say) if isinstance(found, Missing) else _noted(wanted, found)


def _take(wanted: Wanted, say: Say) -> Source | Missing:
    if name := _lacking():
        return Missing(f"there is no GitHub to ask ({name} is not set)")
    say("look for the reviewed candidate")
    try:
        return taken.take(wanted, _repository())
    except GitHubError as error:
        return Missing(plain(f"GitHub could not be asked: {error}"))


def _reproduce(wanted: Wanted, missing: Missing, say: Say) -> Fetched:
    """Make the candidate again, as a pull request's run does, and judge it for a release."""
    if input_fingerprint(wanted.root) != wanted.fingerprint:
        raise CandidateError(
            f"{missing.why}; and it cannot be made again, because the work tree holds other inputs"
            f" than {wanted.commit[:12]}: check that commit out, without changes"
        )
    say(f"reproduce: {missing.why}")
    plan = review.Plan(revision=None, production=True, from_scratch=True)
    judged = review.run(Workspace(wanted.root), plan, wanted.output, say)
    if not judged.passed:
        return _blocked(wanted, missing, judged)
    manifest = bundle.verify(wanted.output, wanted.root, wanted.commit)
    return _noted(wanted, _source(missing, manifest["model_digest"]))


def _blocked(wanted: Wanted, missing: Missing, judged: Verdict) -> Fetched:
    source = _source(missing, bundle.read_manifest(wanted.output)["model_digest"])
    lineage.write(wanted.output, source)
    whole = f"{wanted.output}: {source.told}; it is not to be released"
    code = 2 if judged.outcome == "stopped" else 1
    return Fetched((*verdict.lines(judged, "Release"), whole), code, needed=None)


def _source(missing: Missing, digest: str | None) -> Source:
    why = missing.why
    if missing.fork_digest is not None and digest is not None:
        why += f", with {'the same' if digest == missing.fork_digest else 'other'} bytes"
    run = os.environ.get("GITHUB_RUN_ID")
    is_run = run and os.environ.get("GITHUB_REPOSITORY")
    here = f"{_address()}/actions/runs/{run}" if is_run else ""
    return Source("reproduced", why, missing.pull_request, here)


def _noted(wanted: Wanted, source: Source) -> Fetched:
    """Write down where a candidate comes from, now that it is there."""
    lineage.write(wanted.output, source)
    return Fetched((f"{wanted.output}: {source.told}",))


def _lacking() -> str | None:
    """Name what would have to be set for GitHub to be asked."""
    needed = ("GITHUB_REPOSITORY", "GH_TOKEN")
    return next((name for name in needed if not os.environ.get(name)), None)


def _repository() -> Repository:
    return Repository(_address(), os.environ["GH_TOKEN"])


def _address() -> str:
    server = os.environ.get("GITHUB_SERVER_URL") or "https://github.com"
    return f"{server}/{os.environ['GITHUB_REPOSITORY']}"


def _tell_workflow(needed: bool | None) -> None:
    file = os.environ.get("GITHUB_OUTPUT")
    if file and needed is not None:
        with Path(file).open("a", encoding="utf-8") as output:
            output.write(f"needed={str(needed).lower()}\n")
