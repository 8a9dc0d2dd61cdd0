"""Count a day of the prediction log on executors, to the very numbers of one machine.

A customer counts once, with the first answer. So all rows of a customer go to one executor, in the
order of the log, and the counts of all executors are added up.
"""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from churn.evaluation.reference import Reference
from churn.monitor.counting import COUNTED, Counts, places_of
from churn.monitor.log import Log

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_FILE, _ROW, _PLACE = "churn_file", "churn_row", "churn_place"


@dataclass(frozen=True)
class SparkCounter:
    """Counts with Spark what `churn.monitor.run.count` counts on one machine.

    Attributes
    ----------
    spark : SparkSession
    """

    spark: SparkSession

    def __call__(
        self,
        log: Log,
        paths: Sequence[str],
        logged: frozenset[str],
        reference: Reference,
        version: str,
    ) -> Counts:
        """Count the answers of a version; parameters as for `churn.monitor.run.count`."""
        from pyspark.sql import functions as f
        from pyspark.sql.pandas.types import from_arrow_schema
        from pyspark.sql.types import LongType, StructField, StructType

        stored = log.schema((*COUNTED, *log.answered), sorted(logged))
        if not (files := log.fitting(paths, stored).files):
            return Counts(reference, logged)
        rows = self.spark.read.schema(from_arrow_schema(stored)).parquet(*log.addresses(files))
        ordered = rows.select(
            *stored.names,
            f.col("_metadata.file_path").alias(_FILE),
            f.col("_metadata.row_index").alias(_ROW),
        )
        schema = StructType([*ordered.schema.fields, StructField(_PLACE, LongType())])
        placed = ordered.mapInArrow(_with_places, schema).repartition(_PLACE)
        counted = placed.sortWithinPartitions(_FILE, _ROW).mapInArrow(
            _Counting(reference, logged, version), "counts binary"
        )
        whole = Counts(reference, logged)
        for row in counted.collect():
            # Written by this code, on an executor that could as well have run any other.
            whole.merge(pickle.loads(zlib.decompress(row["counts"])))  # noqa: S301
        return whole


def _with_places(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Add the place by which `Counts` tells customers apart; those without an id are all others."""
    for batch in batches:
        ids = pa.chunked_array([batch["customer_id"]])
        known = ids.is_valid().to_numpy(zero_copy_only=False)
        places = np.where(known, places_of(ids.fill_null("")), batch[_ROW].to_numpy())
        yield batch.append_column(_PLACE, pa.array(places, pa.int64()))


@dataclass(frozen=True)
class _Counting:
    """Counts the rows of a partition; what `DataFrame.mapInArrow` takes."""

    reference: Reference
    logged: frozenset[str]
    version: str

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        counts = Counts(self.reference, self.logged)
        for batch in batches:
            counts.add(pa.Table.from_batches([batch]), self.version)
        packed = zlib.compress(pickle.dumps(counts), level=1)
        yield pa.RecordBatch.from_pydict({"counts": pa.array([packed], pa.binary())})
