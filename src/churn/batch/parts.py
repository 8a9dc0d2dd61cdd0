"""Write a part of an output: predictions as the input is written, and bad rows as CSV."""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from churn.data import streams

_ENDING = re.compile(r"\.(?:csv|tsv|parquet)(?:\.gz)?$", re.IGNORECASE)
_REPEATED = ["prediction", "version", "time"]
_TIME = pa.timestamp("us", tz="UTC")


def named(relative: str, part: int | None) -> str:
    """Return the output's file for a file of the input.

    Parameters
    ----------
    relative : str
        The file's path in the input.
    part : int or None
        None for a file that has one part only.

    Examples
    --------
    >>> named("day=1/customers.tsv", None)
    'day=1/customers.csv'
    >>> named("customers.csv.gz", 2)
    'customers.00002.csv.gz'
    """
    match = _ENDING.search(relative)
    assert match is not None
    ending = match[0].lower().replace("tsv", "csv")
    number = "" if part is None else f".{part:05}"
    return f"{relative[: match.start()]}{number}{ending}"


def bad_named(data: str) -> str:
    """Return the file of bad rows beside a file of predictions.

    Examples
    --------
    >>> bad_named("day=1/customers.00002.parquet")
    'day=1/customers.00002.parquet.csv'
    """
    return f"{data}.csv"


class Writer:
    """Writes the predictions of a part, a chunk at a time.

    Parameters
    ----------
    path : Path
        Its ending says how: ``.csv``, ``.csv.gz`` or ``.parquet``.
    bad : Path
        For rows that are not predicted; written if there are any.
    version, time : str
        Of the run, in every row.
    """

    def __init__(self, path: Path, bad: Path, version: str, time: str) -> None:
        self.path, self.bad = path, bad
        self._version = version
        self._is_csv = path.name.endswith((".csv", ".csv.gz"))
        moment = datetime.fromisoformat(time)
        self._time = pa.scalar(time) if self._is_csv else pa.scalar(moment, _TIME)
        self._writer: Any = None
        self._open = ExitStack()
        self.rows = self.n_bad = 0

    def add(self, rows: pa.Table, first_row: int, bad: Mapping[int, str], found: pa.Table) -> None:
        """Write a chunk.

        Parameters
        ----------
        rows : Table
            As they were read.
        first_row : int
            Number of the first one in its file.
        bad : mapping of int to str
            Why rows are not predicted, by their position.
        found : Table
            Id and answers of the others.
        """
        table = found.append_column("version", pa.repeat(self._version, len(found)))
        table = table.append_column("time", pa.repeat(self._time, len(found)))
        if self._writer is None:
            self._writer = self._opened(table.schema)
        self._writer.write_table(table)
        if bad:
            frame = streams.frame(rows.take(list(bad)))
            frame.insert(0, "reason", list(bad.values()))
            frame.insert(0, "row", [first_row + place for place in bad])
            frame.to_csv(self.bad, mode="a", index=False, header=not self.n_bad)
        self.rows, self.n_bad = self.rows + len(rows), self.n_bad + len(bad)

    def close(self) -> None:
        """Complete the files."""
        self._open.close()

    def _opened(self, schema: pa.Schema) -> Any:
        if not self._is_csv:
            # A dictionary of ids or probabilities is no shorter than they are.
            writer = pa.parquet.ParquetWriter(
                self.path, schema, compression="zstd", use_dictionary=_REPEATED
            )
            return self._open.enter_context(writer)
        stream: Any = self._open.enter_context(self.path.open("wb"))
        if self.path.suffix == ".gz":  # equal rows give equal bytes: no name, no time
            stream = self._open.enter_context(gzip.GzipFile("", "wb", fileobj=stream, mtime=0))
        return self._open.enter_context(_CsvWriter(stream, schema))


def _is_special(column: pa.ChunkedArray) -> bool:
    """Tell whether a column has a text that CSV quotes."""
    if not pa.types.is_string(column.type):
        return False
    return bool(pc.any(pc.match_substring_regex(column, r'[",\r\n]')).as_py())


class _CsvWriter(AbstractContextManager["_CsvWriter"]):
    """Writes CSV with quotes where they are needed, which pyarrow does around every text."""

    def __init__(self, stream: Any, schema: pa.Schema) -> None:
        self._stream = stream
        csv.writer(header := io.StringIO(), lineterminator="\n").writerow(schema.names)
        stream.write(header.getvalue().encode())

    def __exit__(self, *_: object) -> None:
        return None  # the stream is closed by the caller

    def write_table(self, table: pa.Table) -> None:
        """Write rows."""
        # Ids, predicted classes, and the names of columns that are reasons.
        texts = [name for name in table.column_names if name not in ("version", "time")]
        special = any(_is_special(table.column(name)) for name in texts)
        style = "needed" if special else "none"
        options = pa.csv.WriteOptions(include_header=False, quoting_style=style)
        pa.csv.write_csv(table, self._stream, options)
