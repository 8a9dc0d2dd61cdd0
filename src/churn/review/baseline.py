"""What a candidate is compared with: the model of another commit, or the one in Production."""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd
import yaml

from churn.core import process
from churn.core.errors import ArtifactError, BaselineError, ChurnError, IncomparableError
from churn.core.files import Shape, read_json, read_parquet
from churn.core.params import ReleaseParams
from churn.core.paths import SIDES, Workspace
from churn.model.card import CARD_FILE
from churn.provenance.candidate import SERVED, table_digest, work_tree_fingerprint
from churn.provenance.git import changed, git
from churn.provenance.worktree import worktree
from churn.tracking import local_store

if TYPE_CHECKING:
    from churn.registry import Version

PRODUCTION = "Production"
_STAGE = "train"
_OUT_OF_FOLD = "build/out_of_fold.parquet"


class Card(Shape):
    """A model's card, whichever version of this project has written it."""

    id: str | None = None
    target: str | None = None
    threshold: float | None = None
    test_share: float | None = None
    salt: str | None = None
    numeric: tuple[str, ...] = ()
    dates: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        """The columns that it takes."""
        return (*self.numeric, *self.dates, *self.categorical)


@dataclass(frozen=True)
class Baseline:
    """A model with the code that belongs to it.

    Attributes
    ----------
    name : str
        As the user called it: a revision, or ``Production``.
    identity : str
        Commit, or version in the registry.
    source : {"stored", "reproduced", "registry"}
        Where the model came from.
    model : Path
        Folder of the model.
    code : Path or None
        Folder that holds the package `churn` which the model was trained with; None where that is
        the very code that runs here.
    workspace : Workspace or None
        Of its commit, with both sides of the split, where they are at hand.
    out_of_fold : Path or None
        What its procedure says of its training rows, where that was kept.
    """

    name: str
    identity: str
    source: Literal["stored", "reproduced", "registry"]
    model: Path
    code: Path | None
    workspace: Workspace | None
    out_of_fold: Path | None = None

    def card(self) -> Card:
        """Return the model's card."""
        return read_json(self.model / CARD_FILE, _STAGE, Card)

    def predict(self, rows: Path) -> pd.DataFrame:
        """Predict with the baseline's own code; in a process of its own where that is other code.

        Its transformers may have been changed since; a model that is run with other code than it
        was trained with is another model.

        Parameters
        ----------
        rows : Path
            Parquet file with the id and the raw columns.

        Returns
        -------
        DataFrame, shape (n_customers, 3)
            Id, ``probability`` and ``prediction``, in the order of `rows`.

        Raises
        ------
        IncomparableError
            If the baseline does not take these rows.
        """
        if self.code is None:
            return self._predict_here(rows)
        if not (self.code / "churn").is_dir():  # Python would take the candidate's instead
            raise IncomparableError(f"{self.name}: its code is not there")
        with tempfile.TemporaryDirectory(prefix="churn-scored-") as folder:
            scored = Path(folder) / "scored.parquet"
            command = [sys.executable, "-m", "churn", "predict"]
            command += ["--model", str(self.model.resolve())]
            command += ["--input", str(rows.resolve()), "--output", str(scored)]
            done = _run(command, Path(folder), PYTHONPATH=str(self.code.resolve()))
            if done.returncode:
                raise self._unscored(
                    _last_line(done.stderr).removeprefix("Error: "), rows.resolve()
                )
            return read_parquet(scored, "predict")

    def _predict_here(self, rows: Path) -> pd.DataFrame:
        """Do what ``churn predict`` does; whatever goes wrong is what goes wrong in it."""
        from churn.model import artifact, prediction

        try:
            return prediction.score(artifact.load(self.model), rows)
        except ChurnError as error:
            raise self._unscored(str(error), rows) from error
        except Exception as error:  # of a library, by what the rows or the model hold
            raise self._unscored(f"{type(error).__name__}: {error}", rows) from error

    def _unscored(self, reason: str, rows: Path) -> IncomparableError:
        # Nobody knows the scratch file in which the rows are.
        reason = reason.removeprefix(f"{rows}: ")
        return IncomparableError(f"{self.name}: cannot be scored on these rows: {reason}")


@contextmanager
def of_revision(root: Path, revision: str, share_cache: bool = True) -> Iterator[Baseline | None]:
    """Give the model of another commit.

    From the DVC cache or remote where its ``dvc.lock`` is current; else its training is
    reproduced, with its own code, in a temporary worktree.

    Parameters
    ----------
    root : Path
        The project's folder.
    revision : str
        Whatever git understands.
    share_cache : bool, default=True
        See `churn.provenance.worktree.worktree`.

    Yields
    ------
    Baseline or None
        None where that commit has no pipeline: the first pull request ever.

    Raises
    ------
    BaselineError
        If there is no such revision, or its model can neither be got nor reproduced.
    """
    commit = resolve(root, revision)
    if not has_pipeline(root, commit):
        yield None
        return
    with worktree(root, commit, share_cache) as tree:
        source = _provide(tree)
        there = Workspace(tree)
        yield Baseline(
            name=shown_name(revision, commit),
            identity=commit,
            source=source,
            model=there.model,
            code=tree / "src" if changed(root, commit, SERVED) else None,
            workspace=there if all(there.split(side).exists() for side in SIDES) else None,
            out_of_fold=there.out_of_fold if there.out_of_fold.exists() else None,
        )


