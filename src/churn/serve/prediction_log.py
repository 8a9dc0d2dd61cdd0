"""The prediction log: each answered customer, in Parquet files by day.

A thread writes what has come together since the last flush as one file. A file has its name only
when it is complete, so that a reader finds no half of one. Answers never wait for the log: where it
is too slow, predictions are dropped and counted.
"""

from __future__ import annotations

import io
import logging
import os
import threading
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from churn.model.card import ModelCard
from churn.serve import metrics
from churn.serve.log_files import day_folder, file_system, part
from churn.serve.rows import Rows, numbers_of

_logger = logging.getLogger(__name__)
_FILE_ROWS = 20_000  # are written at once, before they take much memory
_PART = 1000  # rows
_DAY_US = 86_400 * 1_000_000
# The log's own columns, in every file unless they are redacted.
COLUMNS = (
    "request_id",
    "time",
    "row",
    "customer_id",
    "probability",
    "prediction",
    "version",
    "role",
    "latency_ms",
    "scoring_ms",
)


class Entry(msgspec.Struct, frozen=True, gc=False):
    """Customers for whom one version has predicted at once, of one request or of several.

    Attributes
    ----------
    requests : sequence of str, shape (n_requests,)
        The requests' ids.
    moments : sequence of float, shape (n_requests,)
        When each came, in seconds since 1970.
    latencies_ms : sequence of float, shape (n_requests,)
        From each request's arrival to its prediction.
    scoring_ms : float
        How long the version took to predict for all of them.
    counts : sequence of int, shape (n_requests,)
        Number of customers of each request.
    places : ndarray of int, shape (n_customers,), or None
        Positions of the customers in their requests; None if they are all of them.
    rows : Rows
    answer : dict of str to ndarray, shape (n_customers,)
        By column, as `churn.model.outputs.Output.answer` returns it.
    card : ModelCard
        Of the version.
    version : str
    role : str
        ``champion``, ``challenger``, ``shadow`` (a challenger whose prediction was not the answer),
        ``fallback`` (the champion, because the challenger has failed), or ``named`` (by the path
        of the request, outside of any trial).
    """

    requests: Sequence[str]
    moments: Sequence[float]
    latencies_ms: Sequence[float]
    scoring_ms: float
    counts: Sequence[int]
    places: np.ndarray | None
    rows: Rows
    answer: dict[str, np.ndarray]
    card: ModelCard
    version: str
    role: str


