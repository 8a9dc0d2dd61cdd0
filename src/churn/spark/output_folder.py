"""An output that is a folder: written beside, and moved when all of it is there."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from churn.batch.unfinished import BAD
from churn.core.addresses import public
from churn.core.errors import DataError
from churn.spark.files import Folder
from churn.spark.outputs import Output
from churn.spark.swapping import NEW, Swap
from churn.spark.tables import Table, is_csv, listed

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_SUCCESS, _UNFINISHED = "_SUCCESS", "_unfinished"
_KINDS = ("", BAD)


class FolderOutput(Output):
    """A folder: of CSV files if its name ends in ``.csv``, else of Parquet files."""

    def __init__(self, spark: SparkSession, name: str, source: str, found: Table) -> None:
        super().__init__(spark, name, source, found)
        self._folder = Folder(spark, name)
        # Runs for other inputs, such as other days, may be under way at the same time.
        self._job = hashlib.sha256(source.encode()).hexdigest()[:12]
        self._all = f"{_UNFINISHED}/{self._job}"
        # Executors of a driver that was killed may write for a while, and must not write here.
        self._own = f"{self._all}/{secrets.token_hex(4)}"
        self._is_moving = False

    def recover(self) -> None:
        """Put back what an earlier run for this input has set aside."""
        for run in self._folder.names(self._all)[0]:
            self._swap(f"{self._all}/{run}").restore(_KINDS)

    @contextmanager
    def begun(self) -> Iterator[None]:
        """Write below ``_unfinished`` in the block; it stays if moving has begun and has failed."""
        self._folder.remove(self._all)  # of a kill
        try:
            yield
        finally:
            if not self._is_moving:
                self._clear()

    def write(self, predictions: DataFrame) -> None:
        """Write the predictions."""
        writer = predictions.write.partitionBy(*self._by)
        if is_csv(self._name):
            writer.csv(self._at(NEW), header=True, escape='"')
        else:
            writer.parquet(self._at(NEW))

    def write_bad(self, rows: DataFrame) -> None:
        """Write the bad rows as CSV."""
        rows.write.partitionBy(*self._by).csv(self._at(f"{NEW}/{BAD}"), header=True, escape='"')

    def finish(self) -> None:
        """Move what was written; the partitions that were there have gone then, bad rows too."""
        self._is_moving = True
        self._folder.remove(_SUCCESS)
        self._swap(self._own).run(_KINDS)
        self._is_moving = False
        self._clear()  # first: of two jobs that end at once, the later sees none beside it
        if not set(self._folder.names(_UNFINISHED)[0]) - {self._job}:
            self._folder.touch(_SUCCESS)

    @property
    def bad(self) -> str:
        """Where bad rows are."""
        return f"{BAD}/"

    def _swap(self, own: str) -> Swap:
        return Swap(self._folder, own, len(self._by))

    def _clear(self) -> None:
        self._folder.remove(self._own)
        self._folder.remove_empty(self._all)
        self._folder.remove_empty(_UNFINISHED)

    def _there(self) -> DataFrame | None:
        files = listed(self._spark, self._name)
        if files is None or not (first := files.head(1)):
            return None
        if foreign := files.filter("path not rlike '/part-[^/]*$'").head(1):
            other = public(foreign[0].path)
            raise DataError(
                f"{self._shown}: holds {other}, which churn predict has not written; remove it, or"
                " name another place"
            )
        read = self._spark.read.option("header", True)
        return read.csv(self._name) if is_csv(first[0].path) else read.parquet(self._name)

    def _at(self, name: str) -> str:
        return f"{self._name.rstrip('/')}/{self._own}/{name}"
