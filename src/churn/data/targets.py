"""The target of each customer: 0 or 1, a number, or the position of a class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from churn.core.errors import DataError
from churn.core.params import DataParams
from churn.core.params.table import Label
from churn.data import cells, places

_STRATA = 10


def encoded(table: pd.DataFrame, data: DataParams, path: Path, whole: bool = True) -> pd.Series:
    """Convert the target to what models are trained on.

    Parameters
    ----------
    table : DataFrame
        The cells are text.
    data : DataParams
        Its `positive` means 1, its `classes` are positions from 0; without both it is a number.
    path : Path
        The table's file, for messages.
    whole : bool, default=True
        Whether there must be different labels, as for training. Labels of a week may be all the
        same.

    Returns
    -------
    Series
        int8 of 0 and 1, int64 of positions, or float64.

    Raises
    ------
    DataError
        If a value is missing, or is none of the target's.
    """
    labels = table[data.target]
    if labels.isna().any():
        row = int(labels.isna().argmax())
        raise DataError(f"{path}: {places.place(table, data, data.target, row)} is missing")
    if data.positive is not None:
        return _binary(table, data, data.positive, path, whole)
    return _classes(table, data, path) if data.classes else _numbers(table, data, path)


def problem(y: np.ndarray, classes: Sequence[object] = ()) -> str | None:
    """Say why no model can be trained or measured on some customers.

    Parameters
    ----------
    y : ndarray, shape (n_customers,)
        As `encoded` returns it.
    classes : sequence, optional
        Those of `data.classes`; each must occur.

    Returns
    -------
    str or None
        None if one can.
    """
    if classes:
        missing = np.flatnonzero(np.bincount(y, minlength=len(classes)) == 0)
        return f"nobody is {str(classes[missing[0]])!r}" if len(missing) else None
    return None if len(np.unique(y)) > 1 else "they all have the same target"


def strata(y: np.ndarray, data: DataParams) -> np.ndarray | None:
    """Return the tenth of the customers to which each belongs by a target that is a number.

    Parameters
    ----------
    y : ndarray, shape (n_customers,)
        As `encoded` returns it.
    data : DataParams

    Returns
    -------
    ndarray of int, shape (n_customers,), or None
        From 0; equal numbers are in one. None for a target that is no number.
    """
    if data.positive is not None or data.classes:
        return None
    inner = np.unique(np.quantile(y, np.linspace(0, 1, _STRATA + 1)[1:-1]))
    return np.searchsorted(inner, y, side="left")


def shares(y: pd.Series, data: DataParams) -> dict[str, float]:
    """Return the share of the customers of each of several classes, in [0, 1]."""
    counts = y.value_counts()
    return {str(name): counts.get(i, 0) / len(y) for i, name in enumerate(data.classes)}


def compared(before: pd.Series, after: pd.Series, data: DataParams) -> list[tuple[str, str, str]]:
    """Say how a target that is a number, or of several classes, differs between two tables.

    Parameters
    ----------
    before, after : Series
        As `encoded` returns them.
    data : DataParams

    Returns
    -------
    list of tuple of str
        What: the mean, or the share of each class; before, and after.
    """
    if not data.classes:
        was_mean, mean = (f"{float(y.mean()):.4g}" for y in (before, after))
        return [(f"mean {data.target}", was_mean, mean)]
    was, now = shares(before, data), shares(after, data)
    return [(name, f"{was[name]:.1%}", f"{now[name]:.1%}") for name in was]


def _numbers(table: pd.DataFrame, data: DataParams, path: Path) -> pd.Series:
    style = cells.NumberStyle(data.csv.decimal, data.csv.thousands, data.csv.symbols)
    try:
        numbers = cells.numbers(table[data.target], data.missing, style)
    except cells.CellError as error:
        place = places.place(table, data, data.target, error.row)
        raise DataError(
            f"{path}: {place} is {error.cell!r}, which is not a number; task: regression predicts"
            " numbers"
        ) from error
    if numbers.isna().any():
        row = int(numbers.isna().argmax())
        raise DataError(f"{path}: {places.place(table, data, data.target, row)} is missing")
    return numbers


def _classes(table: pd.DataFrame, data: DataParams, path: Path) -> pd.Series:
    labels = table[data.target]
    found = np.full(len(labels), -1)
    for position, name in enumerate(data.classes):
        alike = [value for value in pd.unique(labels) if _same(value, name)]
        found[labels.isin(alike).to_numpy()] = position
    if (found < 0).any():
        row = int((found < 0).argmax())
        raise DataError(
            f"{path}: {places.place(table, data, data.target, row)} is {labels.iloc[row]!r}, which"
            f" is not in data.classes of params.yaml ({', '.join(map(str, data.classes))})"
        )
    return pd.Series(found, index=labels.index, name=data.target)


def _binary(
    table: pd.DataFrame, data: DataParams, positive: Label, path: Path, both: bool
) -> pd.Series:
    labels = table[data.target]
    values = list(pd.unique(labels))
    shown = ", ".join(str(value) for value in values[:5])
    if len(values) == 1 and both:
        raise DataError(
            f"{path}: column {data.target!r} is {shown} in every row from row 1 on;"
            " a model needs customers of both classes"
        )
    if len(values) > 2:
        row = int(labels.eq(values[2]).argmax())
        raise DataError(
            f"{path}: {places.place(table, data, data.target, row)} is a third value"
            f" (found: {shown}); the target must have two"
        )
    positives = [value for value in values if _same(value, positive)]
    if len(positives) > 1:
        raise DataError(
            f"{path}: column {data.target!r} holds {shown}, and both are {positive!r};"
            " write each of the two values in one way"
        )
    if not positives and len(values) == 2:
        # YAML's yes, no, on and off.
        quotes = ", in quotes if it is a word" if isinstance(positive, bool) else ""
        raise DataError(
            f"{path}: column {data.target!r} holds {shown}, never {positive!r};"
            f" set data.positive in params.yaml to the value that means churned{quotes}"
        )
    return labels.isin(positives).astype("int8")


def _same(value: object, label: Label) -> bool:
    """Compare as numbers if both are, else as text; TRUE, True and true are equal."""
    # In params.yaml TRUE is a boolean, and in quotes a text.
    found, wanted = _truth(value), _truth(label)
    try:
        return float(found) == float(wanted)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return str(found) == str(wanted)


def _truth(value: object) -> object:
    return {"true": True, "false": False}.get(str(value).casefold(), value)
