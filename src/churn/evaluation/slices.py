"""Groups of customers: quantile bins of numeric columns, and categories."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from churn.core.params import SlicesParams

MISSING = "missing"
_RARE = "all others"
_MAX_CATEGORIES = 20


def slices(
    train: pd.DataFrame, rows: pd.DataFrame, params: SlicesParams
) -> Iterator[tuple[str, str, np.ndarray]]:
    """Divide `rows` by each declared column, at edges that `train` gives.

    Parameters
    ----------
    train : DataFrame
        Training rows: their quantiles are the edges, their 20 most frequent categories the
        groups, so that a slice means the same on both sides and from one month to the next.
    rows : DataFrame, shape (n_customers, n_columns)
        The customers to divide.
    params : SlicesParams
        Columns and the number of bins.

    Yields
    ------
    tuple of (str, str, ndarray of bool with shape (n_customers,))
        Column, name of the slice, and who is in it. Every customer is in one slice a column.
    """
    for column in params.numeric:
        values = rows[column].to_numpy(dtype=float)
        for name, members in _bins(train[column], values, params.bins):
            yield column, name, members
    for column in params.categorical:
        frequent = [str(name) for name in train[column].value_counts().index[:_MAX_CATEGORIES]]
        known = rows[column].notna()
        for name in sorted(frequent):
            yield column, name, rows[column].eq(name).fillna(False).to_numpy(dtype=bool)
        others = known & ~rows[column].isin(frequent)
        yield column, _RARE, others.to_numpy(dtype=bool)
        yield column, MISSING, ~known.to_numpy(dtype=bool)


def _bins(train: pd.Series, values: np.ndarray, bins: int) -> Iterator[tuple[str, np.ndarray]]:
    known = train.dropna()
    inner = np.linspace(0, 1, bins + 1)[1:-1]
    edges = np.unique(known.quantile(inner)) if len(known) else np.array([])
    # Where most customers share the smallest value, a first bin with nothing else is that value.
    place = np.searchsorted(edges, values, side="left")
    missing = np.isnan(values)
    for i in range(len(edges) + 1):
        yield _name(edges, i), (place == i) & ~missing
    yield MISSING, missing


def _name(edges: np.ndarray, i: int) -> str:
    if not len(edges):
        return "all"
    if i == 0:
        return f"<= {edges[0]:.10g}"
    if i == len(edges):
        return f"> {edges[-1]:.10g}"
    return f"{edges[i - 1]:.10g} to {edges[i]:.10g}"
