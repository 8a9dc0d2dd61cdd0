"""Read the customer table from its files; errors are about a *file*."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import unicodedata
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from churn.core.errors import DataError
from churn.core.params import ROW_NUMBER, CsvParams, DataParams
from churn.core.progress import announce
from churn.data import cells, sources

_CONFLICT_MARKERS = (b"<<<<<<< ", b">>>>>>> ")
_OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
_WHOLE = {pa.int64(): pd.Int64Dtype(), pa.uint64(): pd.UInt64Dtype()}


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
        raise DataError(f"{path}: {what}; get it with `dvc pull`, or correct the path")
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
    suffix = path.name.lower().removesuffix(".gz").rpartition(".")[2]
    if suffix not in ("csv", "tsv", "parquet"):
        raise DataError(f"{path}: the name must end in .csv, .tsv, .csv.gz or .parquet")
    if path.stat().st_size == 0:
        raise DataError(f"{path}: empty; get it again with `dvc pull`")
    if suffix == "parquet":
        found = _read_parquet(path, columns)
    else:
        if suffix == "tsv" and style.separator == CsvParams().separator:
            style = style.model_copy(update={"separator": "\t"})
        found = _read_csv(path, columns, style)
    return _without_empty_end(found, path)


def _without_empty_end(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Drop empty rows at the end, as spreadsheets write them."""
    end = len(table)
    while end and all(
        cells.texts(table.iloc[end - 1 : end, i]).isna().all() for i in range(table.shape[1])
    ):
        end -= 1
    if end < len(table):
        announce(f"{path}: {len(table) - end} empty rows at the end are ignored")
    return table.iloc[:end]


def _read_csv(path: Path, columns: list[str], style: CsvParams) -> pd.DataFrame:
    """Read every cell as text; `churn.data.cells` converts it."""
    header: list[str] = []
    try:
        text = _decoded(path, style.encoding)
        _refuse_conflict_markers(path, text)
        if declared := re.match(rb"sep=(.)\r?\n", text):  # as Excel writes it
            text, style = (
                text[declared.end() :],
                style.model_copy(update={"separator": declared[1].decode()}),
            )
        header = _header(text, style)
        names = _matched(path, header, columns, style)
        table = pa.csv.read_csv(
            pa.BufferReader(text),
            # With one thread parse errors have a row number; it is fast enough.
            read_options=pa.csv.ReadOptions(use_threads=False),
            parse_options=pa.csv.ParseOptions(
                delimiter=style.separator, quote_char=style.quote, newlines_in_values=True
            ),
            convert_options=pa.csv.ConvertOptions(
                include_columns=list(names), column_types=dict.fromkeys(names, pa.string())
            ),
        )
    except csv.Error as error:
        raise DataError(f"{path}: not a CSV file ({error}); export it as CSV") from error
    except pa.ArrowInvalid as error:
        what = _with_names(str(error).splitlines()[0], header)[:120]
        raise DataError(f"{path}: not a CSV file ({what}); correct or export it again") from error
    frame: pd.DataFrame = table.rename_columns(list(names.values())).to_pandas()
    return frame


def _decoded(path: Path, encoding: str) -> bytes:
    """Return the file as UTF-8 without a byte order mark."""
    found = path.read_bytes()
    if path.suffix.lower() == ".gz":
        try:
            found = gzip.decompress(found)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{path}: damaged ({error}); get it again with `dvc pull`") from error
    if encoding == "utf-8":
        found = found.removeprefix(codecs.BOM_UTF8)
        if found.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise DataError(
                f"{path}: written as UTF-16; set data.csv.encoding: utf-16 in params.yaml"
            )
        if b"\0" in found:
            raise DataError(f"{path}: not a CSV file (it holds binary data); export it as CSV")
        try:
            found.decode()
        except UnicodeDecodeError as error:
            line = found[: error.start].count(b"\n") + 1
            raise DataError(
                f"{path}: no UTF-8 text in line {line}; set data.csv.encoding in params.yaml"
                " (Excel writes cp1252)"
            ) from error
        return found
    try:
        return found.decode(encoding).removeprefix("\ufeff").encode()
    except UnicodeError as error:
        raise DataError(
            f"{path}: no {encoding} text; correct data.csv.encoding in params.yaml"
        ) from error


def _with_names(problem: str, header: list[str]) -> str:
    """Name row and column as in all other messages; pyarrow counts the header as a row."""
    problem = problem.removeprefix("CSV parse error: ")
    problem = re.sub(
        r"^In CSV column #(\d+): ", lambda match: f"column {header[int(match[1])]!r}, ", problem
    )
    return re.sub(r"\bRow #(\d+)", lambda match: f"row {int(match[1]) - 1}", problem, count=1)


def _header(text: bytes, style: CsvParams) -> list[str]:
    lines = io.TextIOWrapper(io.BytesIO(text), encoding="utf-8", newline="")
    return next(csv.reader(lines, delimiter=style.separator, quotechar=style.quote), [])


def _refuse_conflict_markers(path: Path, text: bytes) -> None:
    for marker in _CONFLICT_MARKERS:
        place = 0 if text.startswith(marker) else text.find(b"\n" + marker) + 1
        if place or text.startswith(marker):
            line = text[:place].count(b"\n") + 1
            raise DataError(
                f"{path}: merge-conflict marker in line {line};"
                " choose one side, then `dvc add data`"
            )


def _matched(
    path: Path, found: list[str], columns: list[str], style: CsvParams | None = None
) -> dict[str, str]:
    """Find the columns in a header, ignoring blanks around names and the encoding of accents.

    Returns
    -------
    dict of str to str
        The name in params.yaml for each name in the header.
    """
    if style is not None and len(found) == 1:
        for delimiter, name in _OTHER_SEPARATORS.items():
            if delimiter in found[0]:
                shown = {"\t": '"\\t"'}.get(delimiter, f"'{delimiter}'")
                raise DataError(
                    f"{path}: delimited by {name}; set data.csv.separator: {shown} in params.yaml"
                )
    names = {}
    for column in columns:
        alike = [name for name in found if name == column] or [
            name for name in found if _bare(name) == _bare(column)
        ]
        if len(alike) > 1:
            shown = " and ".join(map(repr, dict.fromkeys(alike)))
            raise DataError(f"{path}: column {shown} is repeated; keep one of them")
        if not alike and column == ROW_NUMBER:
            continue
        if not alike:
            raise DataError(
                f"{path}: column {column!r} is missing (found: {', '.join(map(repr, found))});"
                " add it, or change the data section of params.yaml"
            )
        names[alike[0]] = column
    return names


def _bare(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip()


def _read_parquet(path: Path, columns: list[str]) -> pd.DataFrame:
    try:
        schema = pa.parquet.read_schema(path)
        names = _matched(path, schema.names, columns)
        for name, column in names.items():
            if pa.types.is_nested(schema.field(name).type):
                raise DataError(f"{path}: column {column!r} holds lists; put one value in a cell")
        # Without pandas' metadata in the file, which may make the id an index and not a column.
        table = pa.parquet.read_table(path, columns=list(names)).rename_columns(
            list(names.values())
        )
        # Integers with missing values would become floats, which are not exact for large integers.
        frame: pd.DataFrame = table.to_pandas(ignore_metadata=True, types_mapper=_WHOLE.get)
    except (pa.ArrowException, OSError) as error:
        first_line = str(error).splitlines()[0]
        raise DataError(f"{path}: not a Parquet file ({first_line}); write it again") from error
    return frame
