"""Where predictions go: a folder, in which whole partitions appear, or a table of Spark's catalog.

A folder's parts are written below ``_unfinished`` and moved when all are there, so that a driver
that is killed leaves nothing that is read: Spark leaves out names that begin with ``_``. While they
are moved there is no ``_SUCCESS``. A table's own format decides what a kill leaves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from churn.batch.unfinished import BAD
from churn.core.errors import DataError
from churn.spark.files import Folder
from churn.spark.tables import (
    Table,
    is_csv,
    is_table,
    listed,
    partitions_of,
    quoted,
    values_of,
)

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_SUCCESS, _UNFINISHED = "_SUCCESS", "_unfinished"


def output(spark: SparkSession, name: str, source: str, found: Table) -> Output:
    """Return an output.

    Parameters
    ----------
    spark : SparkSession
    name : str
        See `churn.spark.tables.is_table`. A folder is of CSV files if its name ends in ``.csv``,
        else of Parquet files.
    source : str
        The name of the input.
    found : Table
        The input: the output is partitioned as it is.
    """
    kind = TableOutput if is_table(name) else FolderOutput
    return kind(spark, name, source, found)


class Output:
    """An output; one run writes it.

    Parameters
    ----------
    spark, name, source, found
        As for `output`.
    """

    def __init__(self, spark: SparkSession, name: str, source: str, found: Table) -> None:
        self._spark, self._name, self._source, self._found = spark, name, source, found
        self._by = found.partitions

    def require_free(self, columns: Sequence[str], overwrite: bool) -> None:
        """Check that nothing is lost that may not be replaced.

        Parameters
        ----------
        columns : sequence of str
            Those that are going to be written.
        overwrite : bool
            Whether partitions that the input has may be replaced.

        Raises
        ------
        DataError
            If the output holds something else than predictions, is partitioned in another way, or
            has a partition of the input already.
        """
        if (there := self._there()) is None:
            return
        if set(there.columns) != set(columns):
            raise DataError(
                f"{self._name}: holds something else than predictions; name another place"
            )
        by = partitions_of(self._spark, self._name)
        if by != list(self._by):
            raise DataError(
                f"{self._name}: is partitioned by {', '.join(by) or 'nothing'}, and the input by"
                f" {', '.join(self._by) or 'nothing'}; name another place"
            )
        if overwrite:
            return
        if not by:
            raise DataError(f"{self._name}: holds predictions; --overwrite replaces them")
        wanted = values_of(self._spark, self._source, by)
        if taken := wanted.intersect(values_of(self._spark, self._name, by)).head(1):
            shown = "/".join(f"{key}={value}" for key, value in taken[0].asDict().items())
            raise DataError(
                f"{self._name}: has predictions for {shown} already; --overwrite replaces the"
                " partitions that the input has"
            )

    @contextmanager
    def begun(self) -> Iterator[None]:
        """Write in the block; if it fails, nothing of it is left."""
        yield

    def write(self, predictions: DataFrame) -> None:
        """Write the predictions."""
        raise NotImplementedError

    def write_bad(self, rows: DataFrame) -> None:
        """Write the bad rows, with the reasons."""
        raise NotImplementedError

    def finish(self) -> None:
        """Let what was written take the place of what was there."""

    @property
    def bad(self) -> str:
        """Where bad rows are."""
        raise NotImplementedError

    def _there(self) -> DataFrame | None:
        """Return what the output holds; None if it holds nothing."""
        raise NotImplementedError


class FolderOutput(Output):
    """A folder of Parquet or CSV files."""

    def __init__(self, spark: SparkSession, name: str, source: str, found: Table) -> None:
        super().__init__(spark, name, source, found)
        self._folder = Folder(spark, name)
        # Runs for other inputs, such as other days, may be under way at the same time.
        self._own = f"{_UNFINISHED}/{hashlib.sha256(source.encode()).hexdigest()[:12]}"

    @contextmanager
    def begun(self) -> Iterator[None]:
        """Write below ``_unfinished`` in the block."""
        self._folder.remove(self._own)  # of a kill
        try:
            yield
        finally:
            self._folder.remove(self._own)
            if self._folder.names(_UNFINISHED) == ([], []):
                self._folder.remove(_UNFINISHED)

    def write(self, predictions: DataFrame) -> None:
        """Write the predictions."""
        writer = predictions.write.partitionBy(*self._by)
        if is_csv(self._name):
            writer.csv(self._at("data"), header=True, escape='"')
        else:
            writer.parquet(self._at("data"))

    def write_bad(self, rows: DataFrame) -> None:
        """Write the bad rows as CSV."""
        rows.write.partitionBy(*self._by).csv(self._at("bad"), header=True, escape='"')

    def finish(self) -> None:
        """Move what was written; the partitions that were there have gone then, bad rows too."""
        data, bad = (f"{self._own}/{kind}" for kind in ("data", "bad"))
        if not self._by:
            self._folder.remove(_SUCCESS)
            self._replace_files(data, "")
            self._replace_files(bad, BAD)
        else:
            depth = len(self._by)
            whole, quarantined = self._folder.leaves(depth, data), self._folder.leaves(depth, bad)
            self._folder.remove(_SUCCESS)
            for name in sorted({*whole, *quarantined}):
                self._replace(f"{bad}/{name}", f"{BAD}/{name}", name in quarantined)
                self._replace(f"{data}/{name}", name, name in whole)
        self._folder.touch(_SUCCESS)

    @property
    def bad(self) -> str:
        """Where bad rows are."""
        return f"{BAD}/"

    def _replace(self, name: str, other: str, is_there: bool) -> None:
        if is_there:
            self._folder.replace(name, other)
        else:
            self._folder.remove(other)

    def _replace_files(self, name: str, other: str) -> None:
        for file in self._folder.names(other)[1]:
            self._folder.remove(f"{other}/{file}")
        for file in self._folder.names(name)[1]:
            if file != _SUCCESS:
                self._folder.replace(f"{name}/{file}", f"{other}/{file}")

    def _there(self) -> DataFrame | None:
        files = listed(self._spark, self._name)
        if files is None or not (first := files.head(1)):
            return None
        if foreign := files.filter("path not rlike '/part-[^/]*$'").head(1):
            raise DataError(
                f"{self._name}: holds {foreign[0].path}, which churn predict has not written;"
                " remove it, or name another place"
            )
        read = self._spark.read.option("header", True)
        return read.csv(self._name) if is_csv(first[0].path) else read.parquet(self._name)

    def _at(self, name: str) -> str:
        return f"{self._name.rstrip('/')}/{self._own}/{name}"


class TableOutput(Output):
    """A table of Spark's catalog."""

    def write(self, predictions: DataFrame) -> None:
        """Write the predictions; partitions that they do not have stay as they are."""
        if self._spark.catalog.tableExists(self._name):
            self._spark.conf.set("spark.sql.sources.partitionOverwriteMode", "dynamic")
            own = self._spark.table(self._name).columns  # insertInto goes by position
            ordered = predictions.select([quoted(column) for column in own])
            ordered.write.insertInto(self._name, overwrite=True)
        else:
            predictions.write.partitionBy(*self._by).saveAsTable(self._name)

    def write_bad(self, rows: DataFrame) -> None:
        """Add the bad rows to a table beside; their `time` says of which run they are."""
        rows.write.mode("append").saveAsTable(self.bad)

    @property
    def bad(self) -> str:
        """Where bad rows are."""
        return f"{self._name}{BAD}"

    def _there(self) -> DataFrame | None:
        is_there = self._spark.catalog.tableExists(self._name)
        return self._spark.table(self._name) if is_there else None
