"""Convert the cells of date columns to points in time, and these to numbers."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from churn.data import cells

FORMATS = ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y")
_NO_DATE = "which is not a date"
_EPOCH = pd.Timestamp("1970-01-01", tz="UTC").as_unit("us")  # in ns there is no year 9999
# Not a year alone, which pandas accepts: any number of four digits would be a date.
_ISO = r"\d{4}-\d\d-\d\d([T ].*)?|\d{8}"


def timestamps(
    column: pd.Series,
    missing: Collection[str] = (),
    style: str = "",
    errors: list[cells.CellError] | None = None,
) -> pd.Series:
    """Convert cells to points in time.

    Parameters
    ----------
    column : Series
        Dates in ISO 8601 or as eight digits, with or without a time of day; pandas' and Python's
        own types; or missing values.
    missing : collection of str
        Further words for a missing cell; case-sensitive.
    style : str
        Another format, in the codes of `datetime.strptime`, such as ``%d.%m.%Y``.
        `churn.core.params.CsvParams` rejects formats that ISO 8601 reads as another date.
    errors : list of CellError, optional
        Gets an error for each cell that is neither a date nor missing, which is missing then.
        Default is to raise the first one.

    Returns
    -------
    Series of datetime64[us, UTC]
        NaT for a missing cell. A time without a zone is in UTC.

    Raises
    ------
    CellError
        For the first such cell.
    """
    if column.dtype.kind == "M":
        found = pd.to_datetime(column, utc=True)
    else:
        text = cells.texts(column, missing)
        text = text.mask(text.str.lower().isin(cells.MISSING_NUMBERS | {"nat"}))
        found = _parsed(text.where(text.str.fullmatch(_ISO)), "ISO8601")
        if style:
            # Digits are required, because pandas accepts "now" and "today".
            found = found.fillna(_parsed(text.where(text.str.contains(r"\d")), style))
        wrong = np.flatnonzero((found.isna() & text.notna()).to_numpy())
        cells.sift((cells.CellError(int(r), column.iloc[r], _NO_DATE) for r in wrong), errors)
    return found.astype("datetime64[us, UTC]")


def _parsed(text: pd.Series, style: str) -> pd.Series:
    return pd.to_datetime(text, format=style, utc=True, errors="coerce").astype(
        "datetime64[us, UTC]"
    )


def with_timestamps(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Return a table whose dates in ISO 8601 are converted to points in time."""
    return table.assign(**{name: timestamps(table[name]) for name in columns})


def written(moments: pd.Series) -> pd.Series:
    """Format points in time as ISO 8601, without the time of day at midnight.

    Parameters
    ----------
    moments : Series of datetime64[us, UTC]

    Returns
    -------
    Series of str
    """
    text = moments.dt.strftime("%Y-%m-%dT%H:%M:%S.%f").astype("str")
    short: pd.Series = text.str.removesuffix(".000000").str.removesuffix("T00:00:00")
    return short


def days(moments: pd.Series) -> pd.Series:
    """Count days since the beginning of 1970, in UTC.

    Parameters
    ----------
    moments : Series of datetime64[us, UTC]

    Returns
    -------
    Series of float64
    """
    since: pd.Series = (moments - _EPOCH).dt.total_seconds() / 86_400
    return since


def with_days(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Return a table whose dates are converted to `days`."""
    return table.assign(**{name: days(timestamps(table[name])) for name in columns})


def days_before_newest(
    table: pd.DataFrame, reference: pd.DataFrame, columns: Sequence[str]
) -> pd.DataFrame:
    """Replace dates by days before the newest date of a reference table.

    Parameters
    ----------
    table, reference : DataFrame
        Tables with the columns, as `churn.data.schema.validate` returns them.
    columns : sequence of str

    Returns
    -------
    DataFrame
        `table` with float64 in these columns.
    """
    newest = with_days(reference[list(columns)], columns).max()
    counted = with_days(table, columns)
    return counted.assign(**{name: newest[name] - counted[name] for name in columns})


def reading_style(cell: str) -> str | None:
    """Return the setting of params.yaml with which a cell would be read as a date.

    Returns
    -------
    str or None
        Empty for ISO 8601, which needs no setting; else the values of `data.csv.date` that read it.
        None if it is not a date.
    """
    if re.fullmatch(_ISO, cell.strip()) and _is_date(cell, "ISO8601"):
        return ""
    found = [f"data.csv.date: '{style}'" for style in FORMATS if _is_date(cell, style)]
    return ", or ".join(found) or None


def _is_date(cell: str, style: str) -> bool:
    try:
        pd.to_datetime(cell.strip(), format=style)
    except ValueError:
        return False
    return True
