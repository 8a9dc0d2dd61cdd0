"""An output that is a table of Spark's catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING

from churn.batch.unfinished import BAD
from churn.spark.outputs import Output
from churn.spark.tables import quoted

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


class TableOutput(Output):
    """A table of Spark's catalog."""

    def write(self, predictions: DataFrame) -> None:
        """Write the predictions; partitions that they do not have stay as they are."""
        if self._spark.catalog.tableExists(self._name):
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
