"""An output that is a folder: written beside, and moved when all of it is there."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from churn.batch.unfinished import BAD
from churn.core.errors import DataError
from churn.spark.files import Folder
from churn.spark.outputs import Output
from churn.spark.tables import Table, is_csv, listed

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_SUCCESS, _UNFINISHED = "_SUCCESS", "_unfinished"


class FolderOutput(Output):
    """A folder: of CSV files if its name ends in ``.csv``, else of Parquet files."""

    def __init__(self, spark: SparkSession, name: str, source: str, found: Table) -> None:
        super().__init__(spark, name, source, found)
        self._folder = Folder(spark, name)
        # Runs for other inputs, such as other days, may be under way at the same time.
        self._all = f"{_UNFINISHED}/{hashlib.sha256(source.encode()).hexdigest()[:12]}"
        # Executors of a driver that was killed may write for a while, and must not write here.
        self._own = f"{self._all}/{secrets.token_hex(4)}"

    @contextmanager
    def begun(self) -> Iterator[None]:
        """Write below ``_unfinished`` in the block."""
        self._folder.remove(self._all)  # of a kill
        try:
            yield
        finally:
            self._folder.remove(self._all)
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
