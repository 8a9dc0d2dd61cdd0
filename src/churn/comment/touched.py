"""Ask GitHub which files and limits a pull request changes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from churn.core.errors import GitHubError
from churn.provenance.github import Repository
from churn.provenance.github_answers import PullRequest
from churn.review.judging import Touched, sort_changes
from churn.review.params_text import Edit, UnreadableError, changed_limits

_PARAMS = "params.yaml"
_MOST_LISTED = 3_000  # files; GitHub lists no more


@dataclass(frozen=True)
class Change:
    """The files and limits that a pull request changes; what is unknown counts as changed.

    Attributes
    ----------
    files : Touched or None
        None if GitHub did not list them.
    complete : bool
        Whether GitHub listed all files.
    edits : list of Edit or None
        Changes of the limits; None if unknown.
    """

    files: Touched | None
    complete: bool
    edits: list[Edit] | None


def fetch_change(repository: Repository, pull: PullRequest, root: Path) -> Change:
    """Return what a pull request changes.

    Parameters
    ----------
    repository : Repository
    pull : PullRequest
    root : Path
        A checkout of main.
    """
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
    """Compare the limits with those of the merge base.

    Not with those of main today: what main has changed since is not part of the pull request, and
    merging it does not undo that.
    """
    try:
        base = repository.merge_base(pull.base, pull.head)
        before, after = (repository.file_at(_PARAMS, commit) for commit in (base, pull.head))
        return changed_limits(before, after)
    except (GitHubError, UnreadableError):
        return None
