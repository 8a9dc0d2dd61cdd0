"""Another commit, checked out beside the work tree."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from churn.core.errors import BaselineError
from churn.core.files import scratch
from churn.provenance.git import git


@contextmanager
def worktree(root: Path, commit: str, share_cache: bool) -> Iterator[Path]:
    """Check a commit out into a temporary folder, and give the project's folder in it.

    Parameters
    ----------
    root : Path
        The project's folder, at the top of a git repository or below it.
    commit : str
    share_cache : bool
        Whether DVC finds there what the cache of the work tree holds. Where the work tree is a
        pull request's, its code and its settings have filled that cache.

    Raises
    ------
    BaselineError
        If `root` is not the project's folder.
    """
    if not (root / ".dvc").is_dir():
        raise BaselineError(f"{root.resolve()}: no .dvc there; run churn in the project's folder")
    with scratch("churn-worktree-") as folder:
        tree = folder / "tree"
        top = Path(git(root, "rev-parse", "--show-toplevel").rstrip("\n"))
        project = tree / git(root, "rev-parse", "--show-prefix").rstrip("\n")
        # Not a worktree of this repository: DVC finds no way out of one of a submodule's, and who
        # is killed leaves nothing behind in the repository.
        git(top, "init", "--quiet", "--template=", str(tree.resolve()))
        # Attributes are the commit's, because this is a checkout. Without hooks: those of the user
        # are meant for the user's work tree.
        places = {
            "GIT_WORK_TREE": str(tree.resolve()),
            "GIT_INDEX_FILE": str(folder.resolve() / "index"),
        }
        read = ("read-tree", "--reset", "-u", commit)
        git(top, "-c", "core.hooksPath=/dev/null", *read, **places)
        (project / ".dvc").mkdir(parents=True, exist_ok=True)
        local = root / ".dvc" / "config.local"  # a remote's credentials may stand there
        if local.exists():
            shutil.copy(local, project / ".dvc" / "config.local")
        if share_cache:
            (root / ".dvc" / "cache").mkdir(exist_ok=True)
            (project / ".dvc" / "cache").symlink_to((root / ".dvc" / "cache").resolve())
        yield project
