"""The reviewed candidate taken from GitHub: found, downloaded and verified; or why not."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from churn import archive, bundle, merges
from churn.archive import ArchiveError
from churn.errors import ArtifactError, CandidateError, GitHubError
from churn.files import atomic
from churn.github import Repository
from churn.lineage import Source
from churn.merges import NotReviewedError, Pull, Review, Run

_Shape = TypeVar("_Shape", bound=BaseModel)
_UNUSABLE = (NotReviewedError, CandidateError, ArtifactError)
_LONGEST_REASON = 250  # it becomes a part of a version's description and audit trail


@dataclass(frozen=True)
class Wanted:
    """Whose candidate is looked for, and where it goes.

    Attributes
    ----------
    root : Path
        Top folder of the repository.
    commit : str
        40 hexadecimal digits.
    fingerprint : str
        Of that commit's inputs.
    output : Path
        Folder of the candidate.
    """

    root: Path
    commit: str
    fingerprint: str
    output: Path


@dataclass(frozen=True)
class Missing:
    """Why no reviewed candidate was taken.

    Attributes
    ----------
    why : str
        In one line.
    pull_request : int or None
    fork_digest : str or None
        Digest of the model that a fork's run has made from the same inputs.
    """

    why: str
    pull_request: int | None = None
    fork_digest: str | None = None


def take(wanted: Wanted, repository: Repository) -> Source | Missing:
    """Leave the reviewed candidate in its folder, whole or not at all.

    The first that can be taken is: of the merge queue, then of pull requests.

    Raises
    ------
    GitHubError
        If GitHub refuses, or does not answer.
    """
    return _Search(wanted, repository).run()


def plain(text: str) -> str:
    """Make one short line of what others may have written."""
    shown = "".join(sign if sign.isprintable() else " " for sign in text)
    line = " ".join(shown.split())
    return line if len(line) <= _LONGEST_REASON else f"{line[: _LONGEST_REASON - 2]} …"


class _Search:
    """Looking for one commit's candidate."""

    def __init__(self, wanted: Wanted, repository: Repository) -> None:
        self.wanted, self.repository = wanted, repository
        self.base = repository.default_branch()

    def run(self) -> Source | Missing:
        missing: list[Missing] = []
        for place in self._places():
            found = self._try(place)
            if isinstance(found, Source):
                return found
            missing.append(found)
        if not missing:
            commit = self.wanted.commit[:12]
            return Missing(
                f"no pull request was merged as {commit}; it was pushed to {self.base} directly"
            )
        chosen = next((one for one in missing if one.fork_digest), missing[-1])
        return replace(chosen, why=plain("; ".join(one.why for one in missing)))

    def _places(self) -> Iterator[list[Run] | Pull]:
        """Name what may have reviewed it; what comes later is asked for only if it is needed."""
        commit = self.wanted.commit
        if queued := _read(Run, self.repository.runs(merges.WORKFLOW, "merge_group", commit)):
            yield queued
        pulls = _read(Pull, self.repository.pull_requests_of(commit))
        yield from merges.merged(pulls, self.base)

    def _try(self, place: list[Run] | Pull) -> Source | Missing:
        number = place.number if isinstance(place, Pull) else None
        who = "the merge queue" if number is None else f"pull request #{number}"
        try:
            if isinstance(place, Pull):
                found = self._of_pull_request(place)
            else:
                found = merges.of_queue(place, self.wanted.commit, self.base)
            return self._of_fork(found) if found.from_fork else self._of_own(found)
        except _UNUSABLE as error:
            return Missing(f"{who}: {plain(str(error))}", number)

    def _of_pull_request(self, pull: Pull) -> Review:
        runs = self.repository.runs(merges.WORKFLOW, "pull_request", pull.head.sha)
        siblings: list[dict[str, Any]] = []
        if pull.head.repo is not None:
            owner = pull.head.repo.full_name.partition("/")[0]
            siblings = self.repository.pull_requests(owner, pull.head.ref, "all")
        events = _read(merges.Event, self.repository.events(pull.number))
        return merges.of_pull_request(pull, _read(Run, runs), _read(Pull, siblings), events)

    def _of_own(self, review: Review) -> Source:
        with atomic(self.wanted.output) as fresh:
            self._unpack(review, fresh)
        run = f"{self.repository.address}/actions/runs/{review.run}"
        return Source("reviewed", pull_request=review.pull_request, run=run)

    def _of_fork(self, review: Review) -> Missing:
        """Look at what a stranger's code has made, and do not take it."""
        why = f"from a fork: made again on {self.base}"
        try:
            with tempfile.TemporaryDirectory(prefix="churn-fork-") as scratch:
                manifest = self._unpack(review, Path(scratch) / "candidate")
        except _UNUSABLE as error:
            return Missing(f"{why} ({plain(str(error))})", review.pull_request)
        return Missing(why, review.pull_request, manifest["model_digest"])

    def _unpack(self, review: Review, folder: Path) -> dict[str, Any]:
        listed = self.repository.artifacts(review.run, merges.ARTIFACT)
        chosen = merges.candidate(_read(merges.Artifact, listed))
        content = self.repository.download(chosen.id, merges.MAX_ARCHIVE_BYTES)
        merges.require_small(len(content))  # whatever the list has said
        try:
            archive.unpack(content, folder)
            return _verified(folder, self.wanted)
        except ArchiveError as error:
            raise NotReviewedError(f"its candidate cannot be unpacked: {error}") from error
        except (CandidateError, ArtifactError) as error:
            # Where it was unpacked for the moment says nothing to anybody.
            raise CandidateError(str(error).replace(str(folder), "candidate")) from error


def _verified(folder: Path, wanted: Wanted) -> dict[str, Any]:
    """Check every byte of a candidate, whose inputs it was made from, and its verdict."""
    manifest = bundle.read_manifest(folder)
    if (
        manifest["model_digest"] is None
        and bundle.read_verdict(folder).get("outcome") == "unchanged"
    ):
        raise NotReviewedError("it changed no model")
    if manifest["fingerprint"] != wanted.fingerprint:
        raise NotReviewedError(
            "its run had other inputs than what is merged now (fingerprint"
            f" {manifest['fingerprint'][:12]}, not {wanted.fingerprint[:12]}), as when the branch"
            " that it went to has moved since"
        )
    bundle.verify(folder, wanted.root, wanted.commit)
    if reason := bundle.objection(folder, manifest):
        raise NotReviewedError(reason)
    return manifest


def _read(shape: type[_Shape], told: list[dict[str, Any]]) -> list[_Shape]:
    try:
        return [shape.model_validate(one) for one in told]
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(map(str, problem["loc"]))
        raise GitHubError(f"GitHub's answer is not as expected: {key}: {problem['msg']}") from error
