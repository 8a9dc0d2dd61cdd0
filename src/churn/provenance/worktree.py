"""Check out another commit into a temporary folder."""

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
    """Check out a commit into a temporary folder, and yield the project's folder in it.

    Parameters
    ----------
    root : Path
        The project's folder, at the top of a git repository or below it.
    commit : str
    share_cache : bool
        Whether DVC may use the work tree's cache there. That cache is not to be trusted where the
        work tree is a pull request's: its code and settings have filled it.

    Yields
    ------
    Path

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
        # Not `git worktree`: DVC does not work in a worktree of a submodule, and a killed process
        # would leave an entry behind in the repository.
        git(top, "init", "--quiet", "--template=", str(tree.resolve()))
        # A checkout applies the commit's own .gitattributes. Hooks are off: the user's hooks are
        # meant for the user's work tree.
        locations = {
            "GIT_WORK_TREE": str(tree.resolve()),
            "GIT_INDEX_FILE": str(folder.resolve() / "index"),
        }
        checkout = ("read-tree", "--reset", "-u", commit)
        git(top, "-c", "core.hooksPath=/dev/null", *checkout, **locations)
        (project / ".dvc").mkdir(parents=True, exist_ok=True)
        local = root / ".dvc" / "config.local"  # may hold a remote's credentials
        if local.exists():
            shutil.copy(local, project / ".dvc" / "config.local")
        if share_cache:
            (root / ".dvc" / "cache").mkdir(exist_ok=True)
            (project / ".dvc" / "cache").symlink_to((root / ".dvc" / "cache").resolve())
        yield project


def begin_branch(root: Path, project: Path, commit: str, base: str, branch: str) -> None:
    """Give a worktree the history of its commit, and a new branch to commit to.

    Nothing is copied: its git reads the objects of the repository, and writes its own.

    Parameters
    ----------
    root, project : Path
        As `worktree` was given, and has yielded.
    commit : str
        The commit that is checked out in it.
    base : str
        Name of the branch that the commit is of.
    branch : str
        Name of the new branch.

    Raises
    ------
    ArtifactError
        If git fails.
    """
    own = Path(git(project, "rev-parse", "--absolute-git-dir").rstrip("\n"))
    for name in ("objects", "shallow"):  # the second where the history was cut
        path = git(root, "rev-parse", "--path-format=absolute", "--git-path", name).rstrip("\n")
        if name == "objects":
            (own / "objects/info").mkdir(parents=True, exist_ok=True)
            (own / "objects/info/alternates").write_text(f"{path}\n")
        elif Path(path).exists():
            shutil.copy(path, own / name)
    for name in (base, branch):
        git(project, "update-ref", f"refs/heads/{name}", commit)
    if "origin" in git(root, "remote").split():  # where the branch of a registry is read
        git(project, "remote", "add", "origin", _absolute(root))
    git(project, "symbolic-ref", "HEAD", f"refs/heads/{branch}")
    git(project, "reset", "--quiet")


def _absolute(root: Path) -> str:
    """Return the address of ``origin``; a relative path would be relative to another folder."""
    address = git(root, "remote", "get-url", "origin").rstrip("\n")
    if ":" in address:
        return address
    return str((Path(git(root, "rev-parse", "--show-toplevel").rstrip("\n")) / address).resolve())
