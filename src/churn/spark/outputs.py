"""Where predictions go, and what may not be lost there.

A folder's parts are written below ``_unfinished`` and moved when all are there, so that a driver
that is killed leaves nothing that is read: Spark leaves out names that begin with ``_``. While they
are moved there is no ``_SUCCESS``. A table's own format decides what a kill leaves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from churn.core.addresses import public
from churn.core.errors import DataError
from churn.spark.tables import Table, partitions_of, values_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


class Output:
    """An output; one run writes it.

    Parameters
    ----------
    spark : SparkSession
    name : str
        See `churn.spark.tables.is_table`.
    source : str
        The name of the input.
    found : Table
        The input: the output is partitioned as it is.
    """

    def __init__(self, spark: SparkSession, name: str, source: str, found: Table) -> None:
        self._spark, self._name, self._source, self._found = spark, name, source, found
        self._shown, self._by = public(name), found.partitions

    def recover(self) -> None:
        """Put back what an earlier run has set aside, and was ended before it could."""

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
                f"{self._shown}: holds something else than predictions; name another place"
            )
        by = partitions_of(self._spark, self._name)
        if by != list(self._by):
            raise DataError(
                f"{self._shown}: is partitioned by {', '.join(by) or 'nothing'}, and the input by"
                f" {', '.join(self._by) or 'nothing'}; name another place"
            )
        if overwrite:
            return
        if not by:
            raise DataError(f"{self._shown}: holds predictions; --overwrite replaces them")
        wanted = values_of(self._spark, self._source, by)
        if taken := wanted.intersect(values_of(self._spark, self._name, by)).head(1):
            shown = "/".join(f"{key}={value}" for key, value in taken[0].asDict().items())
            raise DataError(
                f"{self._shown}: has predictions for {shown} already; --overwrite replaces the"
                " partitions that the input has"
            )

    @contextmanager
    def begun(self) -> Iterator[None]:
        """Write in the block; if it fails before `finish`, nothing of it is left."""
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
