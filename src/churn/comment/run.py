"""The workflow run that the comment is about, parsed from GitHub's event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from churn.provenance.github_answers import Job, Step

WORKFLOW = ".github/workflows/pull-request.yml"
_AGGREGATE_JOB = "required"
_FAILED = {"failure": "failed", "timed_out": "took too long", "cancelled": "was cancelled"}


@dataclass(frozen=True)
class Run:
    """A completed workflow run.

    Attributes
    ----------
    id : int
    number : int
        As GitHub's pages show it.
    workflow : str
        Path of the workflow's file.
    conclusion : str
        ``success``, ``failure``, ``cancelled`` and so on.
    head : str
        Newest commit of the pull request.
    branch : str
        Branch of the pull request.
    source : str
        Repository of that branch, ``owner/name``; may be a fork.
    repository : str
        URL of the repository that the pull request is for.
    base : str
        Default branch of that repository.
    """

    id: int
    number: int
    workflow: str
    conclusion: str
    head: str
    branch: str
    source: str
    repository: str
    base: str

    @property
    def address(self) -> str:
        """URL of the run's page."""
        return f"{self.repository}/actions/runs/{self.id}"


@dataclass(frozen=True)
class Failure:
    """A failed job, how it failed, and its step; the names are the pull request's, untrusted."""

    job: str
    how: str
    step: str


def read_event(event: dict[str, Any], repository: str) -> Run:  # GitHub has dozens of keys
    """Parse a ``workflow_run`` event.

    Raises
    ------
    KeyError, TypeError, ValueError
        If it is malformed.
    """
    run = event["workflow_run"]
    return Run(
        id=int(run["id"]),
        number=int(run["run_number"]),
        # GitHub may append the revision of the file: "…/pull-request.yml@main".
        workflow=str(run["path"]).partition("@")[0],
        conclusion=str(run["conclusion"]),
        head=str(run["head_sha"]),
        branch=str(run["head_branch"]),
        source=str((run["head_repository"] or {}).get("full_name")),
        repository=repository,
        base=str(event["repository"]["default_branch"]),
    )


def failures(jobs: Sequence[Job]) -> list[Failure]:
    """List the failed jobs of a run, each with its failed step.

    The job that aggregates the others is left out if another job has failed.
    """
    failed = [job for job in jobs if job.conclusion in _FAILED]
    failed = [job for job in failed if job.name != _AGGREGATE_JOB] or failed
    return [
        Failure(job.name, _FAILED[str(job.conclusion)], _failed_step(job.steps)) for job in failed
    ]


def _failed_step(steps: Sequence[Step]) -> str:
    return next((step.name for step in steps if step.conclusion in _FAILED), "")
