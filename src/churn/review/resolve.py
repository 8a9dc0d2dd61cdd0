"""Ending a merge in which only results are in conflict, by making them again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from churn.core.errors import ArtifactError
from churn.provenance.git import git
from churn.provenance.lockfile import LOCK
from churn.provenance.tracked_data import require_data

_REPORTS = "reports"
_DATA = "data.dvc"


def unmerged(root: Path) -> list[str]:
    """List the files that a merge or a rebase has left in conflict.

    Parameters
    ----------
    root : Path
        The project's folder.

    Returns
    -------
    list of str
        Relative to `root`, sorted.
    """
    found = git(root, "diff", "--name-only", "--relative", "--diff-filter=U", "-z")
    return sorted(set(filter(None, found.split("\0"))))


def require_merged(root: Path) -> None:
    """Check that no file is in conflict.

    Raises
    ------
    ArtifactError
        Otherwise, with the command that ends it.
    """
    if left := unmerged(root):
        by_hand = [path for path in left if not _is_made(path)]
        first = f"resolve {', '.join(by_hand)}, then " if by_hand else ""
        raise ArtifactError(f"{left[0]}: a merge conflict; {first}run `churn resolve`")


def run(root: Path, repro: Callable[[Path], None]) -> list[str]:
    """Make again what is in conflict, and add it to the merge.

    Parameters
    ----------
    root : Path
        The project's folder.
    repro : callable
        Runs the pipeline there.

    Returns
    -------
    list of str
        The files that were in conflict; empty if there was none.

    Raises
    ------
    ArtifactError
        If something else is in conflict, which nobody but a person can resolve; nothing is changed
        then. If the data are not the merged ones, or the pipeline fails; started again, it goes on.
    """
    left = unmerged(root)
    for path in left:
        if not _is_made(path):
            how = "correct it, and git add it"
            if path == _DATA:
                how = "choose one side with git checkout --ours or --theirs, and git add it"
            raise ArtifactError(f"{path}: in conflict, and no result; {how}; then `churn resolve`")
    for path in left:
        # Either side will do: the pipeline runs where it does not fit the merged inputs.
        side = _side(root, path)
        if side:
            git(root, "checkout", f"--{side}", "--", path)
        else:
            (root / path).unlink(missing_ok=True)
    if left:
        _require_merged_data(root)
        repro(root)
        git(root, "add", "--", *(path for path in (LOCK, _REPORTS) if (root / path).exists()))
    return left


def _is_made(path: str) -> bool:
    return path == LOCK or path.startswith(f"{_REPORTS}/")


def _require_merged_data(root: Path) -> None:
    """Check that the data here are the merged ones: the pipeline would note others in data.dvc."""
    try:
        require_data(root)
    except ArtifactError as error:
        # Not its advice, which is `dvc add`: that would undo the data of the merge.
        what = str(error).partition(";")[0]
        raise ArtifactError(
            f"{what}; run `dvc pull {_DATA}` for the merged data, then `churn resolve`"
        ) from error


def _side(root: Path, path: str) -> str | None:
    """Return a side that has a file; None where both have removed it."""
    stages = {line.split()[2] for line in git(root, "ls-files", "-u", "--", path).splitlines()}
    return "theirs" if "3" in stages else "ours" if "2" in stages else None
