"""Read today's table and the newest one, refuse what is broken, and say what has changed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from churn.core.errors import DataError
from churn.core.params import ROW_NUMBER, DataParams
from churn.data import schema
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
    rows, label_rate : tuple
        Today's, and the newest table's.
    added, removed, edited, relabelled : int or None
        Customers; of those in both tables, with another value and with another label. None if rows
        are numbered, because then nobody knows who is who.
    """

    rows: tuple[int, int]
    label_rate: tuple[float, float]
    added: int | None = None
    removed: int | None = None
    edited: int | None = None
    relabelled: int | None = None

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
        rates = float(before[data.target].mean()), float(after[data.target].mean())
        limits.require_label_rate(rates[1], len(after), rates[0], len(before), data.max_label_shift)
    except DataError as error:
        raise DataError(f"{shown}: refused: {_of_source(str(error), newest)}") from error
    rows = (len(before), len(after))
    if data.id == ROW_NUMBER:
        return TableChange(rows, rates)
    found = customers.changed(before, after, data)
    return TableChange(rows, rates, found.added, found.removed, found.edited, found.relabelled)


def _read(path: Path, data: DataParams) -> pd.DataFrame:
    return schema.validate(read_table(path, data), data, path)


def _of_source(message: str, newest: Path) -> str:
    """Turn a message about a file in a temporary folder into one about the source."""
    for advice in _ADVICE:
        message = message.removesuffix(advice)
    # A file of a folder keeps its name; the folder, or the only file, is the source itself.
    return message.replace(f"{newest}/", "").removeprefix(f"{newest}: ")
