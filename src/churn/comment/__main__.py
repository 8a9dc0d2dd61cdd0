"""``python3 -m churn.comment``: post the report of a run of pull-request.yml.

Reads the environment of a workflow: `GITHUB_EVENT_PATH` (a ``workflow_run`` event),
`GITHUB_SERVER_URL`, `GITHUB_REPOSITORY`, and `GH_TOKEN`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import NoReturn

from churn.comment import artifact, body, cml, sticky, touched
from churn.comment.artifact import RefusedError
from churn.comment.run import WORKFLOW, Failure, Run, failures, read_event
from churn.core.errors import ChurnError, GitHubError
from churn.provenance.github import Repository
from churn.provenance.github_answers import PullRequest

# A run that waits for a maintainer's approval, or that a filter has skipped, has no result yet.
_WITHOUT_RESULT = ("action_required", "skipped", "stale")


def comment_on(run: Run, repository: Repository, author: str) -> None:
    """Find the pull request and the review of a run, and post the comment.

    Raises
    ------
    RefusedError
        If the review is invalid; raised after posting a comment that says so.
    GitHubError
        If a request fails, or the pull request is ambiguous.
    """
    pull = find_pull_request(run, repository)
    if pull is None:
        return
    change, failed = touched.fetch_change(repository, pull, Path()), find_failures(run, repository)
    refused = None
    try:
        facts = artifact.fetch(repository, run.id)
        text = body.notice("There is no report of this run; see its log.", run, change, failed)
        if facts is not None:
            text = body.compose(facts, run, change, failed)
    except RefusedError as error:
        reason = f"The report of this run was refused and is not shown: {error}."
        refused, text = error, body.notice(reason, run, change, failed)
    post(pull.number, text, run, repository, author)
    if refused:
        raise refused


def find_pull_request(run: Run, repository: Repository) -> PullRequest | None:
    """Return the run's pull request; None, with a printed reason, if no comment is due.

    Raises
    ------
    GitHubError
        If several pull requests have this head, and not exactly one targets the default branch.
    """
    if run.workflow != WORKFLOW:  # another workflow may have the same name
        print(f"run {run.id} belongs to another workflow: no comment")
        return None
    if run.conclusion in _WITHOUT_RESULT:
        print(f"run {run.id} ended as {run.conclusion}: no comment")
        return None
    opened = repository.pull_requests(run.source.partition("/")[0], run.branch)
    pulls = sticky.pull_requests_of(run, opened)
    current = [pull for pull in pulls if pull.head == run.head]
    if not current:
        why = "a newer push has superseded it" if pulls else "its pull request is not open"
        print(f"run {run.id}: {why}, no comment")
        return None
    if len(current) > 1:  # prefer the default branch, for which pull-request.yml runs
        current = [pull for pull in current if pull.base == run.base]
    if len(current) != 1:
        raise GitHubError(f"run {run.id}: its commit is the head of several pull requests")
    return current[0]


def find_failures(run: Run, repository: Repository) -> list[Failure]:
    """List the failed jobs of the run; empty if GitHub does not answer."""
    if run.conclusion == "success":
        return []
    try:
        return failures(repository.jobs(run.id))
    except GitHubError:
        print("the failed jobs are unknown: no answer from GitHub")
        return []


def post(number: int, text: str, run: Run, repository: Repository, author: str) -> None:
    """Create or update the pull request's comment: with CML, else with `gh` and CML's marker."""
    use_cml = sticky.cml_finds_ours(repository.comments(number), author)
    if not use_cml:
        print("cml would update another comment: gh posts the comment")
    if use_cml and cml.write_comment(repository, number, text):
        return
    # List them again: CML may have written the comment before it failed.
    existing = sticky.ours(repository.comments(number), author)
    comment_id = None if existing is None else existing.id
    print(repository.write_comment(number, comment_id, sticky.mark(text, run.head)))


def main(arguments: list[str] | None = None) -> None:
    """Run the command; a known error is one line on stderr and exit code 2."""
    parser = argparse.ArgumentParser(prog="python3 -m churn.comment", description=__doc__)
    parser.add_argument(
        "--author",
        default="github-actions[bot]",
        help="account that owns GH_TOKEN (default: %(default)s)",
    )
    author = parser.parse_args(arguments).author
    try:
        run, repository = read_environment()
        comment_on(run, repository, author)
    except (ChurnError, OSError) as error:
        stop(str(error), error)


def read_environment() -> tuple[Run, Repository]:
    """Read the completed run and its repository from the environment."""
    try:
        event = Path(os.environ["GITHUB_EVENT_PATH"])
        address = f"{os.environ['GITHUB_SERVER_URL']}/{os.environ['GITHUB_REPOSITORY']}"
        repository = Repository(address, os.environ["GH_TOKEN"])
    except KeyError as error:
        stop(f"{error} is missing; run this in comment.yml", error)
    try:
        return read_event(json.loads(event.read_text(encoding="utf-8")), address), repository
    except (KeyError, TypeError, ValueError) as error:
        reason = f"{type(error).__name__} {error}"
        stop(f"GITHUB_EVENT_PATH: not a completed workflow_run: {reason}", error)


def stop(reason: str, error: Exception) -> NoReturn:
    """Exit with one line on stderr and code 2."""
    print(f"Error: {' '.join(reason.split())}", file=sys.stderr)
    raise SystemExit(2) from error


if __name__ == "__main__":
    main()
