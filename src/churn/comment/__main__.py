"""``python3 -m churn.comment``: post what a run of pull-request.yml has found.

Everything that it has to know stands in the environment of a workflow: `GITHUB_EVENT_PATH` (a
``workflow_run`` event), `GITHUB_SERVER_URL`, `GITHUB_REPOSITORY`, and `GH_TOKEN`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

from churn.comment import artifact, body, sticky
from churn.comment.artifact import RefusedError
from churn.comment.body import Run
from churn.comment.github import Repository
from churn.errors import ChurnError, GitHubError

# A run that waits for a maintainer's approval, or that a filter has left out, says nothing yet.
_NOTHING_TO_SAY = ("action_required", "skipped", "stale")


def read_event(event: dict[str, Any], repository: str) -> Run:
    """Take from the event what the comment needs.

    Parameters
    ----------
    event : dict
        ``workflow_run``, as GitHub sends it.
    repository : str
        Address of the repository.
    """
    run = event["workflow_run"]
    return Run(
        id=int(run["id"]),
        number=int(run["run_number"]),
        conclusion=str(run["conclusion"]),
        head=str(run["head_sha"]),
        branch=str(run["head_branch"]),
        source=str((run["head_repository"] or {}).get("full_name")),
        repository=repository,
        base=str(event["repository"]["default_branch"]),
    )


def comment_on(run: Run, repository: Repository, author: str) -> None:
    """Find the run's pull request and its report, and post the comment.

    Raises
    ------
    RefusedError
        If the report is not one of ours; a comment that says so has been posted then.
    GitHubError
        If GitHub refuses, or the pull request cannot be told.
    """
    number = find_pull_request(run, repository)
    if number is None:
        return
    try:
        text = make_comment(run, repository)
    except RefusedError as error:
        reason = f"The report of this run was refused and is not shown: {error}."
        post(number, body.notice(reason, run), run, repository, author)
        raise
    post(number, text, run, repository, author)


def find_pull_request(run: Run, repository: Repository) -> int | None:
    """Return the number of the run's pull request; none, with a line, if there is nothing to say.

    Raises
    ------
    GitHubError
        If several pull requests have this head, and not one of them goes to the default branch.
    """
    if run.conclusion in _NOTHING_TO_SAY:
        print(f"run {run.id} ended as {run.conclusion}: no comment")
        return None
    opened = repository.pull_requests(run.source.partition("/")[0], run.branch)
    pulls = sticky.pull_requests_of(run, opened)
    current = [pull for pull in pulls if pull["head"]["sha"] == run.head]
    if not current:
        why = "a newer push has superseded it" if pulls else "its pull request is not open"
        print(f"run {run.id}: {why}, no comment")
        return None
    if len(current) > 1:  # to a branch of releases as well: pull-request.yml runs for main
        current = [pull for pull in current if pull["base"]["ref"] == run.base]
    if len(current) != 1:
        raise GitHubError(f"run {run.id}: its commit is the head of several pull requests")
    return int(current[0]["number"])


def make_comment(run: Run, repository: Repository) -> str:
    """Make the comment from the run's report, or from there being none.

    Raises
    ------
    RefusedError
        If the report is not one of ours.
    """
    chosen = artifact.newest(repository.artifacts(run.id, artifact.NAME))
    if chosen is None:
        return body.notice("The run ended before it could say more than this; see its log.", run)
    archive = repository.download(int(chosen["id"]), artifact.MAX_ARCHIVE_BYTES)
    return body.compose(artifact.unpack(archive), run)


def post(number: int, text: str, run: Run, repository: Repository, author: str) -> None:
    """Write the one comment of the pull request: by CML, or by `gh` under CML's mark."""
    by_cml = sticky.cml_agrees(repository.comments(number), author)
    if not by_cml:
        print("cml would take another comment for ours: gh posts the comment")
    if by_cml and repository.cml_comment(number, text):
        return
    # Asked again, for CML may have got as far as writing before it failed.
    found = sticky.ours(repository.comments(number), author)
    comment_id = None if found is None else int(found["id"])
    print(repository.write_comment(number, comment_id, sticky.mark(text, run.head)))


def main(arguments: list[str] | None = None) -> None:
    """Run the program; a known error is one line on stderr and exit code 2."""
    parser = argparse.ArgumentParser(prog="python3 -m churn.comment", description=__doc__)
    parser.add_argument(
        "--author",
        default="github-actions[bot]",
        help="whose comments GH_TOKEN writes (default: %(default)s)",
    )
    author = parser.parse_args(arguments).author
    try:
        run, repository = read_environment()
        comment_on(run, repository, author)
    except (ChurnError, OSError) as error:
        stop(str(error), error)
    except (KeyError, TypeError) as error:
        stop(f"GitHub's answer is not as expected: {type(error).__name__} {error}", error)


def read_environment() -> tuple[Run, Repository]:
    """Take from the environment the run that has ended, and its repository."""
    try:
        event = Path(os.environ["GITHUB_EVENT_PATH"])
        address = f"{os.environ['GITHUB_SERVER_URL']}/{os.environ['GITHUB_REPOSITORY']}"
        repository = Repository(address, os.environ["GH_TOKEN"])
    except KeyError as error:
        stop(f"{error} is missing; run this in comment.yml", error)
    try:
        return read_event(json.loads(event.read_text(encoding="utf-8")), address), repository
    except (KeyError, TypeError, ValueError) as error:
        why = f"{type(error).__name__} {error}"
        stop(f"GITHUB_EVENT_PATH holds no workflow_run that has ended: {why}", error)


def stop(reason: str, error: Exception) -> NoReturn:
    """End the program with one line and exit code 2."""
    print(f"Error: {' '.join(reason.split())}", file=sys.stderr)
    raise SystemExit(2) from error


if __name__ == "__main__":
    main()
