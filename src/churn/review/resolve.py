"""Command `resolve`: end a merge in which only results are in conflict, by regenerating them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from churn.core.errors import ArtifactError
from churn.core.paths import Workspace
from churn.provenance.git import git
from churn.provenance.lockfile import LOCK
from churn.provenance.tracked_data import require_data

_REPORTS = "reports"
_DATA = "data.dvc"
_SEARCH = str(Workspace().search)


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
        If one is; the message says how to resolve it.
    """
    if left := unmerged(root):
        by_hand = [path for path in left if not _is_result(path)]
        first = f"resolve {', '.join(by_hand)}, then " if by_hand else ""
        raise ArtifactError(f"{left[0]}: a merge conflict; {first}run `churn resolve`")


def run(root: Path, repro: Callable[[Path], None]) -> list[str]:
    """Regenerate the results that are in conflict, and stage them.

    Parameters
    ----------
    root : Path
        The project's folder.
    repro : callable
        Runs the pipeline in a folder.

    Returns
    -------
    list of str
        The files that were in conflict; empty if there were none.

    Raises
    ------
    ArtifactError
        If another file is in conflict, which a person must resolve; then nothing is changed. Or if
        the data are not the merged data, or the pipeline fails; calling it again continues.
    """
    left = unmerged(root)
    for path in left:
        if not _is_result(path):
            how = "correct it, and git add it"
            if path == _DATA:
                how = "choose one side with git checkout --ours or --theirs, and git add it"
            raise ArtifactError(
                f"{path}: in conflict, and not a result; {how}; then `churn resolve`"
            )
    for path in left:
        # Either side will do: the pipeline reruns stages that do not match the merged inputs.
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


def _is_result(path: str) -> bool:
    # What a search has found belongs to the side whose hyperparameters are chosen.
    return path == LOCK or (path.startswith(f"{_REPORTS}/") and path != _SEARCH)


def _require_merged_data(root: Path) -> None:
    """Check that the data here are the merged data: the pipeline would overwrite data.dvc."""
    try:
        require_data(root)
    except ArtifactError as error:
        # Without its advice, `dvc add`, which would undo the merge of data.dvc.
        what = str(error).partition(";")[0]
        raise ArtifactError(
            f"{what}; run `dvc pull {_DATA}` for the merged data, then `churn resolve`"
        ) from error


def _side(root: Path, path: str) -> str | None:
    """Return a side of the merge that has the file; None if both have removed it."""
    stages = {line.split()[2] for line in git(root, "ls-files", "-u", "--", path).splitlines()}
    return "theirs" if "3" in stages else "ours" if "2" in stages else None
