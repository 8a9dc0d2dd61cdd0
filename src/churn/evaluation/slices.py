"""Slices: groups of customers by quantile bins of numeric columns, and by categories."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from churn.core.files import Shape
from churn.core.params import SlicesParams

MISSING = "missing"
_RARE = "all others"
_MAX_CATEGORIES = 20


class Cuts(Shape):
    """Where the slices of each column are cut.

    Attributes
    ----------
    numeric : dict of str to list of float
        Inner edges by column, ascending: a slice holds the values above one edge, up to the next.
    categorical : dict of str to list of str
        Values by column that are a slice each, sorted.
    """

    numeric: dict[str, list[float]]
    categorical: dict[str, list[str]]


def cuts(train: pd.DataFrame, params: SlicesParams) -> Cuts:
    """Choose the slices by the training rows, so that those of different rows can be compared.

    Parameters
    ----------
    train : DataFrame
        Training rows. Their quantiles are the edges, and their 20 most frequent categories the
        groups.
    params : SlicesParams
        The columns, and the number of bins.
    """
    inner = np.linspace(0, 1, params.bins + 1)[1:-1]

    def edges(column: str) -> list[float]:
        known = train[column].dropna()
        if known.empty:
            return []
        found: list[float] = np.unique(_short(known.quantile(inner), known)).tolist()
        return found

    def frequent(column: str) -> list[str]:
        return sorted(str(name) for name in train[column].value_counts().index[:_MAX_CATEGORIES])

    return Cuts(
        numeric={column: edges(column) for column in params.numeric},
        categorical={column: frequent(column) for column in params.categorical},
    )


def _short(edges: pd.Series, known: pd.Series) -> np.ndarray:
    """Round edges up, so that a value that is an edge stays below it.

    To a hundredth of what eight of ten values span, as it takes digits; never above whole numbers.
    """
    exact = edges.to_numpy(dtype=float)
    span = float(known.quantile(0.9) - known.quantile(0.1))
    if not 0 < span < np.inf:
        return exact
    step = 10.0 ** max(0, 2 - np.floor(np.log10(span)))
    # Without the inner rounding 1.1 would be just above eleven tenths.
    short = np.ceil(np.round(exact * step, 6)) / step
    return np.where(short < exact, exact, short)


def slices(
    train: pd.DataFrame, rows: pd.DataFrame, params: SlicesParams
) -> Iterator[tuple[str, str, np.ndarray]]:
    """Divide customers by each declared column: `divide` with the `cuts` of the training rows."""
    return divide(rows, cuts(train, params))


def divide(rows: pd.DataFrame, chosen: Cuts) -> Iterator[tuple[str, str, np.ndarray]]:
    """Divide customers by each column.

    Parameters
    ----------
    rows : DataFrame, shape (n_customers, n_columns)
        The customers.
    chosen : Cuts

    Yields
    ------
    tuple of (str, str, ndarray of bool with shape (n_customers,))
        Column, name of the slice, and its customers. For each column, every customer is in one
        slice.
    """
    for column, edges in chosen.numeric.items():
        values = rows[column].to_numpy(dtype=float)
        for name, members in _bins(np.array(edges), values):
            yield column, name, members
    for column, frequent in chosen.categorical.items():
        known = rows[column].notna()
        for name in frequent:
            yield column, name, rows[column].eq(name).fillna(False).to_numpy(dtype=bool)
        others = known & ~rows[column].isin(frequent)
        yield column, _RARE, others.to_numpy(dtype=bool)
        yield column, MISSING, ~known.to_numpy(dtype=bool)


def _bins(edges: np.ndarray, values: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
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
