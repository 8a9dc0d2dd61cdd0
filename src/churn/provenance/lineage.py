"""Where a released model comes from: version ← candidate ← pull request ← commit ← data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import ConfigDict

from churn.core.errors import CandidateError, ChurnError, GitHubError
from churn.core.files import Shape, read_json
from churn.provenance.github import Repository
from churn.provenance.github_answers import MergedPull

FILE = "lineage.json"  # in a candidate


class Source(Shape):
    """How a candidate was made.

    Attributes
    ----------
    how : str
        ``commit`` if `churn candidate make` built it from a commit; else ``local``.
    pull_request : int or None
        The pull request that was merged as that commit, if GitHub knows it.
    run : str
        URL of the workflow run that made the candidate; empty if it was made locally.
    """

    model_config = ConfigDict(extra="forbid")

    how: str = "local"
    pull_request: int | None = None
    run: str = ""

    @property
    def summary(self) -> str:
        """The source in one line."""
        if self.how == "local":
            return "made locally"
        of = f" of pull request #{self.pull_request}" if self.pull_request else ""
        return f"made in a clean checkout of the commit{of}"

    @property
    def lines(self) -> list[str]:
        """The source as lines of a version's notes."""
        return [self.summary, *([f"run {self.run}"] if self.run else [])]

    @property
    def tags(self) -> dict[str, str]:
        """The source as tags of a version."""
        number = "" if self.pull_request is None else str(self.pull_request)
        return {"candidate": self.how, "pull_request": number, "candidate_run": self.run}


def read(candidate: Path) -> Source:
    """Read a packed candidate's lineage.json; without it the candidate was made locally.

    Raises
    ------
    CandidateError
        If the file cannot be read.
    """
    file = candidate / FILE
    if not file.exists():
        return Source()
    try:
        return read_json(file, "candidate make", Source)
    except ChurnError as error:
        raise CandidateError(f"{file}: does not say how the candidate was made") from error


def of_commit(commit: str, environment: Mapping[str, str]) -> tuple[Source, str | None]:
    """Return the source of a candidate that is made from a commit.

    Asks GitHub once for the pull request. Without an answer the number stays unknown, which does
    not invalidate the candidate.

    Parameters
    ----------
    commit : str
    environment : mapping
        `GITHUB_SERVER_URL`, `GITHUB_REPOSITORY`, `GITHUB_RUN_ID` and `GH_TOKEN`, each optional.

    Returns
    -------
    Source
    str or None
        Why the pull request is unknown; None if it is known or GitHub was not asked.
    """
    server = environment.get("GITHUB_SERVER_URL") or "https://github.com"
    name, token = environment.get("GITHUB_REPOSITORY"), environment.get("GH_TOKEN")
    run = environment.get("GITHUB_RUN_ID")
    address = f"{server}/{name}/actions/runs/{run}" if name and run else ""
    if not (name and token):
        return Source(how="commit", run=address), None
    try:
        pulls = Repository(f"{server}/{name}", token).pull_requests_of(commit)
        return Source(how="commit", pull_request=merged_pull(pulls, commit), run=address), None
    except GitHubError as error:
        return Source(how="commit", run=address), f"the pull request is unknown: {error}"


def merged_pull(pulls: list[MergedPull], commit: str) -> int | None:
    """Return the pull request that was merged as a commit; a commit may be in several."""
    merged = sorted(
        (pull for pull in pulls if pull.is_merged), key=lambda pull: pull.commit != commit
    )
    return merged[0].number if merged else None
