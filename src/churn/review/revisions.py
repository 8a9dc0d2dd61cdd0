"""The baseline of a revision: the model of another commit, from DVC or trained again."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import yaml

from churn.core import process
from churn.core.errors import ArtifactError, BaselineError
from churn.core.paths import SIDES, Workspace
from churn.provenance.candidate import SERVED
from churn.provenance.git import changed, git
from churn.provenance.worktree import worktree
from churn.review.baseline import PRODUCTION, Baseline, last_error

_STAGE = "train"
_OUTPUTS = ("build/model", "build/train.parquet", "build/test.parquet")
_OUT_OF_FOLD = "build/out_of_fold.parquet"


@contextmanager
def of_revision(root: Path, revision: str, share_cache: bool = True) -> Iterator[Baseline | None]:
    """Yield the model of another commit.

    It comes from the DVC cache or remote if its ``dvc.lock`` is up to date. Else its training is
    reproduced with its own code in a temporary worktree.

    Parameters
    ----------
    root : Path
        The project's folder.
    revision : str
        Any revision of git.
    share_cache : bool, default=True
        See `churn.provenance.worktree.worktree`.

    Yields
    ------
    Baseline or None
        None if that commit has no pipeline, as before the first pull request.

    Raises
    ------
    BaselineError
        If there is no such revision, or its model can neither be pulled nor reproduced.
    """
    commit = resolve(root, revision)
    if not has_pipeline(root, commit):
        yield None
        return
    with worktree(root, commit, share_cache) as tree:
        source = _provide(tree)
        built = Workspace(tree)
        yield Baseline(
            name=shown_name(revision, commit),
            identity=commit,
            source=source,
            model=built.model,
            code=tree / "src" if changed(root, commit, SERVED) else None,
            workspace=built if all(built.split(side).exists() for side in SIDES) else None,
            out_of_fold=built.out_of_fold if built.out_of_fold.exists() else None,
        )


def shown_name(revision: str, commit: str) -> str:
    """Return a revision's name in reports: as the user gave it, unless that is ``Production``."""
    return f"commit {commit[:12]}" if revision == PRODUCTION else revision


def resolve(root: Path, revision: str) -> str:
    """Return the commit that a revision names.

    Raises
    ------
    BaselineError
        If there is no such revision.
    """
    try:
        return git(root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").strip()
    except ArtifactError as error:
        raise BaselineError(
            f"--baseline {revision}: no such revision here; get it with"
            f" `{_fetch_command(root, revision)}`"
        ) from error


def _fetch_command(root: Path, revision: str) -> str:
    """Return the command that gets a revision missing in a single-branch or shallow clone."""
    remote, _, branch = revision.partition("/")
    if branch and remote in git(root, "remote").split():
        return f"git fetch {remote} {shlex.quote(f'+{branch}:refs/remotes/{remote}/{branch}')}"
    is_shallow = git(root, "rev-parse", "--is-shallow-repository").strip() == "true"
    return "git fetch --unshallow" if is_shallow else "git fetch origin"


def has_pipeline(root: Path, commit: str) -> bool:
    """Tell whether a commit has a `dvc.yaml` with the training stage.

    Raises
    ------
    BaselineError
        If its `dvc.yaml` is invalid: it must not count as a commit without a pipeline.
    """
    if not git(root, "ls-tree", "--name-only", commit, "dvc.yaml"):
        return False
    try:
        document = yaml.safe_load(git(root, "show", f"{commit}:./dvc.yaml"))
    except yaml.YAMLError as error:
        raise BaselineError(f"dvc.yaml of {commit[:12]}: not YAML") from error
    return isinstance(document, dict) and _STAGE in (document.get("stages") or {})


def _provide(tree: Path) -> Literal["stored", "reproduced"]:
    """Pull or reproduce the model and the rows of the commit that is checked out in `tree`."""
    lock = tree / "dvc.lock"
    if lock.exists():
        # Runs nothing if the lock is up to date, even if the outputs are missing.
        before = lock.read_bytes()
        done = _dvc(tree, "repro", "--pull", "--allow-missing", _STAGE, check=False)
        stored = lock.read_bytes() == before
        if not done.returncode:
            # Older commits did not keep predictions of the training rows.
            kept = [_OUT_OF_FOLD] if _OUT_OF_FOLD in lock.read_text() else []
            done = _dvc(tree, "pull", *_OUTPUTS, *kept, check=False)
        if not done.returncode and (tree / "build" / "model").is_dir():
            return "stored" if stored else "reproduced"
    # Not quiet, which would suppress DVC's errors.
    _dvc(tree, "pull", "data.dvc", check=False)  # repro reports missing data
    _dvc(tree, "repro", _STAGE)
    return "reproduced"


def pull(tree: Path, path: str) -> None:
    """Pull an output of the commit that is checked out in `tree`, if it is available."""
    _dvc(tree, "pull", path, check=False)


def _dvc(tree: Path, *arguments: str, check: bool = True) -> process.Finished:
    command = [sys.executable, "-m", "dvc", *arguments]
    environment = process.without_credentials() | {
        "PATH": process.path_with_this_python(),
        "PYTHONPATH": str((tree / "src").resolve()),
    }
    done = process.run(command, tree, environment=environment)
    if check and done.returncode:
        raise BaselineError(f"dvc {arguments[0]} in the baseline: {last_error(done.stderr)}")
    return done
