"""The workflow run that the comment tells of, from GitHub's own event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from churn.provenance.github_answers import Job, Step

WORKFLOW = ".github/workflows/pull-request.yml"
_SUMS_UP = "required"
_FAILED = {"failure": "failed", "timed_out": "took too long", "cancelled": "was cancelled"}


@dataclass(frozen=True)
class Run:
    """A run that has ended; `number` is what it is called on GitHub's pages.

    Its pull request comes from `branch` of `source` (``owner/name``, a fork perhaps), whose newest
    commit is `head`. `repository` is the address of the repository that it goes to, and `base` the
    default branch there.
    """

    id: int
    number: int
    workflow: str  # its file
    conclusion: str  # success, failure, cancelled, …
    head: str
    branch: str
    source: str
    repository: str
    base: str

    @property
    def address(self) -> str:
        """Address of the run's page."""
        return f"{self.repository}/actions/runs/{self.id}"


@dataclass(frozen=True)
class Failure:
    """A job that has failed, in which way, and in which step; the pull request's own names."""

    job: str
    how: str
    step: str


def read_event(event: dict[str, Any], repository: str) -> Run:  # GitHub has dozens of keys
    """Take from a ``workflow_run`` event, as GitHub sends it, what the comment needs."""
    run = event["workflow_run"]
    return Run(
        id=int(run["id"]),
        number=int(run["run_number"]),
        # GitHub may append the revision that it took the file from: "…/pull-request.yml@main".
        workflow=str(run["path"]).partition("@")[0],
        conclusion=str(run["conclusion"]),
        head=str(run["head_sha"]),
        branch=str(run["head_branch"]),
        source=str((run["head_repository"] or {}).get("full_name")),
        repository=repository,
        base=str(event["repository"]["default_branch"]),
    )


def failures(jobs: Sequence[Job]) -> list[Failure]:
    """Say which jobs of a run have failed, and in which step.

    The job that only says whether the others have succeeded is left out where another one failed.
    """
    bad = [job for job in jobs if job.conclusion in _FAILED]
    bad = [job for job in bad if job.name != _SUMS_UP] or bad
    return [Failure(job.name, _FAILED[str(job.conclusion)], _failed_step(job.steps)) for job in bad]


def _failed_step(steps: Sequence[Step]) -> str:
    return next((step.name for step in steps if step.conclusion in _FAILED), "")
