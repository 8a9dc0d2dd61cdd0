"""Where a cell is, for messages."""

from __future__ import annotations

import pandas as pd

from churn.core.params import DataParams


def place(
    table: pd.DataFrame,
    data: DataParams,
    column: str,
    row: int | None,
    first_row: int | None = 1,
) -> str:
    """Name a column and a row, counted from 1 below the header, with the customer's id."""
    if row is None:
        return f"column {column!r}"
    customer = table[data.id].iloc[row]
    who = "" if pd.isna(customer) else f" ({data.id} {customer})"
    if first_row is None:
        return f"column {column!r}{who}:"
    return f"column {column!r}, row {row + first_row}{who}:"
