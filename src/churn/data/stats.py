"""Summary statistics of a table, with which later tables are compared for drift."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from churn.core.params import DataParams
from churn.data import dates

_QUANTILES = [0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0]
_MAX_CATEGORIES = 100


def describe(table: pd.DataFrame, data: DataParams) -> dict[str, Any]:
    """Summarise a validated table.

    Parameters
    ----------
    table : DataFrame, shape (n_customers, n_columns)
        As `churn.data.schema.validate` returns it.
    data : DataParams
        The columns and their roles.

    Returns
    -------
    dict
        ``rows``; ``label_rate`` in [0, 1]; ``numeric`` (missing values, mean, standard deviation
        with n - 1 degrees of freedom, skewness, quantiles; null for a column with too few values);
        ``dates`` (missing values, oldest, newest); ``categorical`` (missing values, number of
        values, counts of the 100 most frequent).
    """
    return {
        "rows": len(table),
        "label_rate": round(float(table[data.target].mean()), 6),
        "numeric": {name: _numeric(table[name]) for name in data.numeric},
        "dates": {name: _dates(table[name]) for name in data.dates},
        "categorical": {name: _categorical(table[name]) for name in data.categorical},
    }


def _numeric(values: pd.Series) -> dict[str, Any]:
    return {
        "missing": int(values.isna().sum()),
        "mean": _number(values.mean()),
        "standard_deviation": _number(values.std()),
        "skewness": _number(values.skew()),
        "quantiles": {f"{q:g}": _number(float(values.quantile(q))) for q in _QUANTILES},
    }


def _dates(values: pd.Series) -> dict[str, Any]:
    moments = dates.timestamps(values)
    known = dates.written(pd.Series([moments.min(), moments.max()]))
    oldest, newest = (None if pd.isna(date) else date for date in known)
    return {"missing": int(values.isna().sum()), "oldest": oldest, "newest": newest}


def _categorical(values: pd.Series) -> dict[str, Any]:
    counts = values.value_counts()
    # Ties are sorted by name, so that the same table gives the same file.
    ordered = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
    return {
        "missing": int(values.isna().sum()),
        "values": len(counts),
        "counts": {str(name): int(count) for name, count in ordered[:_MAX_CATEGORIES]},
    }


def _number(value: Any) -> float | None:
    return None if not np.isfinite(value) else float(f"{value:.8g}")
