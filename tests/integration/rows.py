"""Customers, with what the model says of them offline."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from pandas.api.types import is_datetime64_any_dtype, is_numeric_dtype

from churn.core.params import Params
from churn.data import schema, split, table
from churn.data.dates import with_timestamps, written
from churn.model.outputs import Output

if TYPE_CHECKING:
    from churn.model.artifact import Model

Record = dict[str, Any]


@dataclass(frozen=True)
class Rows:
    """Customers as a caller sends them: missing cells are null, numbers are Python's own.

    Parameters
    ----------
    frame : DataFrame
        The raw columns, and the answers.
    output : Output
        Names the columns of an answer.
    """

    frame: pd.DataFrame
    output: Output

    def __post_init__(self) -> None:
        missing = set(self.output.answered) - set(self.frame)
        assert not missing, f"the rows need answers: {', '.join(sorted(missing))}"
        assert len(self.frame), "there are no rows"

    @classmethod
    def of(cls, model: Model, customers: pd.DataFrame, n_rows: int) -> Rows:
        """Ask the model about the first customers, all at once, as the server will be asked."""
        card, first = model.card, customers.head(n_rows)
        raw = first[list(card.inputs)]
        predicted = model.predict(raw)
        return cls(with_timestamps(raw, card.dates).join(predicted), model.output)

    @property
    def inputs(self) -> pd.DataFrame:
        return self.frame.drop(columns=list(self.output.answered))

    @property
    def columns(self) -> list[str]:
        return list(self.inputs)

    @property
    def numeric(self) -> list[str]:
        return [name for name in self.columns if is_numeric_dtype(self.frame[name])]

    @property
    def dates(self) -> list[str]:
        return [name for name in self.columns if is_datetime64_any_dtype(self.frame[name])]

    @property
    def categorical(self) -> list[str]:
        return [name for name in self.columns if name not in {*self.numeric, *self.dates}]

    @cached_property
    def records(self) -> list[Record]:
        texts = {name: written(self.frame[name]) for name in self.dates}
        cells = self.inputs.assign(**texts).astype(object)
        return cells.where(cells.notna(), None).to_dict("records")

    @property
    def complete(self) -> Record:
        """A customer with as few missing cells as any."""
        return self.records[int(self.inputs.isna().sum(axis="columns").to_numpy().argmin())]

    @property
    def numbers(self) -> list[str]:
        """The columns of an answer that are not whole, and no texts."""
        return [name for name, kind in self.output.answered.items() if kind is float]

    @property
    def answers(self) -> pd.DataFrame:
        return self.frame[list(self.output.answered)].reset_index(drop=True)


def held_out(root: Path, settings: Params, model: Model) -> Rows:
    """Take customers of the repository's table that the model was not trained on."""
    source = root / settings.data.path
    customers = table.read_table(source, settings.data)
    customers = schema.validate(customers, settings.data, source)
    card = model.card
    chosen = split.is_test(customers[card.id], card.unseen_below, card.salt)
    return Rows.of(model, customers[chosen], settings.release.parity_rows)
