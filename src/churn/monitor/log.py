"""Read the prediction log a part at a time, so that memory does not grow with it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from churn.core.errors import ArtifactError
from churn.core.params import Columns
from churn.serve.prediction_log import file_system, named

_ROWS = 100_000  # of a part: enough that a part's cost is that of its rows
_DAY = re.compile(r"day=\d{4}-\d{2}-\d{2}")
_TIME = pa.timestamp("us", tz="UTC")
_OWN = {
    "request_id": pa.string(),
    "time": _TIME,
    "row": pa.int32(),
    "customer_id": pa.string(),
    "probability": pa.float64(),
    "prediction": pa.int8(),
    "version": pa.string(),
    "role": pa.string(),
    "latency_ms": pa.float32(),
}


class Log:
    """The prediction log.

    Parameters
    ----------
    address : str
        A folder, or an address that fsspec knows.
    columns : Columns
        The model's.
    """

    def __init__(self, address: str, columns: Columns) -> None:
        self.address = address
        self._files, self._folder = file_system(address)
        self._types = {**dict.fromkeys(columns.numeric, pa.float64())}
        self._types |= dict.fromkeys(columns.dates, _TIME)
        self._types |= dict.fromkeys(columns.categorical, pa.string())

    def days(self, first: str, last: str) -> dict[str, list[str]]:
        """Return the files of each day from `first` to `last` (YYYY-MM-DD) that has any.

        Raises
        ------
        ArtifactError
            If the log cannot be listed.
        """
        try:
            found = sorted(self._files.glob(f"{self._folder}/day=*/*.parquet"))
        except OSError as error:
            raise ArtifactError(f"{self.address}: the log cannot be read: {error}") from error
        days: dict[str, list[str]] = {}
        for path in found:
            folder = path.rpartition("/")[0].rpartition("/")[2]
            day = folder.removeprefix("day=")
            if _DAY.fullmatch(folder) and first <= day <= last:
                days.setdefault(day, []).append(path)
        return days

    def oldest(self) -> str:
        """Return the oldest day of the log (YYYY-MM-DD).

        Raises
        ------
        ArtifactError
            If it is empty.
        """
        days = self.days("", "9999")
        if not days:
            raise ArtifactError(f"{self.address}: no predictions are logged there")
        return min(days)

    def logged(self, paths: Sequence[str]) -> frozenset[str]:
        """Return the names of the model's columns that the newest of these files has."""
        with self._reading(), self._files.open(paths[-1], "rb") as file:
            there = set(pq.read_schema(file).names)
        return frozenset(name for name in self._types if named(name) in there)

    def schema(self, own: Sequence[str], columns: Sequence[str]) -> pa.Schema:
        """Return the columns of the log, with their types; parameters as for `parts`."""
        return pa.schema(
            [*((name, _OWN[name]) for name in own)]
            + [(named(name), self._types[name]) for name in columns]
        )

    def addresses(self, paths: Sequence[str]) -> list[str]:
        """Return the addresses of files of the log, for who does not read them by fsspec."""
        return [self._files.unstrip_protocol(path) for path in paths]

    def parts(
        self, paths: Sequence[str], own: Sequence[str], columns: Sequence[str]
    ) -> Iterator[pa.Table]:
        """Yield the rows of files, in parts.

        Parameters
        ----------
        paths : sequence of str
        own : sequence of str
            The log's own columns.
        columns : sequence of str
            The model's; in the log's names (`churn.serve.prediction_log.named`). A column that a
            file lacks is null.

        Yields
        ------
        Table
            At least 100,000 rows, but for the last part.

        Raises
        ------
        ArtifactError
            If a file is damaged.
        """
        schema = self.schema(own, columns)
        with self._reading():
            rows = ds.dataset(list(paths), schema=schema, format="parquet", filesystem=self._files)
            waiting: list[pa.RecordBatch] = []
            count = 0
            for batch in rows.to_batches(batch_size=_ROWS):
                waiting.append(batch)
                count += len(batch)
                if count >= _ROWS:
                    yield pa.Table.from_batches(waiting)
                    waiting, count = [], 0
            if count:
                yield pa.Table.from_batches(waiting)

    def _reading(self) -> Any:
        return _Reading(self.address)


class _Reading:
    """Translates the errors of a file that cannot be read."""

    def __init__(self, address: str) -> None:
        self._address = address

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (OSError, pa.ArrowException)):
            first = str(error).splitlines()[0]
            raise ArtifactError(f"{self._address}: the log cannot be read: {first}") from error
