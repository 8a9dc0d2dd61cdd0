"""Find the target: the column that says what became of a customer, and what kind of target it is.

All that `churn init` knows of kinds of targets stands here. Today there is one: two values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from churn.core.errors import DataError
from churn.data import cells
from churn.init.asking import Asker, Question
from churn.init.columns import Column

_MOST_CLASSES = 20
_NAMES = (
    "churn churned churner left leaver leaves exited exit attrition attrited cancelled canceled"
    " cancel target label lapsed lost abwanderung gekündigt"
)
_POSITIVE = (
    "yes y true t 1 churn churned churner left leaver exited lost cancelled canceled lapsed gone"
    " attrited ja oui si sí inactive"
)


@dataclass(frozen=True)
class Target:
    """A target with two values.

    Attributes
    ----------
    name : str
        Its column.
    positive : str
        The value that means churned, as a text.
    """

    name: str
    positive: str

    @property
    def setting(self) -> bool | int | str:
        """The value for `data.positive`: 1 as a number and true as a boolean, as people write."""
        if self.positive in ("true", "false"):
            return self.positive == "true"
        return int(self.positive) if self.positive in ("0", "1") else self.positive


def find(
    columns: Mapping[str, Column], named: str | None, positive: str | None, asker: Asker
) -> Target:
    """Find the target, and ask where it is not clear.

    Parameters
    ----------
    columns : mapping of str to Column
    named, positive : str or None
        What the user has named.
    asker : Asker

    Raises
    ------
    DataError
        If it is a target of another kind, or `positive` is none of its values.
    """
    name = named or _likely(columns, asker)
    return Target(name, _positive(name, _two_values(columns[name], asker.name), positive, asker))


def _likely(columns: Mapping[str, Column], asker: Asker) -> str:
    by_name = [name for name, column in columns.items() if column.speaks_of(_NAMES)]
    if len(by_name) == 1:
        return by_name[0]
    two = [name for name, column in columns.items() if column.distinct == 2]
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


def _two_values(column: Column, file: str) -> list[str]:
    """Return both values, the more frequent one first."""
    known = cells.texts(column.cells)
    values = [str(value) for value in known.value_counts().index]
    where = f"{file}: column {column.name!r}"
    if missing := int(known.isna().sum()):
        raise DataError(
            f"{where} is empty in {missing:,} rows; every customer needs a target, so remove them"
        )
    if len(values) == 2:
        return values
    if len(values) < 2:
        raise DataError(f"{where} is {values[0]!r} in every row; a target has two values")
    raise DataError(
        f"{where} holds {_other_kind(column, values)}; churn init sets up targets with two values,"
        " such as yes and no: name one by --target, or make such a column"
    )


def _other_kind(column: Column, values: list[str]) -> str:
    """Describe a target with more than two values."""
    if len(values) <= _MOST_CLASSES:
        return f"{len(values)} values ({', '.join(values[:5])}{', …' if values[5:] else ''})"
    return f"{len(values):,} different {'numbers' if column.kind == 'numeric' else 'values'}"


def _positive(name: str, values: list[str], named: str | None, asker: Asker) -> str:
    shown = " and ".join(map(repr, values))
    if named is not None:
        for value in values:
            if value.casefold() == named.strip().casefold():
                return value
        raise DataError(f"{asker.name}: --positive {named}: column {name!r} holds {shown}")
    said = [value.casefold().strip(" .").removesuffix(" customer") for value in values]
    known = [value for value, word in zip(values, said, strict=True) if word in _POSITIVE.split()]
    if len(known) == 1:
        return known[0]
    what = f"column {name!r} holds {shown}, and neither certainly means churned"
    return asker.answer(Question("--positive", what, values))
