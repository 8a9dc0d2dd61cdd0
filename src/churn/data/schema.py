"""The customer table's schema; errors are about a *column* or a *row*."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaError, SchemaErrorReason

from churn.core.errors import DataError
from churn.core.params import DataParams
from churn.core.progress import announce
from churn.data import cells, dates, places, targets

MIN_ROWS = 50
ID_LIKE_SHARE = 0.9


def schema(data: DataParams, labelled: bool = True) -> pa.DataFrameSchema:
    """Build the pandera schema of a customer table.

    Ids are present and unique. Numbers are finite or missing, because the model imputes them.
    Categories do not look like ids. Labels are present.

    Parameters
    ----------
    data : DataParams
        The columns and their roles.
    labelled : bool, default=True
        Whether the table has the target. Without it, any number of rows and of categories is
        valid: it is a table to predict.

    Returns
    -------
    pandera.pandas.DataFrameSchema
    """
    columns = {data.id: pa.Column("str", unique=True, nullable=False)}
    for name in data.numeric:
        columns[name] = pa.Column("float64", nullable=True)
    for name in data.dates:
        columns[name] = pa.Column("str", nullable=True)
    not_id = pa.Check(
        lambda values: values.nunique() < max(MIN_ROWS, ID_LIKE_SHARE * values.count()),
        error="has another value in nearly every row, like an id;"
        " remove it from data.categorical in params.yaml",
    )
    for name in data.categorical:
        columns[name] = pa.Column("str", [not_id] if labelled else None, nullable=True)
    if labelled:
        columns[data.target] = pa.Column(nullable=False)
    return pa.DataFrameSchema(columns)


def validate(
    table: pd.DataFrame, data: DataParams, path: Path, labelled: bool = True
) -> pd.DataFrame:
    """Convert a table to the pipeline's types, and check it against its schema.

    Parameters
    ----------
    table : DataFrame
        As `churn.data.table.read_table` returns it.
    data : DataParams
        The columns and their roles.
    path : Path
        Its file, for messages.
    labelled : bool, default=True
        See `schema`.

    Returns
    -------
    DataFrame
        Ids, categories and dates as text, numbers as float64, the target as
        `churn.data.targets.encoded` returns it.

    Raises
    ------
    DataError
        For the first problem, with its column and row.
    """
    if labelled and len(table) < MIN_ROWS:
        raise DataError(
            f"{path}: {len(table)} rows; at least {MIN_ROWS} are needed to train and test a model"
        )
    table = converted(table, data, path)
    try:
        schema(data, labelled).validate(table)
    except SchemaError as error:
        raise DataError(f"{path}: {_describe(error, table, data)}") from error
    if labelled:
        table[data.target] = targets.encoded(table, data, path)
        for name in data.categorical:
            _report_case(table[name], path)
        for name in data.dates:
            _report_future(table[name], path)
    return table


def _report_future(column: pd.Series, path: Path) -> None:
    """Report a newest date that is in the future, because days are counted from it."""
    newest = dates.timestamps(column).max()
    if newest > pd.Timestamp.now(tz="UTC"):
        announce(
            f"{path}: the newest date of {str(column.name)!r} is {newest.date()}, which is in the"
            " future, and a model counts days back from it; if it means a missing date, add it to"
            " data.missing in params.yaml"
        )


def _report_case(column: pd.Series, path: Path) -> None:
    """Report categories that differ in case only, because they count as different ones."""
    categories = pd.Series(column.dropna().unique()).sort_values()
    alike = [group for _, group in categories.groupby(categories.str.casefold()) if len(group) > 1]
    if alike:
        shown = "; ".join(" and ".join(map(repr, group)) for group in alike[:3])
        more = f"; and {len(alike) - 3} more" if len(alike) > 3 else ""
        announce(
            f"{path}: categories of {str(column.name)!r} that differ in case only are kept apart:"
            f" {shown}{more}"
        )


def converted(table: pd.DataFrame, data: DataParams, path: Path) -> pd.DataFrame:
    """Convert every column to its type.

    Parameters
    ----------
    table, data, path
        As for `validate`.

    Returns
    -------
    DataFrame
        Numbers as float64; ids, categories and labels as text; dates as text in ISO 8601.

    Raises
    ------
    DataError
        For the first cell that does not fit its column.
    """
    found: dict[str, pd.Series] = {}
    for name in map(str, table):
        try:
            found[name] = _converted(table[name], data)
        except cells.CellError as error:
            who = table.assign(**{data.id: cells.texts(table[data.id])})
            raise DataError(f"{path}: {_bad_cell(who, data, name, error)}") from error
    return pd.DataFrame(found)


def sifted(
    table: pd.DataFrame, data: DataParams, first_row: int | None = 1
) -> tuple[pd.DataFrame, dict[int, str]]:
    """Convert every column to its type, and find every row with a cell that does not fit.

    Parameters
    ----------
    table, data
        As for `validate`; the table has no labels.
    first_row : int or None, default=1
        Number of the first row, in messages; None for rows that have no order.

    Returns
    -------
    DataFrame
        As `converted` returns it; a cell that does not fit is missing.
    dict of int to str
        What is wrong with each bad row, by its position from 0. A row without an id is bad.
    """
    found: dict[str, pd.Series] = {}
    wrong: list[tuple[str, cells.CellError]] = []
    for name in map(str, table):
        errors: list[cells.CellError] = []
        found[name] = _converted(table[name], data, errors)
        wrong += [(name, error) for error in errors]
    fit = pd.DataFrame(found, copy=False)
    reasons: dict[int, str] = {}
    for name, error in wrong:
        reasons.setdefault(error.row, _bad_cell(fit, data, name, error, first_row))
    for row in map(int, np.flatnonzero(fit[data.id].isna())):
        place = places.place(fit, data, data.id, row, first_row)
        reasons.setdefault(row, f"{place} is missing; every customer needs one")
    return fit, dict(sorted(reasons.items()))


def _converted(
    column: pd.Series, data: DataParams, errors: list[cells.CellError] | None = None
) -> pd.Series:
    if column.name in data.numeric:
        style = cells.NumberStyle(data.csv.decimal, data.csv.thousands, data.csv.symbols)
        return cells.numbers(column, data.missing, style, errors)
    if column.name in data.dates:
        return dates.written(dates.timestamps(column, data.missing, data.csv.date, errors))
    return cells.texts(column, () if column.name == data.id else data.missing)


def _bad_cell(
    table: pd.DataFrame,
    data: DataParams,
    name: str,
    error: cells.CellError,
    first_row: int | None = 1,
) -> str:
    place = places.place(table, data, name, error.row, first_row)
    return f"{place} is {error.cell!r}, {_remedy(error, name in data.dates)}"


def _remedy(error: cells.CellError, is_date: bool) -> str:
    """Say how to correct a cell that is not a number, or not a date."""
    if error.problem in (cells.INFINITE, cells.TOO_LARGE):
        return f"{error.problem}; put a number, or leave the cell empty"
    kind = "date" if is_date else "number"
    date = dates.reading_style(error.cell)
    if date is not None and not is_date:
        also = f", and set {date} there" if date else ""
        return (
            "which is a date; move the column from data.numeric to data.dates in params.yaml" + also
        )
    if setting := date if is_date else cells.reading_style(error.cell):
        return f"which is not a {kind} as params.yaml describes it; set {setting} there"
    return (
        f"which is not a {kind}; correct the cell, or, if it means a missing {kind}, add it to"
        " data.missing in params.yaml"
    )


def _describe(error: SchemaError, table: pd.DataFrame, data: DataParams) -> str:
    """Describe the first invalid cell: where it is, and what is wrong with it."""
    column, row = str(error.schema.name), None
    if error.reason_code == SchemaErrorReason.SERIES_CONTAINS_NULLS:
        row = int(table[column].isna().argmax())
        what = "is missing; every customer needs one"
        if _is_total(table[data.id].iloc[row]):
            what = "is missing, and the row looks like a line of totals; remove it from the table"
    elif error.reason_code == SchemaErrorReason.SERIES_CONTAINS_DUPLICATES:
        row = int(table[column].duplicated().argmax())
        first = int(table[column].eq(table[column].iloc[row]).argmax())
        what = f"is also in row {first + 1}; keep one row per customer"
    else:
        what = str(error.check.error)
    return f"{places.place(table, data, column, row)} {what}"


def _is_total(customer: object) -> bool:
    words = str(customer).casefold().rstrip(":").split()
    return bool({"total", "totals", "sum", "subtotal", "gesamt", "summe"} & set(words))
