"""The baselines of a comparison: the model of another commit, or the model in Production."""

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
    """A model's card as written by any release of this project."""

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
        """The columns that the model reads."""
        return (*self.numeric, *self.dates, *self.categorical)


@dataclass(frozen=True)
class Baseline:
    """A model with the code that belongs to it.

    Attributes
    ----------
    name : str
        The revision as the user gave it, or ``Production``.
    identity : str
        Commit, or number of the version in the registry.
    source : {"stored", "reproduced", "registry"}
        Where the model came from.
    model : Path
        Folder of the model.
    code : Path or None
        Folder with the package `churn` that the model was trained with; None if it equals the code
        that runs here.
    workspace : Workspace or None
        Of its commit, with both sides of the split; None if these are unavailable.
    out_of_fold : Path or None
        Out-of-fold predictions of its training rows; None if they were not kept.
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
        """Predict with the baseline's own code; in another process if that code differs.

        Its transformers may have changed since, and a model gives other predictions with other
        code.

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
            If the baseline cannot predict for these rows.
        """
        if self.code is None:
            return self._predict_here(rows)
        if not (self.code / "churn").is_dir():  # else Python would import the candidate's code
            raise IncomparableError(f"{self.name}: its code is missing")
        with tempfile.TemporaryDirectory(prefix="churn-scored-") as folder:
            output = Path(folder) / "scored.parquet"
            command = [sys.executable, "-m", "churn", "predict"]
            command += ["--model", str(self.model.resolve())]
            command += ["--input", str(rows.resolve()), "--output", str(output)]
            done = _run(command, Path(folder), PYTHONPATH=str(self.code.resolve()))
            if done.returncode:
                raise self._incomparable(
                    _last_line(done.stderr).removeprefix("Error: "), rows.resolve()
                )
            return read_parquet(output, "predict")

    def _predict_here(self, rows: Path) -> pd.DataFrame:
        """Predict as ``churn predict`` does, with the same errors."""
        from churn.model import artifact, prediction

        try:
            return prediction.score(artifact.load(self.model), rows)
        except ChurnError as error:
            raise self._incomparable(str(error), rows) from error
        except Exception as error:  # from a library, depending on rows and model
            raise self._incomparable(f"{type(error).__name__}: {error}", rows) from error

    def _incomparable(self, reason: str, rows: Path) -> IncomparableError:
        # The name of the temporary file means nothing to the reader.
        reason = reason.removeprefix(f"{rows}: ")
        return IncomparableError(f"{self.name}: cannot be scored on these rows: {reason}")


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


@contextmanager
def in_production(root: Path, settings: ReleaseParams) -> Iterator[Baseline | None]:
    """Yield the model in Production; None if there is none yet.

    Parameters
    ----------
    root : Path
        Folder of the local MLflow store.
    settings : ReleaseParams
        Names the registered model.

    Raises
    ------
    RegistryError
        If this run has no access to the configured server.
    TrackingError
        If the registry cannot be reached.
    """
    has_registry = os.environ.get("MLFLOW_TRACKING_URI") or local_store.registry_branch()
    if not has_registry and not (root / "mlflow.db").exists():
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
    has_same_code = version.tags.get("served") == work_tree_fingerprint(root, SERVED)
    with tempfile.TemporaryDirectory(prefix="churn-production-") as folder:
        stored = verified.fetch(registry, version, Path(folder))
        yield Baseline(
            PRODUCTION,
            str(version.number),
            "registry",
            model=stored / MODEL_FILES,
            code=None if has_same_code else stored / "code",
            workspace=None,
            out_of_fold=_out_of_fold_of(version, root, Path(folder)),
        )


def _out_of_fold_of(version: Version, root: Path, folder: Path) -> Path | None:
    """Return a version's out-of-fold predictions if it was trained on the table that is here.

    The registry holds no customers, so rows can only be matched by the digest of the whole table.
    """
    from churn.registry import verified

    digest = table_digest(root)
    if digest == "absent" or version.tags.get("data_sha256") != digest:
        return None
    return verified.companion(version, Path(_OUT_OF_FOLD).name, folder)


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
    outputs = ("build/model", "build/train.parquet", "build/test.parquet")
    lock = tree / "dvc.lock"
    if lock.exists():
        # Runs nothing if the lock is up to date, even if the outputs are missing.
        before = lock.read_bytes()
        done = _dvc(tree, "repro", "--pull", "--allow-missing", _STAGE, check=False)
        stored = lock.read_bytes() == before
        if not done.returncode:
            done = _dvc(tree, "pull", *outputs, check=False)
        if not done.returncode and (tree / "build" / "model").is_dir():
            if _OUT_OF_FOLD not in lock.read_text():  # older commits did not keep it
                return "stored" if stored else "reproduced"
            pull(tree, _OUT_OF_FOLD)
            if (tree / _OUT_OF_FOLD).exists():
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
    path = process.path_with_this_python()
    done = _run(command, tree, PYTHONPATH=str((tree / "src").resolve()), PATH=path)
    if check and done.returncode:
        raise BaselineError(f"dvc {arguments[0]} in the baseline: {_last_line(done.stderr)}")
    return done


def _run(command: list[str], folder: Path, **environment: str) -> process.Finished:
    return process.run(command, folder, environment=process.without_credentials() | environment)


def _last_line(text: str) -> str:
    """Return the last line with an error, without DVC's prefix and its advice."""
    return process.error_line(text, ("ERROR: ", "Error: "), last=True).removeprefix("ERROR: ")
