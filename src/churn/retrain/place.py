"""Where the result goes: a branch here, or the branch of a pull request."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from churn.provenance import remote
from churn.provenance.github import Repository
from churn.provenance.github_answers import PullRequest
from churn.retrain import branch, pull_request

_KEPT = "refs/churn/tip"


@dataclass(frozen=True)
class Place:
    """A branch, and the pull request from it.

    Attributes
    ----------
    branch : str
    tip : str
        The commit that the branch names so far; empty if it is not there.
    github : Repository or None
        None if no pull request is wanted.
    pull : PullRequest or None
        The open one of an earlier retraining.
    """

    branch: str
    tip: str
    github: Repository | None = None
    pull: PullRequest | None = None

    @property
    def is_complete(self) -> bool:
        """Whether nothing is lacking but the table: the pull request is open, or not wanted."""
        return bool(self.tip) and (self.pull is not None or self.github is None)

    @property
    def shown(self) -> str:
        """Its name for people."""
        return f"pull request #{self.pull.number}" if self.pull else f"branch {self.branch}"


def find(root: Path, base: str, opens_pull_request: bool) -> Place:
    """Look for the branch of an earlier retraining; else it is a new one.

    Parameters
    ----------
    root : Path
        The repository.
    base : str
        The branch to propose it to.
    opens_pull_request : bool

    Raises
    ------
    ArtifactError
        If the remote cannot be reached.
    GitHubError
        If GitHub refuses.
    """
    name = branch.of_today()
    if not opens_pull_request:
        return Place(name, branch.find(root, name))
    github = pull_request.repository(root)
    found = pull_request.find(github, base)
    name = found.branch if found else name
    return Place(name, remote.fetch(root, name, _KEPT), github, found)
