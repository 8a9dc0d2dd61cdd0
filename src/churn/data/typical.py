"""A synthetic customer for examples, because these must not show real ones."""

from __future__ import annotations

import pandas as pd

from churn.core.params import Columns, Scalar
from churn.data import dates


def typical(customers: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    """Make a customer from each column's median or mode.

    Parameters
    ----------
    customers : DataFrame, shape (n_customers, n_columns)
        As `churn.data.schema.validate` returns them.
    columns : Columns

    Returns
    -------
    DataFrame, shape (1, n_inputs)
    """
    middle: dict[str, list[Scalar]] = {
        **{name: [customers[name].median()] for name in columns.numeric},
        **{name: [_middle_day(customers[name])] for name in columns.dates},
        **{name: [next(iter(customers[name].mode()), None)] for name in columns.categorical},
    }
    return pd.DataFrame(middle)


def _middle_day(column: pd.Series) -> str | None:
    days = dates.timestamps(column).dropna().sort_values()
    return None if days.empty else str(days.iloc[len(days) // 2].date())
