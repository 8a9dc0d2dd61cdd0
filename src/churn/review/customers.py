"""Compare held-out customers of two tables: who was added, removed, edited."""

from __future__ import annotations

import pandas as pd

from churn.core.params import DataParams
from churn.review.comparison import Changed


def changed(before: pd.DataFrame, after: pd.DataFrame, data: DataParams) -> Changed:
    """Count how two sets of held-out customers differ.

    Parameters
    ----------
    before, after : DataFrame
        Held-out customers with the id, the target (0 or 1) and the features.
    data : DataParams
        Names these columns.
    """
    edited, relabelled = _compared(before, after, data)
    return Changed(
        before=len(before),
        after=len(after),
        added=len(after) - len(edited),
        removed=len(before) - len(edited),
        relabelled=int(relabelled.sum()),
        edited=int(edited.sum()),
    )


def unchanged(before: pd.DataFrame, after: pd.DataFrame, data: DataParams) -> pd.Index:
    """Return the ids of the customers whose row, label included, is equal in both tables."""
    edited, relabelled = _compared(before, after, data)
    return edited.index[~(edited | relabelled)]


def _compared(
    before: pd.DataFrame, after: pd.DataFrame, data: DataParams
) -> tuple[pd.Series, pd.Series]:
    """Return, for the ids in both tables, who is edited and who is relabelled."""
    old, new = (rows.set_index(data.id) for rows in (before, after))
    common = old.index.intersection(new.index)
    old, new = old.loc[common], new.loc[common]
    edited = pd.Series(False, index=common)
    # All shared columns: main's model may read a column that the change does not.
    for name in old.columns.intersection(new.columns).drop(data.target):
        edited |= _differ(old[name], new[name])
    return edited, old[data.target] != new[data.target]


def _differ(old: pd.Series, new: pd.Series) -> pd.Series:
    if old.dtype != new.dtype:
        old, new = old.astype("object"), new.astype("object")
    return ~((old == new) | (old.isna() & new.isna())).fillna(False).astype(bool)


def main_exam(
    main: pd.DataFrame, train: pd.DataFrame, test: pd.DataFrame, data: DataParams
) -> pd.DataFrame:
    """Return main's held-out customers without those that the candidate was trained on.

    Rows and labels are main's. Columns that main does not have are taken from the candidate's
    table, and are missing for customers who are not in it.

    Parameters
    ----------
    main : DataFrame
        Held-out customers of main.
    train, test : DataFrame
        Both sides of the candidate's split.
    data : DataParams
        The candidate's.
    """
    rows = main[~main[data.id].isin(train[data.id])].reset_index(drop=True)
    if new := new_columns(main, data):
        own = pd.concat([train, test])[[data.id, *new]]
        rows = rows.merge(own, on=data.id, how="left")
    return rows


def new_columns(main: pd.DataFrame, data: DataParams) -> list[str]:
    """Return the candidate's columns that main's customers do not have."""
    return [name for name in data.inputs if name not in main]
