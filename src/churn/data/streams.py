"""Read a CSV or Parquet file a part at a time; errors are about the *file*."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from churn.core.addresses import in_one_line
from churn.core.errors import DataError
from churn.core.params import ROW_NUMBER, CsvParams
from churn.core.progress import announce
from churn.data import cells
from churn.data.decoding import Decoded

_OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
_WHOLE = {pa.int64(): pd.Int64Dtype(), pa.uint64(): pd.UInt64Dtype()}
_ROWS = 65_536  # of a part of a Parquet file
_HEAD = 1 << 20  # bytes in which a header is looked for


@dataclass(frozen=True)
class File:
    """A file of a table.

    Attributes
    ----------
    name : str
        Its path or address: for messages, and its ending says how it is written.
    size : int
        In bytes.
    opened : callable
        Opens it to be read; the caller closes it.
    remote : bool, default=False
        Whether a read takes so long that fewer and larger ones are better.
    """

    name: str
    size: int
    opened: Callable[[], BinaryIO]
    remote: bool = False

    @classmethod
    def local(cls, path: Path) -> File:
        """Return a file on this machine."""
        return cls(str(path), path.stat().st_size, lambda: path.open("rb"))

    @property
    def kind(self) -> str:
        """``"csv"``, ``"tsv"`` or ``"parquet"``.

        Raises
        ------
        DataError
            If it has another ending.
        """
        name = self.name.replace("\\", "/").rpartition("/")[2]
        found = name.lower().removesuffix(".gz").rpartition(".")[2]
        if found not in ("csv", "tsv", "parquet"):
            raise DataError(f"{self.name}: the name must end in .csv, .tsv, .csv.gz or .parquet")
        return found


def tables(
    file: File, columns: Sequence[str], style: CsvParams, start: int = 0
) -> Iterator[pa.Table]:
    """Yield the rows of a file, in parts of any size.

    Parameters
    ----------
    file : File
    columns : sequence of str
        The columns to read; others are ignored.
    style : CsvParams
        How CSV is written.
    start : int, default=0
        Rows to leave out at the beginning.

    Yields
    ------
    Table
        The unconverted cells, in columns of these names; those of CSV as text. The first one has
        no rows. Empty rows at the end are left out, as spreadsheets write them.

    Raises
    ------
    DataError
        If the file has another suffix, is empty or damaged, has merge-conflict markers or another
        delimiter, or lacks a column.
    """
    if file.kind == "parquet":
        found = _parquet(_required(file), columns, start)
    else:
        found = _skipped(_csv(_required(file), columns, _styled(file, style)), start)
    return _without_empty_end(found, file.name)


def frame(table: pa.Table) -> pd.DataFrame:
    """Convert a part to a frame.

    Integers with missing values do not become floats, which are not exact for large ones. pandas'
    metadata in the file is not used: they may make the id an index and not a column.
    """
    found: pd.DataFrame = table.to_pandas(ignore_metadata=True, types_mapper=_WHOLE.get)
    return found


def known_rows(file: File, columns: Sequence[str], style: CsvParams) -> int | None:
    """Check the columns of a file, without reading its rows.

    Returns
    -------
    int or None
        The number of rows, if the file says it.

    Raises
    ------
    DataError
        As for `tables`, as far as the head of the file shows it.
    """
    if file.kind == "parquet":
        with _required(file).opened() as stream, _parquet_errors(file.name):
            opened = pa.parquet.ParquetFile(stream)
            _matched_parquet(file.name, opened.schema_arrow, columns)
            rows: int = opened.metadata.num_rows
        return rows
    with _Text(_required(file), columns, _styled(file, style)):
        return None


def header(file: File, style: CsvParams) -> frozenset[str]:
    """Return the names of a file's columns, as `bare` writes them.

    Raises
    ------
    DataError
        As for `tables`, as far as the head of the file shows it.
    """
    if file.kind == "parquet":
        with _required(file).opened() as stream, _parquet_errors(file.name):
            return frozenset(map(bare, pa.parquet.read_schema(stream).names))
    with _Text(_required(file), (), _styled(file, style)) as text:
        return frozenset(map(bare, text.header))


def _required(file: File) -> File:
    if file.size == 0:
        raise DataError(f"{file.name}: empty; get it again with `dvc pull`")
    return file


def _styled(file: File, style: CsvParams) -> CsvParams:
    if file.kind == "tsv" and style.separator == CsvParams().separator:
        return style.model_copy(update={"separator": "\t"})
    return style


def _without_empty_end(parts: Iterator[pa.Table], name: str) -> Iterator[pa.Table]:
    """Hold back empty rows until one comes that is not empty."""
    waiting: list[pa.Table] = []
    yield next(parts)  # has no rows
    for part in parts:
        end = len(part)
        while end and _is_empty(part.slice(end - 1, 1)):
            end -= 1
        if end:
            yield from waiting
            yield part.slice(0, end)
            waiting = []
        if end < len(part):
            waiting.append(part.slice(end))
    if left := sum(map(len, waiting)):
        announce(f"{name}: {left} empty rows at the end are ignored")


def _is_empty(row: pa.Table) -> bool:
    cells_of = frame(row)
    return all(cells.texts(cells_of.iloc[:, i]).isna().all() for i in range(cells_of.shape[1]))


def _skipped(parts: Iterator[pa.Table], start: int) -> Iterator[pa.Table]:
    for part in parts:
        if start < len(part) or not len(part):
            yield part.slice(start) if start else part
        start = max(0, start - len(part))


class _Text:
    """The text of a CSV file, after its header was checked.

    Attributes
    ----------
    stream : binary file
        From the header on.
    header : list of str
    names : dict of str to str
        The name in params.yaml for each name in the header.
    style : CsvParams
    """

    def __init__(self, file: File, columns: Sequence[str], style: CsvParams) -> None:
        self.header: list[str] = []
        decoded = Decoded(file.opened(), file.name, style.encoding)
        self.stream = io.BufferedReader(decoded, _HEAD)
        try:
            head = decoded.head(_HEAD)
            if declared := re.match(rb"sep=(.)\r?\n", head):  # as Excel writes it
                self.stream.read(declared.end())
                head = head[declared.end() :]
                style = style.model_copy(update={"separator": declared[1].decode()})
            self.header, self.style = _header(head, style), style
            self.names = _matched(file.name, self.header, columns, style)
        except csv.Error as error:
            self.stream.close()
            raise DataError(f"{file.name}: not a CSV file ({error}); export it as CSV") from error
        except BaseException:
            self.stream.close()
            raise

    def __enter__(self) -> _Text:
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.close()


def _csv(file: File, columns: Sequence[str], style: CsvParams) -> Iterator[pa.Table]:
    """Read every cell as text; `churn.data.cells` converts it."""
    with _Text(file, columns, style) as text:
        try:
            reader = pa.csv.open_csv(
                text.stream,
                # With one thread parse errors have a row number; it is fast enough.
                read_options=pa.csv.ReadOptions(use_threads=False),
                parse_options=pa.csv.ParseOptions(
                    delimiter=text.style.separator,
                    quote_char=text.style.quote,
                    newlines_in_values=True,
                ),
                convert_options=pa.csv.ConvertOptions(
                    include_columns=list(text.names),
                    column_types=dict.fromkeys(text.names, pa.string()),
                ),
            )
            own = list(text.names.values())
            yield reader.schema.empty_table().rename_columns(own)
            for batch in reader:
                yield pa.Table.from_batches([batch]).rename_columns(own)
        except pa.ArrowInvalid as error:
            what = _with_names(str(error).splitlines()[0], text.header)[:120]
            raise DataError(
                f"{file.name}: not a CSV file ({what}); correct or export it again"
            ) from error


def _with_names(problem: str, header: list[str]) -> str:
    """Name row and column as in all other messages; pyarrow counts the header as a row."""
    problem = problem.removeprefix("CSV parse error: ")
    problem = re.sub(
        r"^In CSV column #(\d+): ", lambda match: f"column {header[int(match[1])]!r}, ", problem
    )
    return re.sub(r"\bRow #(\d+)", lambda match: f"row {int(match[1]) - 1}", problem, count=1)


def _header(head: bytes, style: CsvParams) -> list[str]:
    # The head may end within a letter.
    lines = io.TextIOWrapper(io.BytesIO(head), encoding="utf-8", errors="replace", newline="")
    return next(csv.reader(lines, delimiter=style.separator, quotechar=style.quote), [])


def _matched(
    name: str, found: list[str], columns: Sequence[str], style: CsvParams | None = None
) -> dict[str, str]:
    """Find the columns in a header, ignoring blanks around names and the encoding of accents.

    Returns
    -------
    dict of str to str
        The name in params.yaml for each name in the header.
    """
    if style is not None and len(found) == 1:
        for delimiter, called in _OTHER_SEPARATORS.items():
            if delimiter in found[0]:
                shown = {"\t": '"\\t"'}.get(delimiter, f"'{delimiter}'")
                raise DataError(
                    f"{name}: delimited by {called}; set data.csv.separator: {shown} in params.yaml"
                )
    names = {}
    for column in columns:
        alike = [one for one in found if one == column] or [
            one for one in found if bare(one) == bare(column)
        ]
        if len(alike) > 1:
            shown = " and ".join(map(repr, dict.fromkeys(alike)))
            raise DataError(f"{name}: column {shown} is repeated; keep one of them")
        if not alike and column == ROW_NUMBER:
            continue
        if not alike:
            raise DataError(
                f"{name}: column {column!r} is missing (found: {', '.join(map(repr, found))});"
                " add it, or change the data section of params.yaml"
            )
        names[alike[0]] = column
    return names


def bare(name: str) -> str:
    """Return a column's name without blanks around it and with accents in one encoding."""
    return unicodedata.normalize("NFC", name).strip()


