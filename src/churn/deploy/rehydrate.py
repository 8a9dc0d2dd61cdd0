"""Rehydrate a packed candidate: lay its files out in a workspace, as the stages write them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from churn.core.errors import CandidateError
from churn.core.files import read_parquet, write_parquet
from churn.core.params import Params
from churn.core.paths import SIDES, Workspace
from churn.model import outputs
from churn.provenance import bundle, tracked_data
from churn.provenance.bundle import Manifest

_ROUNDING = 1e-9  # linear algebra rounds differently on other processors


@contextmanager
def rehydrate(
    root: Path, folder: Path, manifest: Manifest, settings: Params
) -> Iterator[Workspace]:
    """Yield a temporary workspace with the candidate's files and the rows of the split.

    A candidate holds no customers. If the pipeline in `root` has built this very candidate, its
    rows and predictions are linked; else the table is split and predicted again.

    Parameters
    ----------
    root : Path
        The repository, with the candidate's inputs in its work tree.
    folder : Path
        A verified candidate.
    manifest : Manifest
    settings : Params

    Yields
    ------
    Workspace

    Raises
    ------
    CandidateError
        If its model predicts differently here: the libraries or the data differ.
    DataError
        If the data are missing or invalid.
    """
    with tempfile.TemporaryDirectory(prefix="churn-release-") as scratch:
        workspace, pipeline = Workspace(Path(scratch)), Workspace(root)
        _copy_files(folder, workspace)
        if _is_built_here(pipeline, manifest):
            workspace.predictions("test").parent.mkdir()
            for side in SIDES:
                workspace.split(side).symlink_to(pipeline.split(side).resolve())
                workspace.predictions(side).symlink_to(pipeline.predictions(side).resolve())
        else:
            _make_rows(root, workspace, settings)
            _require_same_predictions(workspace, settings, folder)
        yield workspace


def _copy_files(folder: Path, workspace: Workspace) -> None:
    for target, name in bundle.contents(workspace).items():
        source = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        elif source.exists():
            shutil.copyfile(source, target)


def _is_built_here(pipeline: Workspace, manifest: Manifest) -> bool:
    """Tell whether the pipeline's files here are those that the candidate was packed from."""
    predictions = pipeline.predictions("test")
    rows = [pipeline.split(side) for side in SIDES]
    if not all(file.exists() for file in (predictions, *rows)):
        return False
    return bundle.file_digest(predictions) == manifest.predictions_digest


def _make_rows(root: Path, workspace: Workspace, settings: Params) -> None:
    from churn.model import artifact
    from churn.stages import prepare

    tracked_data.require_data(root)
    prepare.write(workspace, settings, root / settings.data.path)
    model = artifact.load(workspace.model)
    for side in SIDES:
        rows = read_parquet(workspace.split(side), "prepare")
        scores = model.output.columns(model.scores(rows))
        predictions = rows[[settings.data.id]].assign(**scores)
        write_parquet(workspace.predictions(side), predictions)


def _require_same_predictions(workspace: Workspace, settings: Params, folder: Path) -> None:
    """Check that the model predicts the same as when it was reviewed, within rounding."""
    reviewed = read_parquet(folder / bundle.PROBABILITIES, "candidate pack")
    now = read_parquet(workspace.predictions("test"), "evaluate").drop(columns=settings.data.id)
    output = outputs.of(settings.task, settings.data.classes)
    if list(reviewed) != list(now) or not output.agree(reviewed, now, _ROUNDING):
        raise CandidateError(
            f"{folder}: its model predicts differently for the held-out customers than when it was"
            " reviewed; the libraries or the data differ"
        )
