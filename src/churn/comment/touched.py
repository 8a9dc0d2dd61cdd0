"""What a pull request touches, asked of GitHub by main's own code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from churn.comment.github import Repository
from churn.comment.limits import Edit, UnreadableError, changed_limits
from churn.errors import GitHubError
from churn.judging import Touched, judging_code, sort_changes

_PARAMS = "params.yaml"
_MOST_LISTED = 3_000  # files; GitHub names no more
_NOT_ANSWERED = (GitHubError, KeyError, TypeError)


@dataclass(frozen=True)
class Change:
    """What is known of a pull request's change; what is not known counts as touched.

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


UNKNOWN = Change(None, False, None)


def look(repository: Repository, pull: dict[str, Any], root: Path) -> Change:
    """Find out what a pull request changes.

    Parameters
    ----------
    repository : Repository
    pull : dict
        The pull request, as GitHub lists it.
    root : Path
        Main's files.
    """
    try:
        listed = repository.changed_files(int(pull["number"]))
        names = {str(file["filename"]) for file in listed}
        names |= {str(file["previous_filename"]) for file in listed if "previous_filename" in file}
    except _NOT_ANSWERED:
        return UNKNOWN
    top = frozenset(entry.name for entry in root.iterdir())
    files = sort_changes(names, judging_code(root), top)
    complete = len(listed) < _MOST_LISTED
    if complete and not files.parameters:
        return Change(files, complete, [])
    return Change(files, complete, _edits(repository, pull))


def _edits(repository: Repository, pull: dict[str, Any]) -> list[Edit] | None:
    """Compare the limits with those of the commit that the branch has left main at.

    Not with main's as they are now: what main has changed since is no change of this pull request,
    and merging it leaves main's.
    """
    head = str(pull["head"]["sha"])
    try:
        base = repository.merge_base(str(pull["base"]["ref"]), head)
        return changed_limits(repository.file_at(_PARAMS, base), repository.file_at(_PARAMS, head))
    except (*_NOT_ANSWERED, UnreadableError):
        return None
