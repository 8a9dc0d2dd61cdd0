"""What an executor does with its part of a table: Arrow batches in, predictions out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from churn.core.errors import DataError
from churn.core.params import DataParams
from churn.data import schema
from churn.model.prediction import columns
from churn.serve.rows import from_frame
from churn.serve.served import Served
from churn.spark.shipped import Shipped, load

# Integers with missing values would become floats, which are not exact for large integers.
_WHOLE = {pa.int64(): pd.Int64Dtype(), pa.uint64(): pd.UInt64Dtype()}
PROBLEM = "churn_problem"  # why a row cannot be predicted; null of those that are


@dataclass(frozen=True)
class Scorer:
    """Predicts for the batches of a partition; what `DataFrame.mapInArrow` takes.

    Attributes
    ----------
    shipped : Shipped
    source : str
        The table's name, for messages.
    names : tuple of str
        What its columns are called.
    kept : tuple of str
        Columns of the table that the output has as well: those that it is partitioned by.
    """

    shipped: Shipped
    source: str
    names: tuple[str, ...]
    kept: tuple[str, ...] = ()

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Predict for each batch, in order."""
        pa.set_cpu_count(1)  # Spark runs a process for each core
        model = load(self.shipped)
        data = columns(model.model.card, Path(self.source))
        for batch in batches:
            if len(batch):
                yield self._scored(model, data, batch)

    def _scored(self, model: Served, data: DataParams, batch: pa.RecordBatch) -> pa.RecordBatch:
        table = pa.Table.from_batches([batch]).rename_columns(list(self.names))
        kept = {name: table[name].combine_chunks() for name in self.kept}
        wanted = table.select([data.id, *data.inputs])
        try:
            ids, probability = _predicted(model, data, wanted)
        except DataError as error:
            # The row's number is one of this batch, which nobody can look up; its id stands there.
            return _bad(re.sub(r", row \d+", "", str(error), count=1), data.id, kept)
        return pa.RecordBatch.from_pydict(
            {
                data.id: pa.array(ids, pa.string(), from_pandas=True),
                "probability": pa.array(probability, pa.float64()),
                "prediction": pa.array(model.decision(probability), pa.int64()),
                PROBLEM: pa.nulls(len(ids), pa.string()),
                **kept,
            }
        )


def _predicted(model: Served, data: DataParams, table: pa.Table) -> tuple[pd.Series, np.ndarray]:
    frame = table.to_pandas(ignore_metadata=True, types_mapper=_WHOLE.get)
    customers = schema.converted(frame, data, Path(data.path))
    ids = customers[data.id]
    if ids.isna().any():
        raise DataError(
            f"{data.path}: a customer's {data.id!r} is missing; every customer needs one"
        )
    return ids, model.probability(from_frame(model.model, customers[list(data.inputs)]))


def _bad(problem: str, identity: str, kept: Mapping[str, pa.Array]) -> pa.RecordBatch:
    """Return one row that says what is wrong with a batch."""
    return pa.RecordBatch.from_pydict(
        {
            identity: pa.nulls(1, pa.string()),
            "probability": pa.nulls(1, pa.float64()),
            "prediction": pa.nulls(1, pa.int64()),
            PROBLEM: pa.array([problem], pa.string()),
            **{name: column[:1] for name, column in kept.items()},
        }
    )
