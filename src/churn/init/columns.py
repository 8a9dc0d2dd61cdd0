"""Tell what each column of a table holds, and which of them say nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd

from churn.core.params import CsvParams
from churn.data import cells, dates
from churn.data.schema import ID_LIKE_SHARE, MIN_ROWS
from churn.init import doubt
from churn.init.asking import Question
from churn.init.reading import RawTable
from churn.init.styles import Words, date_styles, strangers

Kind = Literal["numeric", "dates", "categorical"]
_MOST_MISSING = 0.95
_RARE = 0.01  # features.rare_category_share
_NOT_RARE_ROWS = 0.05
_ONE_VALUE_ROWS = 0.999


@dataclass(frozen=True)
class Column:
    """A column as it is understood.

    Attributes
    ----------
    name : str
    kind : {"numeric", "dates", "categorical"}
    values : Series
        Converted: float64, points in time or text.
    """

    name: str
    kind: Kind
    values: pd.Series

    @property
    def missing(self) -> int:
        """Number of rows without a value."""
        return int(self.values.isna().sum())

    @property
    def distinct(self) -> int:
        """Number of different values."""
        return int(self.values.nunique())

    @property
    def is_unique(self) -> bool:
        """Whether each row that has a value has another one."""
        return self.distinct == len(self.values) - self.missing

    @property
    def is_whole(self) -> bool:
        """Whether it holds texts or whole numbers, as ids are."""
        if self.kind == "numeric":
            known = self.values.dropna()
            return bool((known == np.floor(known)).all())
        return self.kind == "categorical"


@dataclass(frozen=True)
class Understood:
    """The columns of a table, and how its cells are written.

    Attributes
    ----------
    columns : dict of str to Column
    csv : CsvParams
    missing : tuple of str
        Words for a missing cell that are not known anyway.
    questions : list of Question
        What is unsure.
    """

    columns: dict[str, Column]
    csv: CsvParams
    missing: tuple[str, ...]
    questions: list[Question] = field(default_factory=list)


def understand(raw: RawTable, missing: tuple[str, ...], given: Mapping[str, str]) -> Understood:
    """Find the kind of each column.

    Parameters
    ----------
    raw : RawTable
    missing : tuple of str
        Words for a missing cell that were named.
    given : mapping of str to str
        Keys of ``data.csv`` that were named; they are taken as they are.
    """
    words = {str(name): Words.of(raw.cells[name], missing) for name in raw.cells}
    csv = raw.csv.model_copy(update=dict(given))
    questions: list[Question] = []
    if not {"decimal", "thousands", "symbols"} & set(given):
        style, doubts = doubt.number_style(words)
        marks = {key: getattr(style, key) for key in ("decimal", "thousands", "symbols")}
        csv, questions = csv.model_copy(update=marks), doubts
    strange = {name: strangers(of_name, _number_style(csv)) for name, of_name in words.items()}
    dated = {
        name: date_styles(of_name)
        for name, of_name in words.items()
        if strange[name] is None or _is_eight_digits(of_name)
    }
    if "date" not in given:
        date, doubts = doubt.date_style(dated, words)
        csv, questions = csv.model_copy(update={"date": date}), [*questions, *doubts]
    used, kinds = set(missing), dict[str, Kind]()
    for name, of_name in words.items():
        found = strange[name]
        if {csv.date, ""} & set(dated.get(name, ())):
            kinds[name] = "dates"
        else:
            kinds[name] = "categorical" if found is None else "numeric"
        if kinds[name] == "numeric" and found:
            questions.append(doubt.strange_words(name, found, of_name))
        used.update(of_name.text_markers() if kinds[name] == "categorical" else of_name.markers)
    markers = tuple(sorted(used))
    columns = {
        name: Column(name, kind, _converted(raw.cells[name], kind, csv, markers))
        for name, kind in kinds.items()
    }
    return Understood(columns, csv, markers, questions)


def _number_style(csv: CsvParams) -> cells.NumberStyle:
    return cells.NumberStyle(csv.decimal, csv.thousands, csv.symbols)


def _converted(
    column: pd.Series, kind: Kind, csv: CsvParams, missing: tuple[str, ...]
) -> pd.Series:
    errors: list[cells.CellError] = []  # of cells that a question is about
    if kind == "numeric":
        return cells.numbers(column, missing, _number_style(csv), errors)
    if kind == "dates":
        return dates.timestamps(column, missing, csv.date, errors)
    return cells.texts(column, missing)


def _is_eight_digits(words: Words) -> bool:
    return bool(words.counts.index.str.fullmatch(r"\d{8}").all())


def says_nothing(column: Column) -> str | None:
    """Return why a model cannot learn from a column, whatever the target; None if it can."""
    values, rows = column.values, len(column.values)
    if column.distinct == 0:
        return "empty"
    counts = values.value_counts()
    if column.distinct == 1 or counts.iloc[0] >= _ONE_VALUE_ROWS * rows:
        return "constant" if column.distinct == 1 else "nearly constant"
    if column.missing > _MOST_MISSING * rows:
        return f"missing in {column.missing / rows:.0%} of the rows"
    if column.kind == "categorical":
        if column.distinct >= max(MIN_ROWS, ID_LIKE_SHARE * counts.sum()):
            return "another text in nearly every row, like an id"
        if counts[counts >= _RARE * rows].sum() < _NOT_RARE_ROWS * rows:
            return f"{column.distinct:,} different texts, nearly all of them rare"
    return None


def is_counter(column: Column) -> bool:
    """Tell whether a column numbers the rows."""
    if column.kind != "numeric" or column.missing or not column.is_unique:
        return False
    steps = np.diff(np.sort(column.values.to_numpy()))
    return bool((steps == 1).all())
