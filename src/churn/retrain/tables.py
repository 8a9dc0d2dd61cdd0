"""Read today's table and the newest one, refuse what is broken, and say what has changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from churn.core.errors import DataError
from churn.core.params import ROW_NUMBER, DataParams
from churn.data import schema, targets
from churn.data.table import read_table
from churn.retrain import limits
from churn.review import customers

# What helps with a table in data/, and not with one that was fetched.
_ADVICE = ("; get it again with `dvc pull`", "; get it with `dvc pull`, or correct the path")


@dataclass(frozen=True)
class TableChange:
    """How the newest table differs from today's.

    Attributes
    ----------
    rows : tuple
        Today's, and the newest table's.
    label_rate : tuple or None
        The same of the share that churned; None if labels are not of two kinds.
    target : tuple of (str, str, str)
        What is shown of another target: what, today's, and the newest table's.
    added, removed, edited, relabelled : int or None
        Customers; of those in both tables, with another value and with another label. None if rows
        are numbered, because then nobody knows who is who.
    """

    rows: tuple[int, int]
    label_rate: tuple[float, float] | None
    added: int | None = None
    removed: int | None = None
    edited: int | None = None
    relabelled: int | None = None
    target: tuple[tuple[str, str, str], ...] = ()

    @property
    def is_none(self) -> bool:
        """Whether both tables have the same customers with the same values."""
        return (self.added, self.removed, self.edited, self.relabelled) == (0, 0, 0, 0)


def compare(today: Path, newest: Path, shown: str, data: DataParams) -> TableChange:
    """Check a newest table against today's, and count how they differ.

    Parameters
    ----------
    today, newest : Path
        Their files, or folders.
    shown : str
        Where the newest is from, for messages.
    data : DataParams
        The columns and the limits.

    Raises
    ------
    DataError
        If the newest table cannot be read, breaks the schema, has lost too many rows or has another
        label rate; or if today's cannot be read.
    """
    before = _read(today, data)
    try:
        if newest.is_dir() != today.is_dir():
            kinds = ("a file", "a folder")[:: -1 if newest.is_dir() else 1]
            raise DataError(f"{kinds[0]}, but data.path in params.yaml names {kinds[1]}")
        after = _read(newest, data)
        limits.require_rows(len(after), len(before), data.min_share)
        limits.require_target(before[data.target], after[data.target], data)
    except DataError as error:
        raise DataError(f"{shown}: refused: {_of_source(str(error), newest)}") from error
    change = _of_targets((before[data.target], after[data.target]), data)
    if data.id == ROW_NUMBER:
        return change
    found = customers.changed(before, after, data)
    return replace(
        change,
        added=found.added,
        removed=found.removed,
        edited=found.edited,
        relabelled=found.relabelled,
    )


def _of_targets(both: tuple[pd.Series, pd.Series], data: DataParams) -> TableChange:
    rows = (len(both[0]), len(both[1]))
    if data.positive is not None:
        return TableChange(rows, (float(both[0].mean()), float(both[1].mean())))
    return TableChange(rows, None, target=tuple(targets.compared(*both, data)))


def _read(path: Path, data: DataParams) -> pd.DataFrame:
    return schema.validate(read_table(path, data), data, path)


def _of_source(message: str, newest: Path) -> str:
    """Turn a message about a file in a temporary folder into one about the source."""
    for advice in _ADVICE:
        message = message.removesuffix(advice)
    # A file of a folder keeps its name; the folder, or the only file, is the source itself.
    return message.replace(f"{newest}/", "").removeprefix(f"{newest}: ")
