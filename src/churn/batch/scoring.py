"""Predict for a part of a table: the compiled model where it has the bits, else the reference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from churn.data import dates, schema, streams
from churn.explanation.top import Top
from churn.model.card import ModelCard
from churn.model.outputs import Output
from churn.model.prediction import columns
from churn.model.threads import limited
from churn.serve import served
from churn.serve.rows import Rows
from churn.serve.served import Served
from churn.serve.store import Loadable, Store

_ARROW = {float: pa.float64(), int: pa.int64(), str: pa.string()}


@dataclass(frozen=True)
class Scored:
    """A part of a table, predicted.

    Attributes
    ----------
    rows : int
        Number of rows that were read.
    predictions : Table
        Id and answers of the rows that are not bad, and their reasons.
    bad : dict of int to str
        What is wrong with each bad row, by its position from 0.
    unseen : dict of str to Counter
        Number of customers with each category that the training rows did not have, by column.
    """

    rows: int
    predictions: pa.Table
    bad: Mapping[int, str]
    unseen: Mapping[str, Counter[str]]


def load(store: Store, loadable: Loadable) -> Served:
    """Load a model, and compare its compiled form with the reference."""
    folder, sample = store.model(loadable), store.sample(loadable)
    with limited(1):  # the comparison is of few rows at a time
        return served.load(loadable.version, folder, loadable.digest, sample, max_rows=1)


def score(model: Served, part: pa.Table, first_row: int | None, top: Top | None = None) -> Scored:
    """Predict for a part of a table.

    Parameters
    ----------
    model : Served
    part : Table
        As `churn.data.streams.tables` yields it, with the id.
    first_row : int or None
        Number of its first row in its file, from 1 on; None for rows that have no order.
    top : Top, optional
        Finds the reasons of each prediction; default is that there are none.
    """
    card = model.model.card
    customers, bad = schema.sifted(streams.frame(part), columns(card, Path()), first_row)
    if bad:
        kept = np.ones(len(customers), dtype=bool)
        kept[list(bad)] = False
        customers = customers[kept].reset_index(drop=True)
    answer, reasons = _nothing(model.output), {}
    unseen: dict[str, Counter[str]] = {}
    if len(customers):
        rows = _rows(card, customers)
        answer = model.answer(model.scores(rows))
        reasons = top.of(rows.frame(card)) if top else {}
        unseen = {name: Counter(n) for name, n in model.model.unseen(customers).items()}
    predictions = pa.table(
        {
            card.id: pa.array(customers[card.id], pa.string(), from_pandas=True),
            **{
                name: pa.array(answer[name], _ARROW[kind])
                for name, kind in model.output.answered.items()
            },
            **_reasons(reasons, top),
        }
    )
    return Scored(len(part), predictions, bad, unseen)


def _nothing(output: Output) -> dict[str, np.ndarray]:
    return {name: np.empty(0, dtype=object) for name in output.answered}


def _reasons(found: Mapping[str, np.ndarray], top: Top | None) -> dict[str, pa.Array]:
    """Return the columns of reasons, which a part without customers has as well."""
    kinds = {} if top is None else top.kinds()
    return {
        name: pa.array(
            found.get(name, ()), pa.string() if kind is str else pa.float64(), from_pandas=True
        )
        for name, kind in kinds.items()
    }


def _rows(card: ModelCard, customers: pd.DataFrame) -> Rows:
    """Return converted customers as arrays; `churn.serve.rows.from_frame` converts them as well."""
    days = [dates.days(dates.timestamps(customers[name])) for name in card.dates]
    numbers = np.empty((len(customers), len(card.numeric) + len(days)), order="F")
    for place, column in enumerate([*(customers[name] for name in card.numeric), *days]):
        numbers[:, place] = column
    return Rows(
        numbers,
        {
            name: pa.array(customers[name], pa.string(), from_pandas=True).to_pylist()
            for name in card.categorical
        },
    )
