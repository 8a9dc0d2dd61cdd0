"""Read the prediction log a part at a time, so that memory does not grow with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from churn.core.addresses import in_one_line, public
from churn.core.errors import ArtifactError
from churn.core.params import Columns
from churn.serve.log_files import file_system, of_days
from churn.serve.log_reading import fits
from churn.serve.prediction_log import named

_ROWS = 20_000  # of a part: enough that a part's cost is that of its rows
_TIME = pa.timestamp("us", tz="UTC")
_OWN = {
    "request_id": pa.string(),
    "time": _TIME,
    "row": pa.int32(),
    "customer_id": pa.string(),
    "version": pa.string(),
    "role": pa.string(),
    "latency_ms": pa.float32(),
}

_ANSWERED = {float: pa.float64(), int: pa.int8(), str: pa.string()}


class Log:
    """The prediction log.

    Parameters
    ----------
    address : str
        A folder, or an address that fsspec knows.
    columns : Columns
        The model's.
    answered : mapping of str to type
        Columns of its answer (`churn.model.outputs.Output.answered`).
    """

    def __init__(self, address: str, columns: Columns, answered: Mapping[str, type]) -> None:
        self.address = public(address)
        self._files, self._folder = file_system(address)
        self._types = {**dict.fromkeys(columns.numeric, pa.float64())}
        self._own = _OWN | {name: _ANSWERED[kind] for name, kind in answered.items()}
        self._answered, self.answered = answered, tuple(answered)
        self._types |= dict.fromkeys(columns.dates, _TIME)
        self._types |= dict.fromkeys(columns.categorical, pa.string())

    def days(self, first: str, last: str) -> dict[str, list[str]]:
        """Return the files of each day from `first` to `last` (YYYY-MM-DD) that has any.

        Raises
        ------
        ArtifactError
            If the log cannot be listed.
        """
        with self._reading():
            return of_days(self._files, self._folder, first, last)

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

    def logged(self, paths: Sequence[str], version: str) -> frozenset[str]:
        """Return which of the model's columns are in every file that has answers of a version.

        Another version, whose answers may be in files of the same day, may have other columns.
        """
        found = set(self._types)
        for path in paths:
            with self._reading(), self._files.open(path, "rb") as file:
                footer = pq.read_metadata(file)
            if _may_hold(footer, version):
                there = set(footer.schema.names)
                found = {name for name in found if named(name) in there}
        return frozenset(found)

    def schema(self, own: Sequence[str], columns: Sequence[str]) -> pa.Schema:
        """Return the columns of the log, with their types; parameters as for `parts`."""
        return pa.schema(
            [*((name, self._own[name]) for name in own)]
            + [(named(name), self._types[name]) for name in columns]
        )

    def addresses(self, paths: Sequence[str]) -> list[str]:
        """Return the addresses of files of the log, for who does not read them by fsspec."""
        return [self._files.unstrip_protocol(path) for path in paths]

    def fitting(self, paths: Sequence[str], schema: pa.Schema) -> ds.FileSystemDataset:
        """Return the files without those of a model of another task, which answers otherwise."""
        found = ds.dataset(list(paths), schema, format="parquet", filesystem=self._files)
        with self._reading():
            # A fragment keeps the footer that it is judged by, so that none is read twice.
            files = [
                file for file in found.get_fragments() if fits(file.physical_schema, self._answered)
            ]
        return ds.FileSystemDataset(files, schema, found.format, found.filesystem)

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
            At least 20,000 rows, but for the last part.

        Raises
        ------
        ArtifactError
            If a file is damaged.
        """
        rows = self.fitting(paths, self.schema(own, columns))
        with self._reading():
            waiting: list[pa.RecordBatch] = []
            count = 0
            # What reads ahead fills memory, and counting takes longer than reading.
            for batch in rows.to_batches(
                batch_size=_ROWS, batch_readahead=1, fragment_readahead=1, use_threads=False
            ):
                waiting.append(batch)
                count += len(batch)
                if count >= _ROWS:
                    yield pa.Table.from_batches(waiting)
                    waiting, count = [], 0
            if count:
                yield pa.Table.from_batches(waiting)

    def _reading(self) -> AbstractContextManager[None]:
        return in_one_line(ArtifactError, f"{self.address}: the log cannot be read")


def _may_hold(footer: pq.FileMetaData, version: str) -> bool:
    """Tell from a file's statistics whether there may be answers of a version."""
    place = footer.schema.names.index("version")
    for group in range(footer.num_row_groups):
        known = footer.row_group(group).column(place).statistics
        if known is None or not known.has_min_max or known.min <= version <= known.max:
            return True
    return False
