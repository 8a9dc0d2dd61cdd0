"""Find the target: the column that is predicted, and what kind of target it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

import numpy as np

from churn.core.errors import DataError
from churn.core.params import TaskName
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
    """What is predicted.

    Attributes
    ----------
    name : str
        Its column.
    task : {"binary", "regression", "multiclass"}
    positive : str
        Binary: the value that means churned, as a text.
    classes : tuple of str
        Multiclass: its values, as texts.
    """

    name: str
    task: TaskName
    positive: str = ""
    classes: tuple[str, ...] = ()

    @property
    def settings(self) -> dict[str, object]:
        """The keys of `data` that say what it holds."""
        positive = _setting(self.positive) if self.task == "binary" else None
        return {"positive": positive, "classes": [_setting(name) for name in self.classes]}

    def why(self, key: str) -> str:
        """Say why a key of `settings` is as it is."""
        if key == "positive" and self.task == "binary":
            return "what is predicted; --positive names the other value"
        if key == "classes" and self.task == "multiclass":
            return "all values of the target"
        return f"not for task: {self.task}"

    def labels(self, column: Column) -> np.ndarray:
        """Return the labels: booleans, numbers, or positions of classes, shape (n_rows,)."""
        if self.task == "regression":
            return column.values.to_numpy(dtype=float)
        texts = cells.texts(column.cells)
        if self.task == "binary":
            return texts.eq(self.positive).to_numpy(dtype=bool)
        return texts.map({name: i for i, name in enumerate(self.classes)}).to_numpy(dtype=int)

    def told_alone(self, area: float) -> str:
        """Write how well a column alone ranks the customers (`Column.auc_alone`)."""
        if self.task == "regression":
            return f"rank correlation {2 * area - 1:.3f}"
        return f"ROC AUC {area:.3f}"

    def described(self, y: np.ndarray) -> str:
        """Describe the labels of a table in a few words."""
        if self.task == "regression":
            return f"numbers from {y.min():g} to {y.max():g}, {y.mean():.4g} on average"
        if self.task == "binary":
            return f"two values; {self.positive} in {y.mean():.1%} of the rows"
        shares = [f"{name} {(y == i).mean():.1%}" for i, name in enumerate(self.classes)]
        return f"{len(shares)} classes: {', '.join(shares)}"


def _setting(text: str) -> bool | int | str:
    """Return a value for params.yaml: 1 as a number and true as a boolean, as people write."""
    if text in ("true", "false"):
        return text == "true"
    return int(text) if text.isdecimal() and str(int(text)) == text else text


def find(
    columns: Mapping[str, Column],
    named: str | None,
    positive: str | None,
    task: TaskName | None,
    asker: Asker,
) -> Target:
    """Find the target, and ask where it is not clear.

    Parameters
    ----------
    columns : mapping of str to Column
    named, positive, task : str or None
        What the user has named.
    asker : Asker

    Raises
    ------
    DataError
        If it is of no kind or of another than `task`, or `positive` is none of its values.
    """
    name = named or _likely(columns, asker)
    column = columns[name]
    values = _values(column, asker.name)
    kind = task or ("binary" if positive is not None else _task(column, values, asker))
    where = f"{asker.name}: column {name!r}"
    if kind == "regression":
        if column.kind != "numeric" or column.missing:
            raise DataError(f"{where} does not hold a number in each row; --task regression does")
        return Target(name, kind)
    if kind == "multiclass":
        if not 3 <= len(values) <= _MOST_CLASSES:
            raise DataError(f"{where} holds {_other_kind(column, values)}; classes are 3 to 20")
        return Target(name, kind, classes=tuple(sorted(values, key=_order)))
    if len(values) != 2:
        raise DataError(f"{where} holds {_other_kind(column, values)}; --task binary has two")
    return Target(name, kind, _positive(name, values, positive, asker))


def _order(value: str) -> tuple[float, str]:
    return (float(value) if value.isdecimal() else np.inf, value)


def _likely(columns: Mapping[str, Column], asker: Asker) -> str:
    by_name = [name for name, column in columns.items() if column.speaks_of(_NAMES)]
    if len(by_name) == 1:
        return by_name[0]
    two = [name for name, column in columns.items() if column.distinct == 2]
    if len(best := [name for name in two if name in by_name]) == 1:
        return best[0]
    what = "no column's name says that it is the target, what is to be predicted"
    if by_name:
        what = f"several columns may be the target: {', '.join(map(repr, by_name))}"
    others = [name for name, column in columns.items() if _may_be_one(column)]
    if not (best or two or others):
        raise DataError(f"{asker.name}: no column can be a target: two values, classes or numbers")
    return asker.answer(Question("--target", what, best or two or others))


def _may_be_one(column: Column) -> bool:
    return not column.is_id and (column.kind == "numeric" or 1 < column.distinct <= _MOST_CLASSES)


def _values(column: Column, file: str) -> list[str]:
    """Return the values, the most frequent one first."""
    known = cells.texts(column.cells)
    values = [str(value) for value in known.value_counts().index]
    where = f"{file}: column {column.name!r}"
    if missing := int(known.isna().sum()):
        raise DataError(
            f"{where} is empty in {missing:,} rows; every customer needs a target, so remove them"
        )
    if len(values) < 2:
        raise DataError(f"{where} is {values[0]!r} in every row; there is nothing to predict")
    return values


def _task(column: Column, values: list[str], asker: Asker) -> TaskName:
    """Tell the kind of a target by its values, and ask where it is not clear."""
    if len(values) == 2:
        return "binary"
    is_number = column.kind == "numeric"
    if is_number and (len(values) > _MOST_CLASSES or (column.values % 1 != 0).any()):
        return "regression"
    if len(values) > _MOST_CLASSES:
        raise DataError(
            f"{asker.name}: column {column.name!r} holds {_other_kind(column, values)}; a target"
            " has two values, 3 to 20 classes, or numbers: name another one by --target"
        )
    if not is_number:
        return "multiclass"
    what = f"column {column.name!r} holds {len(values)} whole numbers, which may be classes"
    kinds: list[TaskName] = ["multiclass", "regression"]
    answer = asker.answer(Question("--task", what, kinds))
    return next(kind for kind in get_args(TaskName) if kind == answer)


def _other_kind(column: Column, values: list[str]) -> str:
    """Describe a target that is not of the kind that is wanted."""
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