@contextmanager
def in_production(root: Path, settings: ReleaseParams) -> Iterator[Baseline | None]:
    """Give the model that is in Production; None where there is none yet.

    Parameters
    ----------
    root : Path
        Folder of the local MLflow store.
    settings : ReleaseParams
        Which registered model it is.

    Raises
    ------
    RegistryError
        If a server is named that this run has no access to.
    TrackingError
        If the registry cannot be reached.
    """
    is_there = os.environ.get("MLFLOW_TRACKING_URI") or local_store.registry_branch()
    if not is_there and not (root / "mlflow.db").exists():
        yield None  # no server and no store: nothing was ever registered
        return
    from churn.registry.working_copy import working_copy

    with working_copy(root), _in_production(root, settings) as found:
        yield found


@contextmanager
def _in_production(root: Path, settings: ReleaseParams) -> Iterator[Baseline | None]:
    from churn.registry import MODEL_FILES, Registry, verified

    registry = Registry(root, settings)
    version = registry.production()
    if version is None:
        yield None
        return
    is_code_here = version.tags.get("served") == work_tree_fingerprint(root, SERVED)
    with tempfile.TemporaryDirectory(prefix="churn-production-") as folder:
        stored = verified.fetch(registry, version, Path(folder))
        yield Baseline(
            PRODUCTION,
            str(version.number),
            "registry",
            model=stored / MODEL_FILES,
            code=None if is_code_here else stored / "code",
            workspace=None,
            out_of_fold=_out_of_fold_of(version, root, Path(folder)),
        )


def _out_of_fold_of(version: Version, root: Path, folder: Path) -> Path | None:
    """Return what a version's procedure says of its training rows, if they are the rows here.

    There are no customers in a registry, so nothing else tells whether a row was the same then.
    """
    from churn.registry import verified

    here = table_digest(root)
    if here == "absent" or version.tags.get("data_sha256") != here:
        return None
    return verified.companion(version, Path(_OUT_OF_FOLD).name, folder)


def shown_name(revision: str, commit: str) -> str:
    """Return what a revision is called: as the user does, if that is not the name of a stage."""
    return f"commit {commit[:12]}" if revision == PRODUCTION else revision


def resolve(root: Path, revision: str) -> str:
    """Return the commit that a revision names.

    Raises
    ------
    BaselineError
        If there is none.
    """
    try:
        return git(root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").strip()
    except ArtifactError as error:
        raise BaselineError(
            f"--baseline {revision}: no such revision here; get it with `{_fetch(root, revision)}`"
        ) from error


def _fetch(root: Path, revision: str) -> str:
    """Say how to get a revision that a clone of one branch, or of its newest commits, lacks."""
    remote, _, branch = revision.partition("/")
    if branch and remote in git(root, "remote").split():
        return f"git fetch {remote} {shlex.quote(f'+{branch}:refs/remotes/{remote}/{branch}')}"
    is_shallow = git(root, "rev-parse", "--is-shallow-repository").strip() == "true"
    return "git fetch --unshallow" if is_shallow else "git fetch origin"


def has_pipeline(root: Path, commit: str) -> bool:
    """Tell whether a commit has a `dvc.yaml` that trains.

    Raises
    ------
    BaselineError
        If that cannot be told: taken for a commit without a pipeline, it would be no baseline.
    """
    if not git(root, "ls-tree", "--name-only", commit, "dvc.yaml"):
        return False
    try:
        document = yaml.safe_load(git(root, "show", f"{commit}:./dvc.yaml"))
    except yaml.YAMLError as error:
        raise BaselineError(f"dvc.yaml of {commit[:12]}: not YAML") from error
    return isinstance(document, dict) and _STAGE in (document.get("stages") or {})


def _provide(tree: Path) -> Literal["stored", "reproduced"]:
    """Get the model and the rows of the commit that is checked out in `tree`."""
    outputs = ("build/model", "build/train.parquet", "build/test.parquet")
    lock = tree / "dvc.lock"
    if lock.exists():
        # Does nothing where the lock belongs to the inputs, whether or not the outputs are here.
        before = lock.read_bytes()
        done = _dvc(tree, "repro", "--pull", "--allow-missing", _STAGE, check=False)
        stored = lock.read_bytes() == before
        if not done.returncode:
            done = _dvc(tree, "pull", *outputs, check=False)
        if not done.returncode and (tree / "build" / "model").is_dir():
            if _OUT_OF_FOLD not in lock.read_text():  # it was not kept by older commits
                return "stored" if stored else "reproduced"
            pull(tree, _OUT_OF_FOLD)
            if (tree / _OUT_OF_FOLD).exists():
                return "stored" if stored else "reproduced"
    # Not quiet: DVC would keep its errors to itself.
    _dvc(tree, "pull", "data.dvc", check=False)  # repro says what is missing
    _dvc(tree, "repro", _STAGE)
    return "reproduced"


def pull(tree: Path, path: str) -> None:
    """Get an output of the commit that is checked out in `tree`, if it can be had."""
    _dvc(tree, "pull", path, check=False)


def _dvc(tree: Path, *arguments: str, check: bool = True) -> process.Finished:
    command = [sys.executable, "-m", "dvc", *arguments]
    path = process.path_with_this_python()
    done = _run(command, tree, PYTHONPATH=str((tree / "src").resolve()), PATH=path)
    if check and done.returncode:
        raise BaselineError(f"dvc {arguments[0]} in the baseline: {_last_line(done.stderr)}")
    return done


def _run(command: list[str], folder: Path, **environment: str) -> process.Finished:
    return process.run(command, folder, environment=process.without_credentials() | environment)


def _last_line(text: str) -> str:
    """Return the line that says what went wrong, without DVC's prefix and its advice."""
    return process.error_line(text, ("ERROR: ", "Error: "), last=True).removeprefix("ERROR: ")
