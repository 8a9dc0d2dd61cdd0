"""Labels: what became of customers."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from churn.core import addresses
from churn.core.errors import DataError, ParamsError
from churn.core.params import DataParams
from churn.data import schema, targets
from churn.data.dates import timestamps
from churn.data.table import read_table


def read(address: str, data: DataParams, date: str | None) -> pd.DataFrame:
    """Read labels.

    Parameters
    ----------
    address : str
        A file, or an address that fsspec knows.
    data : DataParams
        How the file is written; only id and target are read.
    date : str or None
        Column with the day on which a label was known.

    Returns
    -------
    DataFrame
        ``id``, ``y`` (see `churn.data.targets.encoded`), and ``known``: the end of the day,
        NaT without `date`.

    Raises
    ------
    DataError
        If the file lacks a column, a cell is empty, a target or a date is none, or a customer has
        two different labels and no date.
    ParamsError
        If there are no such addresses.
    """
    dates = () if date is None else (date,)
    only = data.model_copy(update={"numeric": (), "dates": dates, "categorical": ()})
    with TemporaryDirectory(prefix="churn-labels-") as folder:
        path = _fetched(address, Path(folder))
        table = schema.converted(read_table(path, only), only, path)
    for name in (data.id, *dates):
        if table[name].isna().any():
            row = int(table[name].isna().argmax()) + 1
            raise DataError(f"{path}: column {name!r}, row {row} is missing")
    y = targets.encoded(table, only, path, whole=False)
    days = timestamps(table[date]).dt.normalize() if date else pd.Series(pd.NaT, table.index)
    # A label that was known on a day is known when the day ends.
    known = pd.to_datetime(days, utc=True) + pd.Timedelta(days=1) - pd.Timedelta(microseconds=1)
    found = pd.DataFrame({"id": table[data.id], "y": y, "known": known})
    if date is None:
        _require_one_each(found, path)
    return found


def _fetched(address: str, folder: Path) -> Path:
    """Return a local file with what an address names."""
    if not addresses.is_address(address):
        return Path(address)
    shown = addresses.public(address)
    with addresses.in_one_line(DataError, f"{shown}: cannot be read"):
        try:
            files, path = addresses.file_system(address)
        except (ImportError, ValueError) as error:
            raise ParamsError(f"{shown}: {error}") from error
        target = folder / Path(path).name
        files.get_file(path, str(target))
    return target


def _require_one_each(labels: pd.DataFrame, path: Path) -> None:
    different = labels.drop_duplicates(["id", "y"])
    twice = different["id"].duplicated()
    if twice.any():
        raise DataError(
            f"{path}: customer {different['id'][twice].iloc[0]!r} has two different labels, and"
            " monitor.date names no column that tells which is the newer one"
        )
