"""Find which column identifies a customer, and which one says who churned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from churn.core.errors import DataError
from churn.core.params import ROW_NUMBER
from churn.data import cells
from churn.init import names
from churn.init.asking import Asker, Question
from churn.init.columns import Column, is_counter

_SHOWN = 5


@dataclass(frozen=True)
class Roles:
    """The columns with a role of their own.

    Attributes
    ----------
    id : str
        `churn.core.params.ROW_NUMBER` if there is none.
    target : str
    positive : str
        The value of the target that means churned, as a text.
    """

    id: str
    target: str
    positive: str


@dataclass(frozen=True)
class Named:
    """What the user has named; None for what has to be found."""

    id: str | None = None
    target: str | None = None
    positive: str | None = None


def find(columns: Mapping[str, Column], table: pd.DataFrame, named: Named, asker: Asker) -> Roles:
    """Find the columns, and ask where it is not clear.

    Parameters
    ----------
    columns : mapping of str to Column
    table : DataFrame
        The unconverted cells.
    named : Named
    asker : Asker

    Raises
    ------
    DataError
        If a named column is not there, or the target does not have two values.
    """
    for option, name in (("--id", named.id), ("--target", named.target)):
        if name is not None and name not in columns and not (option == "--id" and name == "null"):
            raise DataError(
                f"{asker.name}: no column {name!r} for {option} (there are"
                f" {', '.join(map(repr, columns))})"
            )
    target = named.target or _target(columns, asker)
    values = _two_values(table[target], columns[target], asker.name)
    positive = _positive(target, values, named.positive, asker)
    return Roles(_id(columns, target, named.id, asker), target, positive)


def _target(columns: Mapping[str, Column], asker: Asker) -> str:
    two = [name for name, column in columns.items() if column.distinct == 2]
    by_name = [name for name in columns if names.is_target(name)]
    if len(by_name) == 1:
        return by_name[0]
    if len(best := [name for name in two if name in by_name]) == 1:
        return best[0]
    if not two:
        raise DataError(
            f"{asker.name}: no column has two values, so none says who churned; churn init is for"
            " targets with two values"
        )
    what = "no column's name says that it is the target, who churned"
    if by_name:
        what = f"several columns may be the target: {', '.join(map(repr, by_name))}"
    return asker.answer(Question("--target", what, best or two))


def _two_values(cells_of: pd.Series, column: Column, file: str) -> list[str]:
    """Return both values of the target, the more frequent one first."""
    counts = cells.texts(cells_of).value_counts()
    values = [str(value) for value in counts.index]
    if len(values) == 2:
        return values
    name = f"{file}: column {column.name!r}"
    if len(values) < 2:
        raise DataError(f"{name} is {(*values, 'empty')[0]} in every row; a target has two values")
    many = f"{len(values):,} different {'numbers' if column.kind == 'numeric' else 'values'}"
    if len(values) <= _SHOWN:
        many = f"{len(values)} values ({', '.join(values)})"
    raise DataError(
        f"{name} holds {many}; churn init sets up targets with two values, such as yes and no: name"
        " one by --target, or make such a column"
    )


def _positive(name: str, values: list[str], named: str | None, asker: Asker) -> str:
    if named is not None:
        same = [value for value in values if value.casefold() == named.strip().casefold()]
        if not same:
            shown = " and ".join(map(repr, values))
            raise DataError(f"{asker.name}: --positive {named}: column {name!r} holds {shown}")
        return same[0]
    known = [value for value in values if value.casefold().strip(" .") in names.POSITIVE]
    if len(known) == 1:
        return known[0]
    shown = " and ".join(map(repr, values))
    what = f"column {name!r} holds {shown}, and neither certainly means churned"
    return asker.answer(Question("--positive", what, values))


def _id(columns: Mapping[str, Column], target: str, named: str | None, asker: Asker) -> str:
    if named is not None:
        return _null_to_row(named)
    fit = [
        name
        for name, column in columns.items()
        if name != target and column.is_whole and column.is_unique and column.distinct > 2
    ]
    by_name = sorted(
        (name for name in fit if names.is_id(name)),
        key=lambda name: (is_counter(columns[name]), not names.names_customer(name)),
    )
    if by_name:
        return by_name[0]
    texts = [name for name in fit if columns[name].kind == "categorical"]
    if len(texts) == 1 and texts[0] == next(iter(columns)):
        return texts[0]
    what = "no column certainly identifies a customer; with null the rows are numbered"
    return _null_to_row(asker.answer(Question("--id", what, [*fit, "null"], "null")))


def _null_to_row(answer: str) -> str:
    return ROW_NUMBER if answer == "null" else answer
