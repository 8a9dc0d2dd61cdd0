"""Run git: which files changed, and the object ids of files in the work tree or in a commit."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from churn.core import process
from churn.core.errors import ArtifactError

# A hook sets these to its own repository; git would prefer them to the folder it runs in.
_HOOK_VARIABLES = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")
# Where a user has that set, `log` and `show` print lines of gpg before what they are asked for.
_SETTINGS = ("-c", "log.showSignature=false")
_BATCH_SIZE = 500  # paths per call of git


def git(root: Path, *arguments: str, stdin: str = "", **environment: str) -> str:
    """Run git in `root` and return what it prints.

    Parameters
    ----------
    root : Path
    *arguments : str
    stdin : str, optional
    **environment : str
        Additional environment variables.

    Raises
    ------
    ArtifactError
        If git is not installed, or fails.
    """
    try:
        done = process.run(
            ["git", *_SETTINGS, *arguments],
            root,
            environment={k: v for k, v in os.environ.items() if k not in _HOOK_VARIABLES}
            | environment,
            stdin=stdin,
            errors="surrogateescape",  # file names are bytes
        )
    except FileNotFoundError as error:
        raise ArtifactError("git: not found; install it") from error
    if done.returncode:
        verb = arguments[2] if arguments[0] == "-c" else arguments[0]
        reason = process.error_line(done.stderr)
        raise ArtifactError(f"git {verb} in {root.resolve()}: {reason}")
    return done.stdout


def changed(root: Path, commit: str, paths: Sequence[str]) -> list[str]:
    """List the files below some paths that differ between a commit and the work tree.

    New files that git does not ignore are included. All paths are relative to `root`.
    """
    tracked = git(
        root, "diff", "--name-only", "--relative", "--no-renames", "-z", commit, "--", *paths
    )
    new = git(root, "ls-files", "--others", "--exclude-standard", "-z", "--", *paths)
    return sorted({path for path in (tracked + new).split("\0") if path})


def work_tree_objects(root: Path, paths: Sequence[str]) -> dict[str, str]:
    """Map the files below some paths of the work tree to git's object ids, committed or not.

    Files that git ignores are left out.

    Raises
    ------
    ArtifactError
        If `root` is not in a git repository.
    """
    listed = git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *paths)
    existing = {path for path in listed.split("\0") if path and os.path.lexists(root / path)}
    # git stores the target of a symbolic link, not the target's content.
    links = sorted(path for path in existing if (root / path).is_symlink())
    ids = {
        path: git(root, "hash-object", "--stdin", stdin=str((root / path).readlink())).strip()
        for path in links
    }
    files = sorted(existing.difference(links))
    for start in range(0, len(files), _BATCH_SIZE):
        batch = files[start : start + _BATCH_SIZE]
        ids |= zip(batch, git(root, "hash-object", "--", *batch).split(), strict=True)
    return ids


def commit_objects(root: Path, commit: str, paths: Sequence[str]) -> dict[str, str]:
    """Map the files below some paths of a commit to git's object ids.

    Raises
    ------
    ArtifactError
        If there is no such commit.
    """
    # Resolved first, so that a name that begins with a dash cannot become an option.
    resolved = git(
        root, "rev-parse", "--verify", "--end-of-options", f"{commit}^{{commit}}"
    ).strip()
    ids = {}
    for line in filter(None, git(root, "ls-tree", "-r", "-z", resolved, "--", *paths).split("\0")):
        entry, _, path = line.partition("\t")
        ids[path] = entry.split()[2]
    return ids
