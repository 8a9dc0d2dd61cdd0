"""Read and write tables with Spark: by name from its catalog, or by path."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from churn.core.errors import DataError
from churn.core.params import ROW_NUMBER, CsvParams, DataParams

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_TABLE = re.compile(r"\w+(\.\w+){0,2}")
_CSV = re.compile(r"\.csv(\.gz)?/?$", re.IGNORECASE)
_PARTITION = re.compile(r"/([^/=]+)=[^/]*(?=/)")
OWN = ("probability", "prediction", "version", "time")


@dataclass(frozen=True)
class Table:
    """A table to predict.

    Attributes
    ----------
    frame : DataFrame
        The columns by number: Spark takes a dot in a name for a path into a structure.
    names : tuple of str
        What they are called: the id, the model's columns, and those that it is partitioned by.
    partitions : tuple of str
    """

    frame: DataFrame
    names: tuple[str, ...]
    partitions: tuple[str, ...]


def is_table(name: str) -> bool:
    """Tell a name in the catalog, such as ``shop.crm.customers``, from a path.

    A path has a slash, or ends in ``.csv``, ``.csv.gz`` or ``.parquet``.
    """
    return _TABLE.fullmatch(name) is not None and not name.endswith((".csv", ".gz", ".parquet"))


def require_apart(source: str, target: str) -> None:
    """Check that an output is not its input, nor in it, nor around it.

    Raises
    ------
    DataError
        If it is.
    """
    one, other = (name.rstrip("/") + "/" for name in (source, target))
    if one.startswith(other) or other.startswith(one):
        raise DataError(f"{target}: is in the input, or around it; name another place")


def read(spark: SparkSession, name: str, data: DataParams) -> Table:
    """Read the columns of a table that a model takes.

    Parameters
    ----------
    spark : SparkSession
    name : str
        A table, or a path or pattern of CSV or Parquet files, at any address that Spark knows.
    data : DataParams
        The columns, and how CSV is written.

    Raises
    ------
    DataError
        If it is not there, or lacks a column.
    """
    if is_table(name):
        if not spark.catalog.tableExists(name):
            raise DataError(f"{name}: no such table; a path has a slash, as in ./{name}")
        frame = spark.table(name)
        partitions = [
            column.name for column in spark.catalog.listColumns(name) if column.isPartition
        ]
    else:
        found = _files(spark, name)
        if not found:
            raise DataError(f"{name}: no CSV or Parquet files there")
        frame = _csv(spark, name, data.csv) if _CSV.search(found[0]) else spark.read.parquet(name)
        partitions = [key for key in _PARTITION.findall(found[0]) if key in frame.columns]
    wanted = [data.id, *data.inputs]
    _require_columns(name, frame, wanted, data)
    if taken := {data.id, *partitions} & set(OWN):
        raise DataError(f"{name}: column {min(taken)!r} is called as a column of the output is")
    names = tuple(dict.fromkeys([*wanted, *partitions]))
    numbered = [frame[quoted(name)].alias(f"c{i}") for i, name in enumerate(names)]
    return Table(frame.select(numbered), names, tuple(partitions))


def quoted(name: str) -> str:
    """Return a column's name as Spark takes it, whatever is in it."""
    return "`" + name.replace("`", "``") + "`"


def _require_columns(name: str, frame: DataFrame, wanted: Sequence[str], data: DataParams) -> None:
    if data.id == ROW_NUMBER:
        raise DataError(
            f"{name}: the model numbers rows (data.id is null), and rows of Spark have no order;"
            " train it with an id"
        )
    if missing := [column for column in wanted if column not in frame.columns]:
        found = ", ".join(map(repr, frame.columns))
        raise DataError(f"{name}: column {missing[0]!r} is missing (found: {found})")
    for field in frame.select([quoted(column) for column in wanted]).schema:
        if field.dataType.typeName() in ("array", "map", "struct"):
            raise DataError(f"{name}: column {field.name!r} holds lists; put one value in a cell")


def _files(spark: SparkSession, path: str) -> list[str]:
    """Return a file of a path, without reading it; empty if there are none."""
    from pyspark.errors import AnalysisException

    try:
        found = spark.read.format("binaryFile").load(path).select("path").head(1)
    except AnalysisException as error:
        if error.getCondition() == "PATH_NOT_FOUND":
            return []
        raise
    return [str(row.path) for row in found]


def _csv(spark: SparkSession, path: str, style: CsvParams) -> DataFrame:
    """Read every cell as text, as `churn.data.table` does; a row of another length is refused."""
    spark.conf.set("spark.sql.csv.parser.columnPruning.enabled", "false")
    return spark.read.csv(
        path,
        header=True,
        sep=style.separator,
        quote=style.quote,
        escape=style.quote,
        encoding=style.encoding,
        multiLine=True,
        inferSchema=False,
        enforceSchema=False,  # files with another header are refused, not read by position
        mode="FAILFAST",
    )


def require_replaceable(
    spark: SparkSession, name: str, columns: Sequence[str], partitions: Sequence[str]
) -> None:
    """Check that an output holds predictions, or nothing.

    Raises
    ------
    DataError
        If it holds something else, which would be lost, or is partitioned in another way.
    """
    if is_table(name):
        if not spark.catalog.tableExists(name):
            return
        there = spark.table(name).columns
        by = [column.name for column in spark.catalog.listColumns(name) if column.isPartition]
    else:
        found = _files(spark, name)
        if not found:
            return
        is_csv = _CSV.search(found[0]) is not None
        read = spark.read.option("header", True)
        there = (read.csv(name) if is_csv else read.parquet(name)).columns
        by = [key for key in _PARTITION.findall(found[0]) if key in there]
    if set(there) != set(columns):
        raise DataError(f"{name}: holds something else than predictions; name another place")
    if by != list(partitions):
        raise DataError(
            f"{name}: is partitioned by {', '.join(by) or 'nothing'}, and the input by"
            f" {', '.join(partitions) or 'nothing'}; name another place"
        )


def write(frame: DataFrame, name: str, partitions: Sequence[str]) -> None:
    """Write predictions; partitions that the frame does not have stay as they are.

    Parameters
    ----------
    frame : DataFrame
    name : str
        A table; or a folder, of CSV files if its name ends in ``.csv``, else of Parquet files.
    partitions : sequence of str
        Columns to partition by. Without any, all that was there is replaced.
    """
    spark = frame.sparkSession
    spark.conf.set("spark.sql.sources.partitionOverwriteMode", "dynamic")
    if is_table(name) and spark.catalog.tableExists(name):
        own = spark.table(name).columns  # insertInto goes by position
        frame.select([quoted(column) for column in own]).write.insertInto(name, overwrite=True)
        return
    writer = frame.write.mode("overwrite")
    if partitions:
        writer = writer.partitionBy(*partitions)
    if is_table(name):
        writer.saveAsTable(name)
    elif _CSV.search(name):
        writer.csv(name, header=True, escape='"')
    else:
        writer.parquet(name)