def _parquet_errors(name: str) -> AbstractContextManager[None]:
    errors = (pa.ArrowException, OSError)
    return in_one_line(DataError, f"{name}: not a Parquet file", "; write it again", errors)


def _parquet(file: File, columns: Sequence[str], start: int) -> Iterator[pa.Table]:
    with file.opened() as stream, _parquet_errors(file.name):
        # A piece of each column at a time; over a network, the columns of a row group at once.
        opened = pa.parquet.ParquetFile(
            stream, pre_buffer=file.remote, buffer_size=0 if file.remote else _HEAD
        )
        names = _matched_parquet(file.name, opened.schema_arrow, columns)
        first = 0
        while first < opened.num_row_groups and start >= (
            rows := opened.metadata.row_group(first).num_rows
        ):
            first, start = first + 1, start - rows
        batches = opened.iter_batches(
            batch_size=_ROWS,
            columns=list(names),
            row_groups=range(first, opened.num_row_groups),
        )
        stored, own = list(names), list(names.values())
        first_part = opened.schema_arrow.empty_table()
        parts = chain([first_part], (pa.Table.from_batches([batch]) for batch in batches))
        named = (_texts(part.select(stored)).rename_columns(own) for part in parts)
        yield next(named)
        yield from _skipped(named, start)


def _texts(part: pa.Table) -> pa.Table:
    """Decode text that is stored as bytes, as Impala and older versions of Hive write it."""
    for place, field in enumerate(part.schema):
        values = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if values in (pa.binary(), pa.large_binary()):
            part = part.set_column(place, field.name, part.column(place).cast(pa.string()))
    return part


def _matched_parquet(name: str, schema: pa.Schema, columns: Sequence[str]) -> dict[str, str]:
    names = _matched(name, schema.names, columns)
    for stored, column in names.items():
        if pa.types.is_nested(schema.field(stored).type):
            raise DataError(f"{name}: column {column!r} holds lists; put one value in a cell")
    return names
