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
        ``main`` where `churn candidate make` has made it from a commit on main; else ``local``.
    pull_request : int or None
        The one that was merged as that commit, as far as GitHub says so.
    run : str
        Address of the run that made the candidate.
    """

    model_config = ConfigDict(extra="forbid")

    how: str = "local"
    pull_request: int | None = None
    run: str = ""

    @property
    def summary(self) -> str:
        """In one line."""
        if self.how != "main":
            return "made locally"
        of = f" of pull request #{self.pull_request}" if self.pull_request else ""
        return f"made on main from the merge commit{of}"

    @property
    def lines(self) -> list[str]:
        """What a version's description says of it."""
        return [self.summary, *([f"run {self.run}"] if self.run else [])]

    @property
    def tags(self) -> dict[str, str]:
        """What a version's tags say of it."""
        number = "" if self.pull_request is None else str(self.pull_request)
        return {"candidate": self.how, "pull_request": number, "candidate_run": self.run}


def read(candidate: Path) -> Source:
    """Read how a packed candidate was made; without a note it was made locally.

    Raises
    ------
    CandidateError
        If the note cannot be read.
    """
    file = candidate / FILE
    if not file.exists():
        return Source()
    try:
        return read_json(file, "candidate make", Source)
    except ChurnError as error:
        raise CandidateError(f"{file}: does not say how the candidate was made") from error


def of_commit(commit: str, environment: Mapping[str, str]) -> tuple[Source, str | None]:
    """Return where a candidate comes from that is made now, on main.

    GitHub is asked once which pull request it was. Where it does not answer, the candidate is as
    good as any, and nobody knows that number.

    Parameters
    ----------
    commit : str
    environment : mapping
        `GITHUB_SERVER_URL`, `GITHUB_REPOSITORY`, `GITHUB_RUN_ID` and `GH_TOKEN`, where they are.

    Returns
    -------
    Source
    str or None
        Why the pull request is not known.
    """
    server = environment.get("GITHUB_SERVER_URL") or "https://github.com"
    name, token = environment.get("GITHUB_REPOSITORY"), environment.get("GH_TOKEN")
    run = environment.get("GITHUB_RUN_ID")
    here = f"{server}/{name}/actions/runs/{run}" if name and run else ""
    if not (name and token):
        return Source(how="main", run=here), None
    try:
        pulls = Repository(f"{server}/{name}", token).pull_requests_of(commit)
        return Source(how="main", pull_request=_merged(pulls, commit), run=here), None
    except GitHubError as error:
        return Source(how="main", run=here), f"which pull request it was is not known: {error}"


def _merged(pulls: list[MergedPull], commit: str) -> int | None:
    """Choose the pull request that was merged as a commit; a commit may be in several."""
    merged = sorted(
        (pull for pull in pulls if pull.is_merged), key=lambda pull: pull.commit != commit
    )
    return merged[0].number if merged else None
