"""The exam: the held-out customers on which models are compared, main's and the candidate's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from churn.core.params import DataParams


@dataclass(frozen=True)
class Changed:
    """How many held-out customers a change adds, removes, relabels and edits.

    Attributes
    ----------
    before, after : int
        Held-out customers on main, and in the change.
    added, removed : int
        Customers who are held out in one of them only.
    relabelled, edited : int
        Customers of both, with another label, or with another value in a column of both.
    """

    before: int
    after: int
    added: int
    removed: int
    relabelled: int
    edited: int

    @property
    def any(self) -> bool:
        """Whether there is such a customer."""
        return bool(self.added or self.removed or self.relabelled or self.edited)


def changed(before: pd.DataFrame, after: pd.DataFrame, data: DataParams) -> Changed:
    """Count how two sides of held-out customers differ.

    Parameters
    ----------
    before, after : DataFrame
        Held-out customers with the id, the target (0 or 1) and the features.
    data : DataParams
        Says which columns these are.
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
    """Return the ids of the customers of both tables who are the same in both, label and all."""
    edited, relabelled = _compared(before, after, data)
    return edited.index[~(edited | relabelled)]


def _compared(
    before: pd.DataFrame, after: pd.DataFrame, data: DataParams
) -> tuple[pd.Series, pd.Series]:
    """Tell of the customers of both, by id, who is edited and who is relabelled."""
    one, other = (rows.set_index(data.id) for rows in (before, after))
    both = one.index.intersection(other.index)
    one, other = one.loc[both], other.loc[both]
    edited = pd.Series(False, index=both)
    # Every column of both, for main's model may read one that the change does not.
    for name in one.columns.intersection(other.columns).drop(data.target):
        edited |= _differ(one[name], other[name])
    return edited, one[data.target] != other[data.target]


def _differ(one: pd.Series, other: pd.Series) -> pd.Series:
    if one.dtype != other.dtype:
        one, other = one.astype("object"), other.astype("object")
    return ~((one == other) | (one.isna() & other.isna())).fillna(False).astype(bool)


def as_main_has_them(
    main: pd.DataFrame, train: pd.DataFrame, test: pd.DataFrame, data: DataParams
) -> pd.DataFrame:
    """Return main's held-out customers, as far as a candidate has not been trained on them.

    Rows and labels are main's. What the candidate reads and main does not have yet, it takes from
    its own table; it is missing for customers who are not in there.

    Parameters
    ----------
    main : DataFrame
        Held-out customers of main.
    train, test : DataFrame
        Both sides of the candidate's split.
    data : DataParams
        Of the candidate.
    """
    rows = main[~main[data.id].isin(train[data.id])].reset_index(drop=True)
    new: Sequence[str] = [name for name in data.inputs if name not in rows]
    if new:
        own = pd.concat([train, test])[[data.id, *new]]
        rows = rows.merge(own, on=data.id, how="left")
    return rows
