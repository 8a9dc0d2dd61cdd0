"""Drift between two tables, column by column."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from churn.core.rounding import significant
from churn.evaluation.differences import ColumnDrift

_BINS = 10
# The share that is used for an empty bin, whose logarithm does not exist.
_LEAST_SHARE = 1e-4
_MODERATE, _LARGE = 0.1, 0.25


def drift(
    before: pd.DataFrame,
    after: pd.DataFrame,
    numeric: tuple[str, ...],
    categorical: tuple[str, ...],
) -> list[ColumnDrift]:
    """Measure the drift of every column that both tables have, the largest first.

    Parameters
    ----------
    before, after : DataFrame
        Rows of the two tables.
    numeric, categorical : tuple of str
        The columns by kind; columns that a table lacks are ignored.

    Returns
    -------
    list of ColumnDrift

    Notes
    -----
    ``PSI = sum over bins of (a - b) ln(a / b)`` with the shares a and b of both tables in each
    bin: tenths of `before` for numbers (fewer where many values are equal), each value for
    categories, and one bin for missing values. Source: Siddiqi, N. (2006), Credit Risk
    Scorecards, chapter 8 (system stability index).
    """

    def both_numbers(column: str) -> bool:
        # A column may have been text in one table, and numeric in the other.
        return all(is_numeric_dtype(table[column]) for table in (before, after))

    shared = [c for c in (*numeric, *categorical) if c in before and c in after]
    found = [_column(before[c], after[c], c in numeric and both_numbers(c)) for c in shared]
    return sorted(found, key=lambda column: -column.psi)


def _column(before: pd.Series, after: pd.Series, is_number: bool) -> ColumnDrift:
    bins = _number_bins(before) if is_number else before.value_counts().index
    shares = [_shares(values, bins, is_number) for values in (before, after)]
    b, a = (np.maximum(share, _LEAST_SHARE) for share in shares)
    psi = float(((a - b) * np.log(a / b)).sum())
    means = [_mean(values) if is_number else None for values in (before, after)]
    return ColumnDrift(
        column=str(before.name),
        psi=round(psi, 4),
        word="none" if psi < _MODERATE else "moderate" if psi < _LARGE else "large",
        before=means[0],
        after=means[1],
        missing_before=round(float(before.isna().mean()), 4),
        missing_after=round(float(after.isna().mean()), 4),
    )


def _number_bins(values: pd.Series) -> np.ndarray:
    known = values.dropna().to_numpy(dtype=float)
    if not len(known):
        return np.array([])
    edges = np.unique(np.quantile(known, np.linspace(0, 1, _BINS + 1)[1:-1]))
    if edges[0] == known.min():
        # Many values are equal to the smallest one; a value below it is drift.
        edges = np.array([np.nextafter(edges[0], -np.inf), *edges])
    return edges


def _shares(values: pd.Series, bins: np.ndarray | pd.Index, is_number: bool) -> np.ndarray:
    """Return the share of each bin, of values outside all bins, and of missing values."""
    if is_number:
        numbers = values.dropna().to_numpy(dtype=float)
        places = np.searchsorted(np.asarray(bins, dtype=float), numbers, side="left")
        counts = np.bincount(places, minlength=len(bins) + 1)
    else:
        known = values.value_counts()
        counts = np.array(
            [*known.reindex(bins, fill_value=0), known.drop(bins, errors="ignore").sum()]
        )
    return np.array([*counts, values.isna().sum()]) / len(values)


def _mean(values: pd.Series) -> float | None:
    mean = float(values.mean())
    return significant(mean, 6) if np.isfinite(mean) else None
