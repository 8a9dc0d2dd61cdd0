"""From a commit on main to the run that has reviewed it: choices among GitHub's answers, no calls.

The shapes hold what the choices lean on; GitHub tells more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydantic import AwareDatetime, BaseModel, ConfigDict

from churn.errors import ChurnError

WORKFLOW = "pull-request.yml"
ARTIFACT = "candidate"
MAX_ARCHIVE_BYTES = 200_000_000
_LED_ELSEWHERE = ("base_ref_changed", "automatic_base_change_succeeded")


class NotReviewedError(ChurnError):
    """There is no run whose candidate may be taken; the message says why."""


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True)


class Place(_Told):
    """A repository. A fork that is deleted is told as null."""

    id: int
    full_name: str


class Run(_Told):
    """A run of a workflow."""

    id: int
    event: str
    status: str
    conclusion: str | None
    created_at: AwareDatetime
    head_sha: str
    head_branch: str | None
    head_repository: Place | None
    repository: Place


class Head(_Told):
    """What a pull request brings."""

    ref: str
    sha: str
    repo: Place | None


class Base(_Told):
    """Where a pull request goes."""

    ref: str


class Pull(_Told):
    """A pull request."""

    number: int
    merged_at: AwareDatetime | None
    head: Head
    base: Base


class Event(_Told):
    """Something that has happened to a pull request."""

    event: str
    created_at: AwareDatetime


class Artifact(_Told):
    """What a run has left."""

    id: int
    name: str
    size_in_bytes: int
    expired: bool


@dataclass(frozen=True)
class Review:
    """A run that has reviewed what a commit holds, and has succeeded.

    Attributes
    ----------
    run : int
    pull_request : int or None
        Its number, as far as it is known.
    from_fork : bool
        Whether it ran the code of another repository, which nobody had looked at by then.
    """

    run: int
    pull_request: int | None
    from_fork: bool


def merged(pulls: Iterable[Pull], base: str) -> list[Pull]:
    """Choose the pull requests that were merged to a branch, the last one first."""
    dated = [(pull.merged_at, pull) for pull in pulls if pull.merged_at and pull.base.ref == base]
    return [pull for _, pull in sorted(dated, key=lambda one: one[0], reverse=True)]


def of_queue(runs: Iterable[Run], commit: str, base: str) -> Review:
    """Choose the merge queue's run on the very commit that it has made.

    Raises
    ------
    NotReviewedError
        If there is no such run, or it has not succeeded.
    """
    named = re.compile(rf"gh-readonly-queue/{re.escape(base)}/pr-(\d+)-[0-9a-f]+")
    found = {
        run: int(matched[1])
        for run in runs
        if (run.event, run.head_sha) == ("merge_group", commit)
        and (matched := named.fullmatch(run.head_branch or ""))
    }
    if not found:
        raise NotReviewedError(f"no run of it for {base} is known")
    run = _newest(found)
    return _review(run, found[run])


def of_pull_request(
    pull: Pull, runs: Iterable[Run], siblings: Iterable[Pull], events: Iterable[Event]
) -> Review:
    """Choose the newest run of a pull request on its last commit.

    GitHub does not tell which branch a run was to merge to. Who may push can open a second pull
    request of the same commit to a branch with another pull-request.yml, or lead the first one
    from such a branch to main: what ran then looks the same, and nobody has reviewed it. So
    neither may have happened.

    Parameters
    ----------
    pull : Pull
    runs : iterable of Run
        On its last commit.
    siblings : iterable of Pull
        Pull requests from its branch, open or not.
    events : iterable of Event
        What has happened to it.

    Raises
    ------
    NotReviewedError
        If there is no such run, it has not succeeded, or may have been another pull request's.
    """
    ours = [run for run in runs if run.event == "pull_request" and _head(run) == _key(pull.head)]
    if not ours:
        raise NotReviewedError(f"no run of {WORKFLOW} on its last commit is known")
    run = _newest(ours)
    for other in siblings:
        if other.number != pull.number and _key(other.head) == _key(pull.head):
            raise NotReviewedError(
                f"its last commit is that of pull request #{other.number} too, and whose run it"
                " was cannot be told"
            )
    if any(one.event in _LED_ELSEWHERE and one.created_at >= run.created_at for one in events):
        raise NotReviewedError("it was led to another branch since its run")
    return _review(run, pull.number)


def candidate(artifacts: Sequence[Artifact]) -> Artifact:
    """Choose a run's candidate: the last attempt's where the run was repeated.

    Raises
    ------
    NotReviewedError
        If there is none, it is gone, or it is larger than any of ours.
    """
    ours = [artifact for artifact in artifacts if artifact.name == ARTIFACT]
    kept = [artifact for artifact in ours if not artifact.expired]
    if not kept:
        what = "has expired" if ours else "is gone, or there was none"
        raise NotReviewedError(f"the candidate of its run {what}")
    chosen = max(kept, key=lambda artifact: artifact.id)
    require_small(chosen.size_in_bytes)
    return chosen


def require_small(size: int) -> None:
    """Make sure that an archive is not larger than any of ours.

    Raises
    ------
    NotReviewedError
        If it is.
    """
    if size > MAX_ARCHIVE_BYTES:
        raise NotReviewedError(f"its candidate is larger than {MAX_ARCHIVE_BYTES:,} bytes")


def _newest(runs: Iterable[Run]) -> Run:
    return max(runs, key=lambda run: run.id)


def _review(run: Run, number: int) -> Review:
    if (run.status, run.conclusion) != ("completed", "success"):
        ended = run.conclusion or run.status
        raise NotReviewedError(f"its run {run.id} has not succeeded ({ended})")
    is_own = run.head_repository is not None and run.head_repository.id == run.repository.id
    return Review(run.id, number, not is_own)


def _key(head: Head) -> tuple[str, str | None, int | None]:
    return head.sha, head.ref, head.repo.id if head.repo else None


def _head(run: Run) -> tuple[str, str | None, int | None]:
    source = run.head_repository
    return run.head_sha, run.head_branch, source.id if source else None
