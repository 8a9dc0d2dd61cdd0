"""The order of commits, which decides whose model may replace whose."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from churn.core.errors import ArtifactError
from churn.provenance.candidate import INPUTS
from churn.provenance.git import git
from churn.registry import Version


@dataclass(frozen=True)
class Commit:
    """A commit and its time.

    Attributes
    ----------
    id : str
        40 hexadecimal digits.
    time : int
        When it was committed, in seconds since 1970.
    """

    id: str
    time: int

    @classmethod
    def of(cls, root: Path, revision: str) -> Commit:
        """Look up a revision.

        Raises
        ------
        ArtifactError
            If there is no such revision.
        """
        named = git(root, "rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}")
        time = git(root, "show", "--no-patch", "--format=%ct", named.strip())
        return cls(named.strip(), int(time))

    @classmethod
    def newest_of(cls, version: Version) -> Commit | None:
        """Return the newest commit that is known to have a version's model; None if unknown."""
        time = version.tags.get("newest_commit_time", "")
        return cls(version.tags["newest_commit"], int(time)) if time.isdigit() else None


def commit_tags(commit: Commit, fingerprint: str) -> dict[str, str]:
    """Return the tags that record the newest commit with a version's model.

    Parameters
    ----------
    commit : Commit
    fingerprint : str
        Of the commit's inputs.
    """
    return {
        "newest_commit": commit.id,
        "newest_commit_time": str(commit.time),
        "newest_fingerprint": fingerprint,
    }


def inputs_unchanged_since(root: Path, version: Version, commit: Commit, fingerprint: str) -> bool:
    """Tell whether no commit has changed an input since the newest commit of a version.

    Parameters
    ----------
    root : Path
        The repository, with its history.
    version : Version
    commit : Commit
        The last commit to look at.
    fingerprint : str
        Of the commit's inputs.
    """
    known = Commit.newest_of(version)
    if known is None or not _exists(root, known) or not _is_ancestor(root, known, commit):
        return False
    if version.tags.get("newest_fingerprint") != fingerprint:
        return False
    between = f"{known.id}..{commit.id}"
    return not git(root, "log", "--format=%H", between, "--", *INPUTS)


def is_older(root: Path, commit: Commit, other: Commit) -> bool:
    """Tell whether a commit comes before another.

    By the history if both are in this repository and one is an ancestor of the other, else by
    their times.
    """
    if _exists(root, commit) and _exists(root, other):
        if _is_ancestor(root, commit, other):
            return True
        if _is_ancestor(root, other, commit):
            return False
    return commit.time < other.time


def _exists(root: Path, commit: Commit) -> bool:
    try:
        git(root, "cat-file", "-e", f"{commit.id}^{{commit}}")
    except ArtifactError:
        return False
    return True


def _is_ancestor(root: Path, commit: Commit, other: Commit) -> bool:
    try:
        git(root, "merge-base", "--is-ancestor", commit.id, other.id)
    except ArtifactError:  # the exit code is the answer
        return False
    return True
