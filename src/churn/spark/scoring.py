"""What an executor does with its part of a table: Arrow batches in, predictions or bad rows out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from churn.batch.scoring import score
from churn.core.errors import DataError
from churn.core.params import DataParams
from churn.data import schema, streams
from churn.model.prediction import columns
from churn.spark.shipped import Shipped, load


@dataclass(frozen=True)
class Scorer:
    """Predicts for the batches of a partition; what `DataFrame.mapInArrow` takes.

    Attributes
    ----------
    shipped : Shipped
    source : str
        The table's name for messages, without secrets: executors log them.
    names : tuple of str
        What its columns are called.
    kept : tuple of str
        Columns of the table that the output has as well: those that it is partitioned by.
    refuses : bool
        Whether a bad row ends the job; else it gives a row of nulls, to be counted.
    """

    shipped: Shipped
    source: str
    names: tuple[str, ...]
    kept: tuple[str, ...]
    refuses: bool

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Predict for each batch, in order.

        Raises
        ------
        DataError
            For the first bad row, if they are refused.
        """
        pa.set_cpu_count(1)  # Spark runs a process for each core
        model = load(self.shipped)
        data = columns(model.model.card, Path(self.source))
        for batch in batches:
            table = pa.Table.from_batches([batch]).rename_columns(list(self.names))
            found = score(model, table.select([data.id, *data.inputs]), None)
            if found.bad and self.refuses:
                reason = next(iter(found.bad.values()))
                raise DataError(
                    f"{self.source}: {reason} (--bad-rows quarantine predicts for the others)"
                )
            good = np.delete(np.arange(len(table)), list(found.bad))
            scored = found.predictions
            for name in self.kept:
                scored = scored.append_column(name, table[name].take(pa.array(good)))
            nulls = [pa.nulls(len(found.bad), field.type) for field in scored.schema]
            yield from pa.concat_tables(
                [scored, pa.table(nulls, schema=scored.schema)]
            ).to_batches()


@dataclass(frozen=True)
class Sifter:
    """Gives the bad rows of a partition, with the reason and the cells as they were, as text.

    Attributes
    ----------
    data : DataParams
    names, kept
        As of `Scorer`.
    """

    data: DataParams
    names: tuple[str, ...]
    kept: tuple[str, ...]

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Find the bad rows of each batch, in order."""
        wanted = [self.data.id, *self.data.inputs]
        for batch in batches:
            table = pa.Table.from_batches([batch]).rename_columns(list(self.names))
            _, bad = schema.sifted(streams.frame(table.select(wanted)), self.data, None)
            rows = table.take(pa.array(list(bad), pa.int64()))
            cells = streams.frame(rows.select(wanted))
            texts = {
                name: pa.array(
                    cells[name].map(str, na_action="ignore"), pa.string(), from_pandas=True
                )
                for name in wanted
            }
            found = {"reason": pa.array(list(bad.values()), pa.string()), **texts}
            others = (name for name in self.kept if name not in texts)
            yield from pa.table({**found, **{name: rows[name] for name in others}}).to_batches()
