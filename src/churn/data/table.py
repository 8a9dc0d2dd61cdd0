"""Read the customer table from its files, as a whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from churn.core.errors import DataError
from churn.core.params import CsvParams, DataParams
from churn.core.progress import announce
from churn.data import sources, streams


def require_known_suffix(path: Path) -> None:
    """Check that a file has a known suffix.

    Raises
    ------
    DataError
        If its name does not end in ``.csv`` or ``.parquet``.
    """
    if path.suffix not in (".csv", ".parquet"):
        raise DataError(f"{path}: the name must end in .csv or .parquet")


def read_table(path: Path, data: DataParams, labelled: bool = True) -> pd.DataFrame:
    """Read the declared columns of CSV or Parquet files, which their suffixes tell apart.

    Parameters
    ----------
    path : Path
        A file, a folder of Parquet files, or a pattern such as ``data/part-*.csv``; several files
        are read in the order of their names. CSV has a header, and is written as `data.csv` says.
    data : DataParams
        The columns; other columns are ignored.
    labelled : bool, default=True
        Whether the target is read as well.

    Returns
    -------
    DataFrame, shape (n_customers, n_columns)
        The unconverted cells; `churn.data.schema.validate` converts them.

    Raises
    ------
    DataError
        If a file has another suffix, is missing, empty or damaged, has merge-conflict markers or
        another delimiter, or lacks a column.
    """
    columns = [data.id, *data.inputs, *([data.target] if labelled else [])]
    found = sources.files(path)
    if not found:
        what = "a folder without Parquet files" if path.is_dir() else "not there"
        raise DataError(
            f"{path}: {what}; correct the path, or get it with `dvc pull` if DVC has it"
        )
    parts = [_read_file(file, columns, data.csv) for file in found]
    table = parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)
    if data.id not in table:
        table.insert(0, data.id, np.arange(1, len(table) + 1))
        if labelled:
            announce(
                f"{path}: its rows are numbered, because data.id is null; adding or removing a row"
                " moves the rows below it to other sides of the split"
            )
    return table


def _read_file(path: Path, columns: list[str], style: CsvParams) -> pd.DataFrame:
    return streams.frame(pa.concat_tables(streams.tables(streams.File.local(path), columns, style)))
