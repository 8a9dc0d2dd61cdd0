"""Command `predict --engine spark`: from a table through the executors to a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

from churn.batch import fetching
from churn.core.addresses import public
from churn.core.errors import DataError
from churn.core.params import DataParams
from churn.core.progress import announce
from churn.model.prediction import columns
from churn.serve.served import Served
from churn.serve.store import Store
from churn.spark import tables
from churn.spark.output_folder import FolderOutput
from churn.spark.output_table import TableOutput
from churn.spark.outputs import Output
from churn.spark.scoring import Scorer, Sifter
from churn.spark.session import session
from churn.spark.shipped import Shipped, pack

if TYPE_CHECKING:
    from pyspark.sql.types import StructType

BadRows = Literal["refuse", "quarantine"]


@dataclass(frozen=True)
class Options:
    """What is predicted.

    Attributes
    ----------
    model : str
        As for `churn.registry.loading.fetch`: asked for once, here, and verified.
    input, output : str
        Tables or paths; see `churn.spark.tables.is_table`.
    bad_rows : {"refuse", "quarantine"}
        Whether a row that cannot be predicted ends the job, or is written to another place.
    overwrite : bool
        Whether partitions of the output are replaced.
    master : str or None
        Address of the cluster.
    root : Path
        Folder of the local MLflow store.
    """

    model: str
    input: str
    output: str
    bad_rows: BadRows = "refuse"
    overwrite: bool = False
    master: str | None = None
    root: Path = Path()

    @property
    def shown(self) -> str:
        """The input's name in messages, which executors log as well: without secrets."""
        return public(self.input)


@dataclass(frozen=True)
class Outcome:
    """What was predicted.

    Attributes
    ----------
    customers, bad : int
        Predicted customers, and rows that were not.
    bad_rows : str
        Where the latter are.
    version : str
    """

    customers: int
    bad: int
    bad_rows: str
    version: str


def run(options: Options) -> Outcome:
    """Predict for every customer of a table.

    Raises
    ------
    DataError
        If the input cannot be used, or the output holds something else; it is unchanged then.
    ChurnError
        If there is no such model, its files were changed, or Spark fails.
    """
    tables.require_apart(options.input, options.output)
    shipped, model = fetch(options.model, options.root)
    if model.compiled is None:
        announce(f"scikit-learn predicts, several times slower: {model.why_not}")
    data = columns(model.model.card, Path(options.shown))
    with session(options.master) as spark:
        answered = model.output.answered
        found = tables.read(spark, options.input, data, answered)
        own = [data.id, *answered, *tables.OWN, *found.partitions]
        kind = TableOutput if tables.is_table(options.output) else FolderOutput
        output: Output = kind(spark, options.output, options.input, found)
        output.recover()
        output.require_free(own, options.overwrite)
        if found.frame.isEmpty():
            raise DataError(f"{options.shown}: no customers in it")
        with output.begun():
            counts = _written(options, found, shipped, data, answered, output)
            output.finish()
    rows, customers = counts
    return Outcome(customers, rows - customers, output.bad, shipped.version)


def described(outcome: Outcome, output: str) -> list[str]:
    """Say what was predicted, in lines."""
    lines = [f"{public(output)}: {outcome.customers:,} customers, by version {outcome.version}"]
    if outcome.bad:
        lines.append(f"{outcome.bad:,} bad rows, with the reasons, in {outcome.bad_rows}")
    return lines


def _written(
    options: Options,
    found: tables.Table,
    shipped: Shipped,
    data: DataParams,
    answered: Mapping[str, type],
    output: Output,
) -> tuple[int, int]:
    """Write predictions and bad rows; return how many rows and customers there were."""
    from pyspark.sql import Observation
    from pyspark.sql import functions as f

    moment = datetime.now(UTC).replace(microsecond=0)
    refuses = options.bad_rows == "refuse"
    scorer = Scorer(shipped, options.shown, found.names, found.partitions, refuses)
    # Counted as they pass by: a second pass would read and predict all again.
    seen = Observation()
    scored = found.frame.mapInArrow(scorer, _schema(found, data.id, answered)).observe(
        seen, f.count("*").alias("rows"), f.count("prediction").alias("customers")
    )
    time = f.lit(moment.isoformat() if tables.is_csv(options.output) else moment)
    good = scored.filter("prediction is not null")
    good = good.withColumn("version", f.lit(shipped.version)).withColumn("time", time)
    own = [data.id, *answered, *tables.OWN, *found.partitions]
    output.write(good.select([tables.quoted(name) for name in own]))
    rows, customers = int(seen.get["rows"]), int(seen.get["customers"])
    if rows > customers:
        sifter = Sifter(data, found.names, found.partitions)
        bad = found.frame.mapInArrow(sifter, _schema_of_bad(found, data))
        output.write_bad(bad.withColumn("time", time))
    return rows, customers


def fetch(uri: str, root: Path) -> tuple[Shipped, Served]:
    """Get a model, verified, and pack it; parameters and errors as for `run`."""
    with TemporaryDirectory(prefix="churn-predict-") as folder:
        store = Store(Path(folder))
        loadable = fetching.fetch(uri, root, store)
        return pack(store.model(loadable), loadable.version, store.sample(loadable))


def _schema(found: tables.Table, identity: str, answered: Mapping[str, type]) -> StructType:
    from pyspark.sql.types import DoubleType, LongType, StringType, StructType

    kinds = {float: DoubleType(), int: LongType(), str: StringType()}
    schema = StructType().add(identity, StringType())
    for name, kind in answered.items():
        schema.add(name, kinds[kind])
    return _with_partitions(schema, found)


def _schema_of_bad(found: tables.Table, data: DataParams) -> StructType:
    from pyspark.sql.types import StringType, StructType

    schema = StructType()
    for name in ("reason", data.id, *data.inputs):
        schema.add(name, StringType())
    return _with_partitions(schema, found)


def _with_partitions(schema: StructType, found: tables.Table) -> StructType:
    for name in found.partitions:
        if name not in schema.names:
            schema.add(name, found.frame.schema[found.names.index(name)].dataType)
    return schema
