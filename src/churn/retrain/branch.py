"""The branch with the newest table: its name, its commit, and whose commits are on it."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from churn.core.errors import ArtifactError
from churn.provenance import listing, remote
from churn.provenance.git import git

PREFIX = "retrain/"
_KEPT = "refs/churn/retrain"
# What a retraining writes.
_RESULTS = ("data.dvc", "dvc.lock", "params.yaml", "reports", "dvc-remote")
# The last line of a message, by which later runs know their own commits.
MARK = "Made-by: churn retrain"
# As GitHub itself shows what a workflow has committed.
_BOT = ("github-actions[bot]", "41898282+github-actions[bot]@users.noreply.github.com")


def of_today() -> str:
    """Return the name of a new branch, with the date of today in UTC."""
    return f"{PREFIX}{datetime.now(UTC).date()}"


def commit(root: Path, project: Path, message: str) -> str:
    """Commit the results in a worktree, and return the commit.

    The author is whoever git knows in `root`, else GitHub's bot.

    Raises
    ------
    ArtifactError
        If git fails.
    """
    git(project, "add", "--", *(name for name in _RESULTS if (project / name).exists()))
    hooks = ("-c", "core.hooksPath=/dev/null")  # the user's are meant for the user's work tree
    git(project, *hooks, "commit", "--quiet", "--file=-", stdin=message, **_author(root))
    return git(project, "rev-parse", "HEAD").strip()


def _author(root: Path) -> dict[str, str]:
    found = {}
    for key, default in zip(("name", "email"), _BOT, strict=True):
        known = _or_none(root, "config", f"user.{key}") or default
        for role in ("AUTHOR", "COMMITTER"):
            variable = f"GIT_{role}_{key.upper()}"
            found[variable] = os.environ.get(variable) or known
    return found


def keep(root: Path, project: Path, commit: str, name: str | None = None) -> None:
    """Copy a commit from a worktree into the repository.

    Parameters
    ----------
    root, project : Path
        The repository, and the worktree.
    commit : str
    name : str, optional
        A branch that names it from now on; default is a name that `git branch` does not list.

    Raises
    ------
    ArtifactError
        If git fails, such as for a branch that is checked out.
    """
    ref = _KEPT if name is None else f"refs/heads/{name}"
    options = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules")
    source = git(project, "rev-parse", "--absolute-git-dir").rstrip("\n")
    git(root, "fetch", *options, source, f"+{commit}:{ref}")


def publish(root: Path, commit: str, name: str, tip: str) -> None:
    """Let the branch at ``origin`` name a commit, in place of `tip`; empty if it is not there.

    Raises
    ------
    ArtifactError
        If it names another commit by now, or the remote refuses.
    """
    try:
        remote.push(root, commit, name, tip)
    except ArtifactError as error:
        found = remote.newest(root, name)
        if found not in (commit, tip):
            raise ArtifactError(
                f"branch {name}: somebody has pushed to it meanwhile; run `churn retrain` again"
            ) from error
        if found == tip:  # else it was done, and the answer was lost
            raise


def find(root: Path, name: str) -> str:
    """Return the commit of a branch here; empty if there is none."""
    return _or_none(root, "rev-parse", "--verify", "--quiet", f"refs/heads/{name}^{{commit}}") or ""


def require_own(root: Path, name: str, tip: str, base: str) -> None:
    """Check that a branch may be replaced: it has no commit of somebody else.

    Merges, such as those of *Update branch* on GitHub, do not count.

    Raises
    ------
    ArtifactError
        If it has one.
    """
    log = git(root, "log", "--no-merges", "--format=%h %an%x00%B%x00%x00", tip, f"^{base}", "--")
    for entry in filter(str.strip, log.split("\0\0")):
        who, _, message = entry.strip().partition("\0")
        if MARK not in message.splitlines():
            raise ArtifactError(
                f"branch {name}: commit {who} is not one of `churn retrain`, which would replace"
                " it; merge the branch, or rename or delete it"
            )


def has_same(root: Path, tip: str, base: str, data_md5: str) -> bool:
    """Tell whether a branch has a table already, on top of the same commit of main."""
    if (_or_none(root, "rev-parse", f"{tip}^") or "") != base:
        return False
    return listing.data_md5(git(root, "show", f"{tip}:./data.dvc")) == data_md5


def message(root: Path, tip: str) -> str:
    """Return the message of a branch's last commit."""
    return git(root, "show", "--no-patch", "--format=%B", tip)


def _or_none(root: Path, *arguments: str) -> str | None:
    """Return what git says in a line; None where it fails, which is its answer."""
    try:
        return git(root, *arguments).strip()
    except ArtifactError:
        return None
