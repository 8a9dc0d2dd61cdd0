"""Predict for a file of customers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from churn.core.errors import DataError
from churn.core.files import atomic
from churn.core.params import DataParams
from churn.core.progress import Advance, announce, bar, silent
from churn.data import schema
from churn.data.table import read_table, require_known_suffix
from churn.model.artifact import Model
from churn.model.card import ModelCard


def predict(model: Model, source: Path, target: Path) -> int:
    """Predict for every customer of a file.

    Parameters
    ----------
    model : Model
    source : Path
        CSV or Parquet file with the id and the model's columns; a label is not needed.
    target : Path
        CSV or Parquet file to write, by its ending: id, ``probability``, ``prediction``.

    Returns
    -------
    int
        Number of customers.

    Raises
    ------
    DataError
        If the input cannot be used or the output cannot be written; then no file is changed.
    """
    require_known_suffix(target)
    with bar("predicting", 4) as advance:
        scored = score(model, source, advance)
        write(scored, target)
        advance("written")
    return len(scored)


def score(model: Model, source: Path, advance: Advance = silent) -> pd.DataFrame:
    """Predict for every customer of a file, reading its columns as the model's card says.

    Parameters
    ----------
    model : Model
    source : Path
        As for `predict`.
    advance : callable, optional
        Called after each of three steps.

    Returns
    -------
    DataFrame, shape (n_customers, 3)
        Id, ``probability`` and ``prediction``, in the order of the file.

    Raises
    ------
    DataError
        If the input cannot be used.
    """
    customers = read(model.card, source, advance)
    announce_unseen(str(source), model.unseen(customers), len(customers))
    scored = pd.concat([customers[[model.card.id]], model.predict(customers)], axis=1)
    advance("scored")
    return scored


def announce_unseen(source: str, unseen: Mapping[str, Mapping[str, int]], n_customers: int) -> None:
    """Say which categories of a table the model was not trained on.

    Parameters
    ----------
    source : str
        The table.
    unseen : mapping of str to mapping of str to int
        By column, the number of customers of each such category.
    n_customers : int
        Of the table.
    """
    for name, counts in unseen.items():
        counter = Counter(counts)
        shown = ", ".join(f"{category!r} ({n:,})" for category, n in counter.most_common(3))
        more = f" and {len(counter) - 3} more" if len(counter) > 3 else ""
        announce(
            f"{source}: column {name!r} has categories that the model was not trained on, for"
            f" {counter.total():,} of {n_customers:,} customers: {shown}{more}"
        )


def read(card: ModelCard, source: Path, advance: Advance = silent) -> pd.DataFrame:
    """Read the customers of a file, and check their cells.

    Parameters
    ----------
    card : ModelCard
        Says what the columns are.
    source : Path
        As for `predict`.
    advance : callable, optional
        Called after each of two steps.

    Returns
    -------
    DataFrame, shape (n_customers, 1 + n_columns)
        The id and the model's columns.

    Raises
    ------
    DataError
        If the input cannot be used.
    """
    data = columns(card, source)
    customers = read_table(source, data, labelled=False)
    if customers.empty:
        raise DataError(f"{source}: no customers in it")
    advance("read")
    customers = schema.validate(customers, data, source, labelled=False)
    advance("checked")
    return customers


def columns(card: ModelCard, source: Path) -> DataParams:
    """Return the columns of a table to predict, and how its cells are written."""
    return DataParams(
        path=str(source),
        id=card.id,
        target=card.target,
        positive=1,
        numeric=card.numeric,
        dates=card.dates,
        categorical=card.categorical,
        missing=card.missing,
        csv=card.csv,
    )


def write(scored: pd.DataFrame, target: Path) -> None:
    """Write a table whole, as CSV or Parquet by its ending.

    Raises
    ------
    DataError
        If it cannot be written; then nothing is.
    """
    try:
        with atomic(target) as fresh:
            if target.suffix == ".csv":
                scored.to_csv(fresh, index=False)
            else:
                scored.to_parquet(fresh, index=False)
    except OSError as error:
        raise DataError(f"{target}: cannot be written ({error.strerror or error})") from error
