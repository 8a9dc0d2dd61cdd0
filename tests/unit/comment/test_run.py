"""The run that a comment tells of, and which of its jobs have failed."""

from __future__ import annotations

import pytest

from churn.comment.run import Failure, failures, read_event
from churn.provenance.github_answers import Job
from tests.unit.comment.samples import HEAD, REPOSITORY, RUN, WORKFLOW

EVENT = {
    "repository": {"default_branch": "main"},
    "workflow_run": {
        "id": 77,
        "run_number": 12,
        "path": WORKFLOW,
        "conclusion": "success",
        "head_sha": HEAD,
        "head_branch": "better",
        "head_repository": {"full_name": "stranger/shop"},
    },
}


def job(name: str, conclusion: str | None, *steps: tuple[str, str | None]) -> Job:
    listed = [{"name": step, "conclusion": how} for step, how in steps]
    return Job.read({"name": name, "conclusion": conclusion, "steps": listed})


@pytest.mark.parametrize("revision", ["", "@main", "@refs/heads/main"])
def test_a_run_is_read_from_its_event(revision: str) -> None:
    run = EVENT["workflow_run"] | {"path": f"{WORKFLOW}{revision}"}  # type: ignore[operator]
    assert read_event(EVENT | {"workflow_run": run}, REPOSITORY) == RUN
    assert RUN.address == f"{REPOSITORY}/actions/runs/77"


def test_a_fork_that_is_gone_has_no_pull_request() -> None:
    run = EVENT["workflow_run"] | {"head_repository": None}  # type: ignore[operator]
    made = read_event(EVENT | {"workflow_run": run}, REPOSITORY)
    assert made.source == "None"


def test_a_job_has_failed_in_its_first_step_that_has() -> None:
    jobs = [
        job("quality", "failure", ("Lint", "success"), ("Unit tests", "failure"), ("x", "failure")),
        job("candidate", "timed_out", ("Train", "cancelled"), ("Report", "success")),
        job("other", "cancelled"),
        job("fine", "success", ("allowed to fail", "failure")),
        job("left out", "skipped"),
        job("never begun", None),
        job("required", "failure", ("Every job has succeeded", "failure")),
    ]
    assert failures(jobs) == [
        Failure("quality", "failed", "Unit tests"),
        Failure("candidate", "took too long", "Train"),
        Failure("other", "was cancelled", ""),
    ]


def test_the_job_that_sums_up_is_named_where_it_alone_has_failed() -> None:
    jobs = [job("quality", "skipped"), job("required", "failure", ("Every job", "failure"))]
    assert failures(jobs) == [Failure("required", "failed", "Every job")]
