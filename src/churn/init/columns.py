"""Tell what each column of a table holds, and which of them say nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd

from churn.core.params import CsvParams
from churn.data import cells, dates
from churn.data.schema import ID_LIKE_SHARE, MIN_ROWS
from churn.init.asking import Question
from churn.init.reading import RawTable
from churn.init.styles import Words, date_styles, number_styles, strangers

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
    questions = []
    csv = raw.csv.model_copy(update=dict(given))
    if not {"decimal", "thousands", "symbols"} & set(given):
        styles = number_styles(words)
        if len(styles) > 1:
            questions.append(_ambiguous_numbers(words, [setting for setting, _ in styles]))
        style = styles[0][1]
        csv = csv.model_copy(
            update={
                "decimal": style.decimal,
                "thousands": style.thousands,
                "symbols": style.symbols,
            }
        )
    number = cells.NumberStyle(csv.decimal, csv.thousands, csv.symbols)
    strange = {name: strangers(of_name, number) for name, of_name in words.items()}
    dated = {
        name: date_styles(of_name)
        for name, of_name in words.items()
        if strange[name] is None or _is_eight_digits(of_name)
    }
    if "date" not in given:
        date, doubt = _date_style(dated, words)
        csv = csv.model_copy(update={"date": date})
        questions += doubt
    used = set(missing)
    columns = {}
    for name, of_name in words.items():
        if csv.date in dated.get(name, []) or "" in dated.get(name, []):
            kind: Kind = "dates"
        else:
            kind = "categorical" if strange[name] is None else "numeric"
        if kind == "numeric" and strange[name]:
            questions.append(_strange_words(name, strange[name] or [], of_name))
        used.update(of_name.text_markers() if kind == "categorical" else of_name.markers)
        columns[name] = kind
    words_for_missing = tuple(sorted(used))
    return Understood(
        {
            name: Column(name, kind, _converted(raw.cells[name], kind, csv, words_for_missing))
            for name, kind in columns.items()
        },
        csv,
        words_for_missing,
        questions,
    )


def _converted(
    column: pd.Series, kind: Kind, csv: CsvParams, missing: tuple[str, ...]
) -> pd.Series:
    errors: list[cells.CellError] = []  # of cells that a question is about
    if kind == "numeric":
        style = cells.NumberStyle(csv.decimal, csv.thousands, csv.symbols)
        return cells.numbers(column, missing, style, errors)
    if kind == "dates":
        return dates.timestamps(column, missing, csv.date, errors)
    return cells.texts(column, missing)


def _is_eight_digits(words: Words) -> bool:
    return bool(words.counts.index.str.fullmatch(r"\d{8}").all())


def _date_style(
    dated: Mapping[str, list[str]], words: Mapping[str, Words]
) -> tuple[str, list[Question]]:
    """Choose the one style that ``data.csv.date`` can name: of most columns."""
    votes = Counter(style for styles in dated.values() for style in styles if style)
    if not votes:
        return "", []
    most = max(votes.values())
    best = [style for style, n in votes.items() if n == most]
    if len(best) == 1:
        return best[0], []
    name = next(name for name, styles in dated.items() if set(best) & set(styles))
    cell = str(words[name].counts.index[0])
    what = f"column {name!r} holds {cell!r}, which is one day by {' and another by '.join(best)}"
    return best[0], [Question("--set", what, [f"data.csv.date={style}" for style in best])]


def _ambiguous_numbers(words: Mapping[str, Words], settings: list[str]) -> Question:
    cell = next(
        (str(text) for of_name in words.values() for text in of_name.counts.index
         if str(text).count(",") == 1 and str(text).replace(",", "").isdigit()),
        "1,234",
    )  # fmt: skip
    what = f"{cell!r} is one number with {' and another with '.join(settings)}"
    return Question("--set", what, [_option(setting) for setting in settings])


def _option(setting: str) -> str:
    """Write a setting as an option: the first one, by which the style is known.

    Examples
    --------
    >>> _option("data.csv.decimal: ','")
    'data.csv.decimal=,'
    """
    key, _, value = setting.partition(" and ")[0].partition(": ")
    return f"{key}={value[1:-1]}"


def _strange_words(name: str, strange: list[str], words: Words) -> Question:
    shown = ", ".join(map(repr, strange[:3])) + (" …" if len(strange) > 3 else "")
    rows = int(words.counts[strange].sum())
    verb = "means" if len(strange) == 1 else "mean"
    what = (
        f"column {name!r} holds numbers, and {shown} in {rows} of {words.rows:,} rows, which {verb}"
        " missing or is a mistake"
    )
    return Question("--missing", what, strange)


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
