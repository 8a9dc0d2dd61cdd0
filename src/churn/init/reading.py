"""Read a whole table whose style nobody has described; errors are about the *file*."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet
from pydantic import ValidationError

from churn.core.addresses import in_one_line
from churn.core.document import first_problem
from churn.core.errors import DataError, ParamsError
from churn.core.params import CsvParams
from churn.data import cells, streams
from churn.data.decoding import Decoded

_SEPARATORS = (",", ";", "\t", "|")
_HEAD = 1 << 16  # bytes by which the style is judged
_LINES = 200
_SAME_WIDTH = 0.9  # share of the lines that have as many cells as most have
_SPREADSHEETS = (".xlsx", ".xls", ".xlsm", ".ods", ".numbers")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class RawTable:
    """A table as its file holds it.

    Attributes
    ----------
    cells : DataFrame, shape (n_rows, n_columns)
        Unconverted; those of CSV as text.
    csv : CsvParams
        How it is written, apart from numbers and dates.
    unread : dict of str to str
        Why a column was not read, by its name.
    """

    cells: pd.DataFrame
    csv: CsvParams
    unread: dict[str, str]


def read(path: Path, given: Mapping[str, str] | None = None) -> RawTable:
    """Read every column of a CSV or Parquet file.

    Parameters
    ----------
    path : Path
    given : mapping of str to str, optional
        Keys of ``data.csv`` that need not be found.

    Raises
    ------
    DataError
        If it is no such file, is damaged, or has no header.
    """
    if path.suffix.lower() in _SPREADSHEETS:
        raise DataError(f"{path}: a spreadsheet; save it as CSV, and run churn init on that")
    if path.is_dir():
        raise DataError(f"{path}: a folder; name one file, CSV or Parquet")
    if not path.exists():
        raise DataError(f"{path}: not there")
    file = streams.File.local(path)
    header, nested, style = list[str](), dict[str, str](), CsvParams()
    if file.kind == "parquet":
        header, nested = _parquet_header(path)
    else:
        style = _style(path, given or {})
        header = _header(path, style)
    names, unread = _named(header)
    if not names:
        raise DataError(f"{path}: no column has a name")
    parts = pa.concat_tables(streams.tables(file, names, style))
    if not len(parts):
        raise DataError(f"{path}: no rows below the header")
    return RawTable(streams.frame(parts), style, unread | nested)


def _named(header: list[str]) -> tuple[list[str], dict[str, str]]:
    """Return the names without blanks around them; pandas writes its index without a name."""
    unread = {"(no name)": "has no name"} if any(not name.strip() for name in header) else {}
    return [name.strip() for name in header if name.strip()], unread


def _parquet_header(path: Path) -> tuple[list[str], dict[str, str]]:
    errors = (pa.ArrowException, OSError)
    with in_one_line(DataError, f"{path}: not a Parquet file", "; write it again", errors):
        schema = pyarrow.parquet.read_schema(path)
    nested = [field.name for field in schema if pa.types.is_nested(field.type)]
    return [n for n in schema.names if n not in nested], dict.fromkeys(nested, "holds lists")


def _style(path: Path, given: Mapping[str, str]) -> CsvParams:
    encoding = given.get("encoding") or _encoding(path)
    lines = _lines(path, encoding)
    if not lines:
        raise DataError(f"{path}: empty")
    quote = given.get("quote", CsvParams().quote)
    if declared := re.fullmatch(r"sep=(.)", lines[0]):  # as Excel writes it
        return CsvParams(separator=declared[1], encoding=encoding, quote=quote)
    if "separator" in given:
        return CsvParams(separator=given["separator"], encoding=encoding, quote=quote)
    widths = {mark: Counter(map(len, _rows(lines, mark, quote))) for mark in _SEPARATORS}

    def fit(mark: str) -> tuple[bool, int]:
        width, n = widths[mark].most_common(1)[0]
        return width > 1 and n >= _SAME_WIDTH * widths[mark].total(), width

    best = max(_SEPARATORS, key=fit)
    if not fit(best)[0]:
        raise DataError(
            f"{path}: its lines have no common separator (tried comma, semicolon, tab, bar), or"
            " there is only one column; export it as CSV"
        )
    return CsvParams(separator=best, encoding=encoding, quote=quote)


def _encoding(path: Path) -> str:
    """Find the encoding by reading the whole file: one letter beyond ASCII may be at its end."""
    # Any text is latin-1, so that this shows the first bytes.
    if _head(path, "latin-1").encode("latin-1")[:2] in _UTF_16:
        return "utf-16"
    for encoding in ("utf-8", "cp1252"):
        try:
            with Decoded(path.open("rb"), str(path), encoding) as text:
                while text.read(1 << 20):
                    pass
        except DataError as error:
            if not isinstance(error.__cause__, UnicodeError):
                raise
        else:
            return encoding
    raise DataError(f"{path}: neither UTF-8, UTF-16 nor Excel's cp1252; save it as CSV UTF-8")


def _head(path: Path, encoding: str) -> str:
    with Decoded(path.open("rb"), str(path), encoding) as text:
        return text.head(_HEAD)[: 4 * _HEAD].decode("utf-8", "replace")


def _lines(path: Path, encoding: str) -> list[str]:
    head = _head(path, encoding)
    whole = head if len(head) < _HEAD else head.rpartition("\n")[0]
    return [line for line in re.split(r"\r?\n", whole)[:_LINES] if line.strip()]


def _rows(lines: list[str], separator: str, quote: str) -> list[list[str]]:
    return [row for row in csv.reader(lines, delimiter=separator, quotechar=quote) if row]


def _header(path: Path, style: CsvParams) -> list[str]:
    lines = _lines(path, style.encoding)
    rows = _rows(lines[1:] if lines[0].startswith("sep=") else lines, style.separator, style.quote)
    width = Counter(map(len, rows)).most_common(1)[0][0]
    header = rows[0]
    if len(header) != width:
        raise DataError(
            f"{path}: its first line has {len(header)} cells, and most have {width}; remove what is"
            " above or beside the names of the columns"
        )
    if all(map(_is_number, filter(str.strip, header))):
        raise DataError(f"{path}: its first line holds numbers; add one with the columns' names")
    return header


def _is_number(text: str) -> bool:
    errors: list[cells.CellError] = []
    cells.numbers(pd.Series([text], dtype="str"), errors=errors)
    return not errors or cells.reading_style(text) is not None


def csv_settings(settings: Sequence[str]) -> dict[str, str]:
    """Parse ``data.csv.key=value`` arguments.

    Raises
    ------
    ParamsError
        If one names another key, or a value that the key does not take.
    """
    prefix, found = "data.csv.", dict[str, str]()
    for setting in settings:
        key, _, value = setting.partition("=")
        name = key.removeprefix(prefix)
        if not key.startswith(prefix) or name not in CsvParams.model_fields:
            keys = ", ".join(f"{prefix}{field}" for field in CsvParams.model_fields)
            raise ParamsError(f"--set {setting}: valid are {keys}, each with =VALUE")
        found[name] = value.replace("\\t", "\t")
    try:
        CsvParams.model_validate(found)
    except ValidationError as error:
        raise ParamsError(f"--set: {first_problem(error, CsvParams)}") from error
    return found
