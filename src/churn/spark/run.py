"""Command `predict --engine spark`: from a table through the executors to a table."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from churn.core.errors import DataError
from churn.core.progress import announce
from churn.model.prediction import columns
from churn.registry import loading
from churn.serve.served import Served
from churn.spark import tables
from churn.spark.scoring import PROBLEM, Scorer
from churn.spark.session import session
from churn.spark.shipped import Shipped, pack

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

_EXAMPLE = "input_example.json"  # typical customers, beside a model that MLflow holds


@dataclass(frozen=True)
class Outcome:
    """What was predicted.

    Attributes
    ----------
    customers : int
    version : str
    """

    customers: int
    version: str


def run(
    uri: str, source: str, target: str, root: Path = Path(), master: str | None = None
) -> Outcome:
    """Predict for every customer of a table.

    Parameters
    ----------
    uri : str
        As for `churn.registry.loading.fetch`: asked for once, here, and verified.
    source, target : str
        See `churn.spark.tables`.
    root : Path
        Folder of the local MLflow store.
    master : str, optional
        Address of the cluster.

    Raises
    ------
    DataError
        If the input cannot be used, or the output holds something else; it is unchanged then.
    ChurnError
        If there is no such model, its files were changed, or Spark fails.
    """
    tables.require_apart(source, target)
    shipped, model = fetch(uri, root)
    if model.compiled is None:
        announce(f"scikit-learn predicts, several times slower: {model.why_not}")
    data = columns(model.model.card, Path(source))
    with session(master) as spark:
        found = tables.read(spark, source, data)
        own = [data.id, *tables.OWN, *found.partitions]
        tables.require_replaceable(spark, target, own, found.partitions)
        scored = _scored(
            found, Scorer(shipped, source, found.names, found.partitions), data.id
        ).persist()
        try:
            count = _checked(scored, source)
            predictions = _complete(scored, shipped.version)
            tables.write(
                predictions.select([tables.quoted(name) for name in own]), target, found.partitions
            )
        finally:
            scored.unpersist()
    return Outcome(count, shipped.version)


def fetch(uri: str, root: Path) -> tuple[Shipped, Served]:
    """Get a model, verified, and pack it; parameters and errors as for `run`."""
    with tempfile.TemporaryDirectory(prefix="churn-predict-") as folder:
        files = loading.fetch(uri, root, Path(folder))
        return pack(files.model, files.version, _sample(files.stored))


def _sample(stored: Path | None) -> pd.DataFrame | None:
    path = None if stored is None else stored / _EXAMPLE
    if path is None or not path.is_file():
        return None
    return pd.DataFrame(**json.loads(path.read_text(encoding="utf-8")), dtype=object)


def _scored(found: tables.Table, scorer: Scorer, identity: str) -> DataFrame:
    return found.frame.mapInArrow(scorer, _schema(found, identity))


def _schema(found: tables.Table, identity: str) -> StructType:
    from pyspark.sql.types import DoubleType, LongType, StringType, StructType

    schema = StructType()
    schema.add(identity, StringType()).add("probability", DoubleType())
    schema.add("prediction", LongType()).add(PROBLEM, StringType())
    for name in found.partitions:
        schema.add(name, found.frame.schema[found.names.index(name)].dataType)
    return schema


def _checked(scored: DataFrame, source: str) -> int:
    """Predict for all, and return how many there are; nothing is written yet."""
    from pyspark.sql import functions as f

    [found] = scored.agg(f.count("*").alias("rows"), f.min(PROBLEM).alias("first")).collect()
    if found["first"] is not None:
        raise DataError(found["first"])
    if not found["rows"]:
        raise DataError(f"{source}: no customers in it")
    return int(found["rows"])


def _complete(scored: DataFrame, version: str) -> DataFrame:
    from pyspark.sql import functions as f

    moment = datetime.now(UTC).replace(microsecond=0)
    return (
        scored.drop(PROBLEM).withColumn("version", f.lit(version)).withColumn("time", f.lit(moment))
    )
