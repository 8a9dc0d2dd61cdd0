"""Read tables with Spark: by name from its catalog, or by path."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from churn.core.addresses import place, public
from churn.core.errors import DataError
from churn.core.params import ROW_NUMBER, CsvParams, DataParams

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_TABLE = re.compile(r"\w+(\.\w+){0,2}")
_CSV = re.compile(r"\.csv(\.gz)?/?$", re.IGNORECASE)
_OF_FILES = ("path", "modificationTime", "length")  # what `listed` has beside partitions
OWN = ("version", "time")  # beside the answer


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
    if is_table(source) != is_table(target):
        return  # where a table is, its catalog knows
    one, other = (f"{it}/" if is_table(it) else place(it) for it in (source, target))
    if one.startswith(other) or other.startswith(one):
        raise DataError(f"{public(target)}: is in the input, or around it; name another place")


def read(spark: SparkSession, name: str, data: DataParams, answered: Collection[str]) -> Table:
    """Read the columns of a table that a model takes.

    Parameters
    ----------
    spark : SparkSession
    name : str
        A table, or a path or pattern of CSV or Parquet files, at any address that Spark knows.
    data : DataParams
        The columns, and how CSV is written.
    answered : collection of str
        Columns of the answer.

    Raises
    ------
    DataError
        If it is not there, or lacks a column.
    """
    frame = _table(spark, name) if is_table(name) else _folder(spark, name, data.csv)
    partitions = partitions_of(spark, name)
    wanted, shown = [data.id, *data.inputs], public(name)
    _require_columns(shown, frame, wanted, data)
    if taken := {data.id, *partitions} & {*answered, *OWN}:
        raise DataError(f"{shown}: column {min(taken)!r} is called as a column of the output is")
    names = tuple(dict.fromkeys([*wanted, *partitions]))
    numbered = [frame[quoted(name)].alias(f"c{i}") for i, name in enumerate(names)]
    return Table(frame.select(numbered), names, tuple(partitions))


def _table(spark: SparkSession, name: str) -> DataFrame:
    if not spark.catalog.tableExists(name):
        raise DataError(f"{name}: no such table; a path has a slash, as in ./{name}")
    return spark.table(name)


def _folder(spark: SparkSession, name: str, style: CsvParams) -> DataFrame:
    files = listed(spark, name)
    first = None if files is None else files.head(1)
    if files is None or not first:
        raise DataError(f"{public(name)}: no CSV or Parquet files there")
    if not is_csv(first[0].path):
        return spark.read.parquet(name)
    if other := files.filter("path not rlike '(?i)[.]csv([.]gz)?$'").head(1):
        raise DataError(
            f"{public(name)}: holds CSV files, and {public(other[0].path)}; name one kind"
        )
    return _csv(spark, name, style)


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


def is_csv(path: str) -> bool:
    """Tell a CSV file, or a folder of them, from one of Parquet files."""
    return _CSV.search(path) is not None


def listed(spark: SparkSession, path: str) -> DataFrame | None:
    """Return the files of a path or pattern, without reading them; None if it is not there."""
    from pyspark.errors import AnalysisException

    try:
        return spark.read.format("binaryFile").load(path).drop("content")
    except AnalysisException as error:
        if error.getCondition() == "PATH_NOT_FOUND":
            return None
        raise


def partitions_of(spark: SparkSession, name: str) -> list[str]:
    """Return the columns by which a table or folder is partitioned."""
    if is_table(name):
        return [one.name for one in spark.catalog.listColumns(name) if one.isPartition]
    files = listed(spark, name)
    return [] if files is None else [key for key in files.columns if key not in _OF_FILES]


def values_of(spark: SparkSession, name: str, by: Sequence[str]) -> DataFrame:
    """Return the partitions of a table or folder, as texts."""
    rows = spark.table(name) if is_table(name) else listed(spark, name)
    assert rows is not None
    return rows.select([rows[quoted(key)].cast("string").alias(key) for key in by]).distinct()


def _csv(spark: SparkSession, path: str, style: CsvParams) -> DataFrame:
    """Read every cell as text, as `churn.data.table` does; a row of another length is refused."""
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
