"""Stage `prepare`: check the customer table and split it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd

from churn.core import params
from churn.core.errors import DataError, ParamsError
from churn.core.files import write_json, write_parquet
from churn.core.params import Params
from churn.core.paths import Workspace
from churn.core.progress import Advance, announce, bar
from churn.data import schema, split, stats, table, targets


def run(workspace: Workspace) -> None:
    """Read the table that params.yaml names; write both sides of the split and their statistics.

    Raises
    ------
    ParamsError, DataError
        If params.yaml or the table is invalid; then nothing is written.
    """
    settings = params.load(workspace.params)
    _require_tracked(workspace, settings.data.path)
    write(workspace, settings, workspace.root / settings.data.path)


def _require_tracked(workspace: Workspace, path: str) -> None:
    """Check that the table is below ``data/``, which ``data.dvc`` tracks.

    A candidate's fingerprint covers its data through ``data.dvc``.
    """
    # By path, unresolved: DVC may check out links to its cache.
    if workspace.data not in Path(os.path.normpath(workspace.root / path)).parents:
        raise ParamsError(
            f"{workspace.params}: data.path: {path} is not below data/, which data.dvc tracks; put"
            f" the table there (to try another one: churn train --set data.path={path})"
        )


def write(workspace: Workspace, settings: Params, source: Path) -> None:
    """Check `source`, split it, and write the result to the workspace.

    Raises
    ------
    DataError
        If the table is invalid, or no model can be trained or measured on a side of the split.
    """
    with bar("preparing", 4) as advance:
        _write(workspace, settings, source, advance)


def _write(workspace: Workspace, settings: Params, source: Path, advance: Advance) -> None:
    data = settings.data
    customers = table.read_table(source, data)
    advance("read")
    # Sorted by id, so that the order of the table's rows makes no difference.
    customers = schema.validate(customers, data, source).sort_values(data.id, ignore_index=True)
    advance("checked")
    held_out = _held_out(customers, settings)
    sides = {"train": customers[~held_out], "test": customers[held_out]}
    n_rows = len(customers)
    del customers
    sides["train"] = _sampled(sides["train"], settings, source)
    for side, rows in sides.items():
        if problem := targets.problem(rows[data.target].to_numpy(), data.classes):
            raise DataError(
                f"{source}: the {side} side of the split has {len(rows)} customers: {problem};"
                f" provide more customers, or change split.test_share in"
                " params.yaml"
            )
    train, test = (stats.describe(rows, data) for rows in sides.values())
    advance("split and described")
    for side, rows in sides.items():
        write_parquet(workspace.split(side), rows)
    write_json(workspace.data_stats, stats.DataStats(rows=n_rows, train=train, test=test))
    advance("written")


def _held_out(customers: pd.DataFrame, settings: Params) -> np.ndarray:
    ids, chosen = customers[settings.data.id], settings.split
    strata = targets.strata(customers[settings.data.target].to_numpy(), settings.data)
    if strata is None:
        return split.is_test(ids, chosen.test_share, chosen.salt)
    return split.is_test_by_stratum(ids, strata, chosen.test_share, chosen.salt)


def _sampled(train: pd.DataFrame, settings: Params, source: Path) -> pd.DataFrame:
    """Return the training rows that train.max_rows keeps."""
    chosen = split.sampled(train[settings.data.id], settings.train.max_rows)
    if chosen.all():
        return train
    announce(
        f"{source}: a model is trained on a sample of {chosen.sum():,} of {len(train):,} training"
        " rows (train.max_rows)"
    )
    return train[chosen]
