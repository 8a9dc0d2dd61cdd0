"""Reading the customer table: what is wrong with a *file* is said here."""

from __future__ import annotations

import csv
import mmap
import re
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from churn.errors import DataError
from churn.params import DataParams

_CONFLICT_MARKERS = (b"<<<<<<< ", b">>>>>>> ")
_OTHER_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "bars"}
# What stands for a missing number. A category is missing only where its cell is empty, because
# "NA" and "null" may be values (NA is Namibia's country code).
MISSING_NUMBERS = ["", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "-"]


def require_known_ending(path: Path) -> None:
    """Check that a file's name says how it is written.

    Raises
    ------
    DataError
        If it does not end in ``.csv`` or ``.parquet``.
    """
    if path.suffix not in (".csv", ".parquet"):
        raise DataError(f"{path}: the name must end in .csv or .parquet")


def read_table(path: Path, data: DataParams, labelled: bool = True) -> pd.DataFrame:
    """Read the declared columns of a CSV or Parquet file, by its ending.

    Parameters
    ----------
    path : Path
        The file. CSV: UTF-8, comma-separated, with a header.
    data : DataParams
        The columns; others are left out.
    labelled : bool, default=True
        Whether the target is read as well.

    Returns
    -------
    DataFrame, shape (n_customers, n_columns)
        Ids and categories as text; everything else as it was found.

    Raises
    ------
    DataError
        If the file is of another kind, missing, empty, damaged, holds merge-conflict markers, is
        delimited by something else, or misses a column.
    """
    if not path.is_file():
        what = "not a file" if path.exists() else "not there"
        raise DataError(f"{path}: {what}; get it with `dvc pull`, or correct the path")
    require_known_ending(path)
    if path.stat().st_size == 0:
        raise DataError(f"{path}: empty; get it again with `dvc pull`")
    columns = [data.id, *data.features, *([data.target] if labelled else [])]
    texts = [data.id, *data.categorical]
    read = _read_parquet if path.suffix == ".parquet" else _read_csv
    frame = read(path, columns, texts)
    words: list[str] = list(frame.select_dtypes("str").columns)
    frame[words] = frame[words].mask(frame[words] == "")  # an empty cell is a missing one
    for name in texts:
        # Whole numbers with gaps are floats to many programs: "1.0" is the category, or id, 1.
        if frame[name].str.endswith(".0").any():
            frame[name] = frame[name].str.replace(r"^(-?\d+)\.0$", r"\1", regex=True)
    return frame


def _read_csv(path: Path, columns: list[str], texts: list[str]) -> pd.DataFrame:
    _refuse_conflict_markers(path)
    header: list[str] = []
    try:
        header = _header(path)
        _require_columns(path, header, columns)
        table = pa.csv.read_csv(
            path,
            # One thread, because only then does a parse error know its row; it is fast enough.
            read_options=pa.csv.ReadOptions(use_threads=False),
            parse_options=pa.csv.ParseOptions(newlines_in_values=True),
            convert_options=pa.csv.ConvertOptions(
                include_columns=columns,
                column_types=dict.fromkeys(texts, pa.string()),
                null_values=MISSING_NUMBERS,
            ),
        )
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a CSV file (no UTF-8 text); export it as CSV") from error
    except pa.ArrowInvalid as error:
        what = _in_own_words(str(error).splitlines()[0], header)[:120]
        raise DataError(f"{path}: not a CSV file ({what}); correct or export it again") from error
    frame: pd.DataFrame = table.to_pandas()
    return frame


def _in_own_words(problem: str, header: list[str]) -> str:
    """Name row and column as all other messages do; pyarrow counts the header as a row."""
    problem = problem.removeprefix("CSV parse error: ")
    problem = re.sub(
        r"^In CSV column #(\d+): ", lambda match: f"column {header[int(match[1])]!r}, ", problem
    )
    return re.sub(r"\bRow #(\d+)", lambda match: f"row {int(match[1]) - 1}", problem, count=1)


def _header(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return next(csv.reader(file), [])


def _refuse_conflict_markers(path: Path) -> None:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        if text.find(b"\0") != -1:
            raise DataError(f"{path}: not a CSV file (it holds binary data); export it as CSV")
        for marker in _CONFLICT_MARKERS:
            place = 0 if text[: len(marker)] == marker else text.find(b"\n" + marker) + 1
            if place or text[: len(marker)] == marker:
                line = text[:place].count(b"\n") + 1
                raise DataError(
                    f"{path}: merge-conflict marker in line {line};"
                    " choose one side, then `dvc add data`"
                )


def _require_columns(path: Path, found: list[str], columns: list[str]) -> None:
    if len(found) == 1:
        for delimiter, name in _OTHER_DELIMITERS.items():
            if delimiter in found[0]:
                raise DataError(f"{path}: delimited by {name}; export it with commas")
    for column in columns:
        if found.count(column) > 1:
            raise DataError(f"{path}: column {column!r} stands twice; keep one of them")
        if column not in found:
            raise DataError(
                f"{path}: column {column!r} is missing (found: {', '.join(map(str, found))});"
                " add it, or change the data section of params.yaml"
            )


def _read_parquet(path: Path, columns: list[str], texts: list[str]) -> pd.DataFrame:
    try:
        schema = pa.parquet.read_schema(path)
        _require_columns(path, schema.names, columns)
        for name in columns:
            if pa.types.is_nested(schema.field(name).type):
                raise DataError(f"{path}: column {name!r} holds lists; put one value in a cell")
        # Without pandas' own notes in the file, by which an id may be an index and no column.
        frame: pd.DataFrame = pa.parquet.read_table(path, columns=columns).to_pandas(
            ignore_metadata=True
        )
    except (pa.ArrowException, OSError) as error:
        first_line = str(error).splitlines()[0]
        raise DataError(f"{path}: not a Parquet file ({first_line}); write it again") from error
    for name in texts:
        # Whole numbers that pandas holds as floats, because some are missing, lose their ".0".
        frame[name] = frame[name].convert_dtypes().astype("str")
    return frame
