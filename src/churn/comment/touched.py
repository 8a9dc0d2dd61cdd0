"""What a pull request touches, asked of GitHub by main's own code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from churn.core.errors import GitHubError
from churn.provenance.github import Repository
from churn.provenance.github_answers import PullRequest
from churn.review.judging import Touched, sort_changes
from churn.review.params_text import Edit, UnreadableError, changed_limits

_PARAMS = "params.yaml"
_MOST_LISTED = 3_000  # files; GitHub names no more


@dataclass(frozen=True)
class Change:
    """What is known of a change; what is not known counts as touched.

    Attributes
    ----------
    files : Touched or None
        None where GitHub did not say.
    complete : bool
        Whether all files are among them.
    edits : list of Edit or None
        What has changed in the limits; None where that cannot be told.
    """

    files: Touched | None
    complete: bool
    edits: list[Edit] | None


def look(repository: Repository, pull: PullRequest, root: Path) -> Change:
    """Find out what a pull request, as GitHub lists it, changes of main's files in `root`."""
    try:
        listed = repository.changed_files(pull.number)
    except GitHubError:
        return Change(None, False, None)
    names = {name for file in listed for name in (file.name, file.before)}
    files = sort_changes(names, frozenset(p.name for p in root.iterdir()))
    complete = len(listed) < _MOST_LISTED
    may_differ = files.parameters or not complete
    return Change(files, complete, _edits(repository, pull) if may_differ else [])


def _edits(repository: Repository, pull: PullRequest) -> list[Edit] | None:
    """Compare the limits with those of the commit at which the branch has left main.

    Not with main's of today: what main has changed since is no change of this pull request, and
    stays as it is when that is merged.
    """
    try:
        base = repository.merge_base(pull.base, pull.head)
        before, after = (repository.file_at(_PARAMS, commit) for commit in (base, pull.head))
        return changed_limits(before, after)
    except (GitHubError, UnreadableError):
        return None
