"""Rehydrate a packed candidate: lay its files out in a workspace, as the stages write them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from churn.core.errors import CandidateError
from churn.core.files import read_parquet, write_parquet
from churn.core.params import Params
from churn.core.paths import SIDES, Workspace
from churn.provenance import bundle, tracked_data
from churn.provenance.bundle import Manifest

_ROUNDING = 1e-9  # of linear algebra on another processor


@contextmanager
def rehydrate(
    root: Path, folder: Path, manifest: Manifest, settings: Params
) -> Iterator[Workspace]:
    """Lay a candidate out in a scratch folder, with the rows of the split.

    A candidate holds no customers. The rows are those of the pipeline where it has made this very
    candidate here; else they are made from the data, which takes a moment, and the model says
    again what it says of them.

    Parameters
    ----------
    root : Path
        The repository, with the candidate's inputs in its work tree.
    folder : Path
        The candidate, verified.
    manifest : Manifest
    settings : Params

    Yields
    ------
    Workspace

    Raises
    ------
    CandidateError
        If the data are not those that it was made from.
    DataError
        If they are not there, or cannot be used.
    """
    with tempfile.TemporaryDirectory(prefix="churn-release-") as scratch:
        workspace, built = Workspace(Path(scratch)), Workspace(root)
        _lay_out(folder, workspace)
        if _made_here(built, manifest):
            workspace.predictions("test").parent.mkdir()
            for side in SIDES:
                workspace.split(side).symlink_to(built.split(side).resolve())
                workspace.predictions(side).symlink_to(built.predictions(side).resolve())
        else:
            _make_rows(root, workspace, settings)
            _require_same(workspace, folder)
        yield workspace


def _lay_out(folder: Path, workspace: Workspace) -> None:
    for target, name in bundle.contents(workspace).items():
        source = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        elif source.exists():
            shutil.copyfile(source, target)


def _made_here(built: Workspace, manifest: Manifest) -> bool:
    """Tell whether the pipeline's rows here are those of the candidate."""
    predictions = built.predictions("test")
    rows = [built.split(side) for side in SIDES]
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
        predictions = rows[[settings.data.id]].assign(probability=model.probability(rows))
        write_parquet(workspace.predictions(side), predictions)


def _require_same(workspace: Workspace, folder: Path) -> None:
    """Make sure that the model says here what it said when it was reviewed."""
    there = read_parquet(folder / bundle.PROBABILITIES, "candidate pack")["probability"]
    here = read_parquet(workspace.predictions("test"), "evaluate")["probability"]
    if len(there) != len(here) or not np.allclose(there, here, rtol=0, atol=_ROUNDING):
        raise CandidateError(
            f"{folder}: its model says otherwise of the held-out customers here than when it was"
            " reviewed; other libraries, or other data"
        )
