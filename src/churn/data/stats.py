"""Summary statistics of a table, with which later tables are compared for drift."""

from __future__ import annotations

from typing import Any, TypedDict

import numpy as np
import pandas as pd

from churn.core.files import Shape
from churn.core.params import DataParams
from churn.core.rounding import significant
from churn.data import dates

_QUANTILES = [0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0]
_MAX_CATEGORIES = 100


class NumericStats(Shape):
    """A column of numbers; null where it has no value, or too few.

    Attributes
    ----------
    standard_deviation : float or None
        With n - 1 degrees of freedom.
    quantiles : dict of str to float or None
        By their share, such as ``0.25``.
    """

    missing: int
    mean: float | None
    standard_deviation: float | None
    skewness: float | None
    quantiles: dict[str, float | None]


class DateStats(Shape):
    """A column of dates."""

    missing: int
    oldest: str | None
    newest: str | None


class CategoryStats(Shape):
    """A column of texts: how many there are, and how often the 100 most frequent."""

    missing: int
    values: int
    counts: dict[str, int]


class TableStats(Shape):
    """One table.

    Attributes
    ----------
    label_rate : float or None
        Binary: the share that churned, in [0, 1].
    label_mean : float or None
        Regression: the mean of the target.
    label_counts : dict of str to int, or None
        Multiclass: the customers of each class.
    """

    rows: int
    label_rate: float | None = None
    label_mean: float | None = None
    label_counts: dict[str, int] | None = None
    numeric: dict[str, NumericStats]
    dates: dict[str, DateStats]
    categorical: dict[str, CategoryStats]


class DataStats(Shape):
    """data_stats.json; `rows` are those of the table, `train` is a sample with train.max_rows."""

    rows: int
    train: TableStats
    test: TableStats

    @property
    def training_rows(self) -> int:
        """Number of customers who are not held out."""
        return self.rows - self.test.rows

    @property
    def is_sampled(self) -> bool:
        """Whether `train` is a sample of them."""
        return self.train.rows < self.training_rows


def describe(table: pd.DataFrame, data: DataParams) -> TableStats:
    """Summarise a validated table.

    Parameters
    ----------
    table : DataFrame, shape (n_customers, n_columns)
        As `churn.data.schema.validate` returns it.
    data : DataParams
        The columns and their roles.

    """
    return TableStats(
        rows=len(table),
        **_labels(table[data.target], data),
        numeric={name: _numeric(table[name]) for name in data.numeric},
        dates={name: _dates(table[name]) for name in data.dates},
        categorical={name: _categorical(table[name]) for name in data.categorical},
    )


class _Labels(TypedDict, total=False):
    label_rate: float
    label_mean: float | None
    label_counts: dict[str, int]


def _labels(y: pd.Series, data: DataParams) -> _Labels:
    if data.positive is not None:
        return {"label_rate": round(float(y.mean()), 6)}
    if not data.classes:
        return {"label_mean": _number(y.mean())}
    names = map(str, data.classes)
    return {"label_counts": {name: int((y == place).sum()) for place, name in enumerate(names)}}


def _numeric(values: pd.Series) -> NumericStats:
    return NumericStats(
        missing=int(values.isna().sum()),
        mean=_number(values.mean()),
        standard_deviation=_number(values.std()),
        skewness=_number(values.skew()),
        quantiles={f"{q:g}": _number(float(values.quantile(q))) for q in _QUANTILES},
    )


def _dates(values: pd.Series) -> DateStats:
    moments = dates.timestamps(values)
    known = dates.written(pd.Series([moments.min(), moments.max()]))
    oldest, newest = (None if pd.isna(date) else date for date in known)
    return DateStats(missing=int(values.isna().sum()), oldest=oldest, newest=newest)


def _categorical(values: pd.Series) -> CategoryStats:
    counts = values.value_counts()
    # Ties are sorted by name, so that the same table gives the same file.
    ordered = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
    return CategoryStats(
        missing=int(values.isna().sum()),
        values=len(counts),
        counts={str(name): int(count) for name, count in ordered[:_MAX_CATEGORIES]},
    )


def _number(value: Any) -> float | None:
    return None if not np.isfinite(value) else significant(value, 8)