class PredictionLog:
    """Writes predictions in the background.

    Parameters
    ----------
    address : str
        A folder, or an address that fsspec knows.
    flush_s : float
        Maximum seconds until a prediction is written.
    max_rows : int
        Maximum number of predictions that wait.
    redact : sequence of str
        Columns that are left out.
    """

    def __init__(self, address: str, flush_s: float, max_rows: int, redact: Sequence[str]) -> None:
        self._files, self._folder = file_system(address)
        self._flush_s, self._max_rows, self._redact = flush_s, max_rows, frozenset(redact)
        self._waiting: list[Entry] = []
        self._n_waiting = self._n_files = 0
        self._changed = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)
        self._thread.start()

    def add(self, entry: Entry) -> None:
        """Take predictions; returns at once."""
        count = len(entry.rows)
        with self._changed:
            if self._ended or self._n_waiting + count > self._max_rows:
                reason = "closed" if self._ended else "queue full"
                metrics.count("churn_log_dropped_rows", reason, by=count)
                return
            self._waiting.append(entry)
            self._n_waiting += count
            if self._n_waiting >= _FILE_ROWS:
                self._changed.notify()

    @property
    def waiting(self) -> int:
        """Number of predictions that wait."""
        return self._n_waiting

    def close(self, timeout_s: float) -> None:
        """Write what waits, and end."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._ended or self._n_waiting >= _FILE_ROWS, self._flush_s
                )
                taken, self._waiting = self._waiting, []
                ended = self._ended
            if taken:
                self._write(taken)
                with self._changed:
                    self._n_waiting -= sum(len(entry.rows) for entry in taken)
            if ended:
                return

    def _write(self, entries: list[Entry]) -> None:
        by_file: dict[tuple[str, ModelCard], list[Entry]] = defaultdict(list)
        for entry in entries:
            # At midnight a request may be among those of the day before.
            by_file[day_folder(self._folder, entry.moments[0]), entry.card].append(entry)
        for (folder, card), together in by_file.items():
            count = sum(len(entry.rows) for entry in together)
            try:
                self._put(folder, self._table(together, card))
            except Exception as error:  # each file system has its own
                metrics.count("churn_log_dropped_rows", "not writable", by=count)
                _logger.error("prediction log: %d predictions lost: %s", count, error)
            else:
                metrics.count("churn_log_written_rows", by=count)

    def _table(self, entries: list[Entry], card: ModelCard) -> pa.Table:
        """Make a table in small parts, between which other threads get their turn."""
        parts: list[list[Entry]] = [[]]
        size = 0
        for entry in entries:
            if size >= _PART:
                parts.append([])
                size = 0
            parts[-1].append(entry)
            size += len(entry.rows)
        return pa.concat_tables([table(part, card, self._redact) for part in parts])

    def _put(self, folder: str, content: pa.Table) -> None:
        buffer = io.BytesIO()
        pq.write_table(content, buffer, compression="zstd")
        self._n_files += 1
        stamp = datetime.now(UTC).strftime("%H%M%S.%f")
        name = f"{stamp}-{os.getpid()}-{self._n_files}.parquet"
        target, fresh = f"{folder}/{name}", f"{folder}/{part(name)}"
        if isinstance(self._files, LocalFileSystem):
            # An object has its name when it is complete; a file has it when it is opened.
            self._files.makedirs(folder, exist_ok=True)
            with open(fresh, "wb") as file:  # noqa: PTH123 (fsspec's paths are text)
                file.write(buffer.getbuffer())
                file.flush()
                os.fsync(file.fileno())
            os.replace(fresh, target)  # noqa: PTH105
        else:
            self._files.pipe_file(target, buffer.getvalue())


def table(entries: Sequence[Entry], card: ModelCard, redact: frozenset[str]) -> pa.Table:
    """Return predictions as a table.

    Parameters
    ----------
    entries : sequence of Entry
        Of versions with equal cards.
    card : ModelCard
    redact : frozenset of str
        Columns that are left out.

    Returns
    -------
    Table
        ``request_id``, ``time``, ``row`` (position in the request), ``customer_id``, the model's
        columns (numbers, dates as points in time, categories), those of the answer, ``version``,
        ``role``, ``latency_ms``, ``scoring_ms``. A column of the model with one of these names has
        ``input_`` before it.
    """
    counts = [count for entry in entries for count in entry.counts]
    requests = np.repeat(np.arange(len(counts)), counts)
    groups = np.repeat(np.arange(len(entries)), [len(entry.rows) for entry in entries])

    def of_requests(name: str, kind: pa.DataType) -> pa.Array:
        values = [value for entry in entries for value in getattr(entry, name)]
        return pa.array(values, kind).take(pa.array(requests))

    def of_entries(name: str, kind: pa.DataType) -> pa.Array:
        values = pa.array([getattr(entry, name) for entry in entries], kind)
        return values.take(pa.array(groups))

    moments = (np.array([at for entry in entries for at in entry.moments]) * 1e6).astype(np.int64)
    columns: dict[str, pa.Array] = {
        "request_id": of_requests("requests", pa.string()),
        "time": pa.array(moments[requests], pa.timestamp("us", tz="UTC")),
    }
    ids = [one for entry in entries for one in entry.rows.ids or [None] * len(entry.rows)]
    columns["row"] = pa.array(np.concatenate([_places(entry) for entry in entries]), pa.int32())
    columns["customer_id"] = pa.array(ids, pa.string())
    numbers = np.concatenate([entry.rows.numbers for entry in entries])
    for name, column in zip(numbers_of(card), numbers.T, strict=True):
        columns[named(name)] = _dates(column) if name in card.dates else _numbers(column)
    for name in card.categorical:
        cells = [cell for entry in entries for cell in entry.rows.categories[name]]
        columns[named(name)] = pa.array(cells, pa.string())
    for name in entries[0].answer:
        values = np.concatenate([entry.answer[name] for entry in entries])
        columns[name] = pa.array(values.astype(np.int8) if values.dtype.kind == "i" else values)
    columns |= {name: of_entries(name, pa.string()) for name in ("version", "role")}
    columns["latency_ms"] = of_requests("latencies_ms", pa.float32())
    columns["scoring_ms"] = of_entries("scoring_ms", pa.float32())
    left_out = {*redact, *(named(name) for name in card.inputs if name in redact)}
    if card.id in redact:
        left_out.add("customer_id")
    return pa.table({name: column for name, column in columns.items() if name not in left_out})


def named(name: str) -> str:
    """Return the name in the log of a column of the model."""
    return f"input_{name}" if name in COLUMNS else name


def _places(entry: Entry) -> np.ndarray:
    if entry.places is not None:
        return entry.places
    starts = np.cumsum([0, *entry.counts[:-1]])
    found: np.ndarray = np.arange(len(entry.rows)) - np.repeat(starts, entry.counts)
    return found


def _numbers(column: np.ndarray) -> pa.Array:
    return pa.array(column, pa.float64(), from_pandas=True)  # NaN is a missing one


def _dates(days: np.ndarray) -> pa.Array:
    moments = np.round(np.where(np.isnan(days), 0, days) * _DAY_US).astype(np.int64)
    return pa.array(moments, pa.timestamp("us", tz="UTC"), mask=np.isnan(days))
