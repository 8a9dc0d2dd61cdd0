"""Slices: groups of customers by quantile bins of numeric columns, and by categories."""

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
    """Divide customers by each declared column, with bins and categories from the training rows.

    Parameters
    ----------
    train : DataFrame
        Training rows. Their quantiles are the edges, and their 20 most frequent categories the
        groups, so that slices of different rows can be compared.
    rows : DataFrame, shape (n_customers, n_columns)
        The customers to divide.
    params : SlicesParams
        The columns, and the number of bins.

    Yields
    ------
    tuple of (str, str, ndarray of bool with shape (n_customers,))
        Column, name of the slice, and its customers. For each column, every customer is in one
        slice.
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
    # With side="left" a smallest value that many customers share gets a bin of its own.
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
