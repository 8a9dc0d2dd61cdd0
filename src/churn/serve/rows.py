"""Customers of a request as plain arrays, the form in which both scorers take them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec
import numpy as np
import pandas as pd

from churn.data import cells
from churn.model.artifact import Model
from churn.model.card import ModelCard

Cell = int | float | str | bool | None  # int: an id of 17 digits is no float


class Rows(msgspec.Struct, frozen=True, gc=False):
    """Converted columns of customers.

    Attributes
    ----------
    numbers : ndarray of float64, shape (n_customers, n_numbers)
        The card's numeric columns and its dates, in days since 1970; NaN where missing.
    categories : dict of str to list of str or None
        The card's categories by column; None where missing.
    ids : list of str or None, optional
        Ids of the customers, if the request has that column.
    """

    numbers: np.ndarray
    categories: Mapping[str, Sequence[str | None]]
    ids: Sequence[str | None] | None = None

    def __len__(self) -> int:
        return len(self.numbers)

    def frame(self, card: ModelCard) -> pd.DataFrame:
        """Return what the scikit-learn pipeline takes."""
        columns = dict(zip(numbers_of(card), self.numbers.T, strict=True))
        texts = {
            name: pd.Series(list(self.categories[name]), dtype="str") for name in card.categorical
        }
        return pd.DataFrame({**columns, **texts})[list(card.inputs)]

    def take(self, places: np.ndarray) -> Rows:
        """Return some of the customers, by their positions."""
        return Rows(
            self.numbers[places],
            {name: [column[i] for i in places] for name, column in self.categories.items()},
            None if self.ids is None else [self.ids[i] for i in places],
        )


def numbers_of(card: ModelCard) -> tuple[str, ...]:
    """Return the columns of `Rows.numbers`, in order."""
    return (*card.numeric, *card.dates)


def joined(parts: Sequence[Rows]) -> Rows:
    """Put the customers of several requests one after the other."""
    if len(parts) == 1:
        return parts[0]
    ids: list[str | None] | None = None
    if any(part.ids is not None for part in parts):
        ids = [one for part in parts for one in part.ids or [None] * len(part)]
    names = parts[0].categories
    return Rows(
        np.concatenate([part.numbers for part in parts]),
        {name: [cell for part in parts for cell in part.categories[name]] for name in names},
        ids,
    )


def from_frame(model: Model, customers: pd.DataFrame) -> Rows:
    """Convert a table as the model does it, with its errors.

    Parameters
    ----------
    model : Model
    customers : DataFrame
        Raw columns; the id, if it is there, is kept.

    Raises
    ------
    DataError
        As `churn.model.artifact.Model.inputs`.
    """
    card = model.card
    X = model.inputs(customers)
    ids = list(_texts(cells.texts(customers[card.id]))) if card.id in customers else None
    return Rows(
        X[list(numbers_of(card))].to_numpy(dtype=np.float64),
        {name: list(_texts(X[name])) for name in card.categorical},
        ids,
    )


def _texts(column: pd.Series) -> Iterator[str | None]:
    return (None if missing else str(x) for x, missing in zip(column, column.isna(), strict=True))
