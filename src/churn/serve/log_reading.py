"""Read the prediction log into a table; `churn.monitor.log` reads it in parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from churn.core.addresses import in_one_line, public
from churn.core.errors import ArtifactError
from churn.serve.log_files import file_system, of_days


def read(
    address: str,
    since: datetime,
    columns: Sequence[str] | None = None,
    answered: Mapping[str, type] | None = None,
) -> pd.DataFrame:
    """Read the log.

    Parameters
    ----------
    address : str
        As for `churn.serve.prediction_log.PredictionLog`.
    since : datetime
        With a time zone; earlier predictions are left out.
    columns : sequence of str, optional
        Default is all that every file has.
    answered : mapping of str to type, optional
        Columns of an answer (`churn.model.outputs.Output.answered`); they are read too, and files
        of models that answer otherwise are passed over.

    Returns
    -------
    DataFrame
        In order of time; empty if nothing was logged.

    Raises
    ------
    ArtifactError
        If a file is damaged.
    """
    if columns is not None and answered is not None:
        columns = list(dict.fromkeys([*columns, *answered]))
    files, folder = file_system(address)
    first = since.astimezone(UTC)
    with in_one_line(ArtifactError, f"{public(address)}: the log cannot be read"):
        days = of_days(files, folder, first.date().isoformat())
        found = [_read(files, path, columns, answered) for paths in days.values() for path in paths]
    tables = [table for table in found if table is not None]
    if not tables:
        return pd.DataFrame({name: [] for name in columns or ()})
    whole = pa.concat_tables(tables, promote_options="permissive")
    later = whole.filter(pc.field("time") >= pa.scalar(first, pa.timestamp("us", tz="UTC")))
    for name in columns or ():
        if name not in later.schema.names:
            later = later.append_column(name, pa.nulls(len(later), pa.string()))
    ordered: pd.DataFrame = later.sort_by(
        [("time", "ascending"), ("request_id", "ascending"), ("row", "ascending")]
    ).to_pandas()
    return ordered


def _read(
    files: Any, path: str, columns: Sequence[str] | None, answered: Mapping[str, type] | None
) -> pa.Table | None:
    """Read a file; None if its models answer otherwise than `answered`."""
    with files.open(path, "rb") as file:
        stored = pq.ParquetFile(file)
        if answered is not None and not fits(stored.schema_arrow, answered):
            return None
        there = stored.schema_arrow.names
        # A column that is redacted is not there.
        found = stored.read(None if columns is None else [n for n in columns if n in there])
    # Dictionaries of several files are joined as texts.
    texts = [pa.string() if pa.types.is_dictionary(f.type) else f.type for f in found.schema]
    names = found.schema.names
    return found.cast(pa.schema(list(zip(names, texts, strict=True))))


def fits(there: pa.Schema, answered: Mapping[str, type]) -> bool:
    """Tell whether a file is of models that answer so; those of another task answer otherwise."""
    names = [name for name in answered if name in there.names]
    return all(_kind(there.field(name).type) is answered[name] for name in names)


def _kind(stored: pa.DataType) -> type | None:
    """Return the type in `churn.model.outputs.Output.answered` of a column in a file."""
    values = stored.value_type if pa.types.is_dictionary(stored) else stored
    if pa.types.is_integer(values):
        return int
    if pa.types.is_floating(values):
        return float
    is_text = pa.types.is_string(values) or pa.types.is_large_string(values)
    return str if is_text else None
