"""Tell what each column of a table holds, and which of them say nothing, or the target."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from churn.core.params import CsvParams
from churn.data import cells, dates
from churn.data.schema import ID_LIKE_SHARE, MIN_ROWS
from churn.init import styles
from churn.init.asking import Question
from churn.init.reading import RawTable
from churn.init.styles import Words

Kind = Literal["numeric", "dates", "categorical"]
_MOST_MISSING = 0.95
_RARE = 0.01  # features.rare_category_share
_NOT_RARE_ROWS = 0.05
_ONE_VALUE_ROWS = 0.999
# Of people, by whatever numbers they are coded. Not age, which is a number.
GROUPS = "sex gender race ethnicity nationality religion disability senior geschlecht"
MOST_CODES = 10
_FEW_VALUES = 50  # each of which may have its own share of churned customers


@dataclass(frozen=True)
class Column:
    """A column as it is understood.

    Attributes
    ----------
    name : str
    kind : {"numeric", "dates", "categorical"}
    cells : Series
        As the file has them.
    values : Series
        Converted: float64, points in time or text.
    """

    name: str
    kind: Kind
    cells: pd.Series
    values: pd.Series

    @property
    def words(self) -> list[str]:
        """The words of its name: two in ``customerID``, ``customer_id`` and ``Customer Id``."""
        spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", self.name)
        return re.findall(r"[^\W_]+", spaced.lower())

    def speaks_of(self, words: str) -> bool:
        """Tell whether its name has one of some words, which blanks separate."""
        return not set(self.words).isdisjoint(words.split())

    @property
    def missing(self) -> int:
        """Number of rows without a value."""
        return int(self.values.isna().sum())

    @cached_property
    def distinct(self) -> int:
        """Number of different values."""
        return int(self.values.nunique())

    @property
    def is_id(self) -> bool:
        """Whether it could be an id: another text or whole number in each row that has one."""
        if self.kind == "dates" or not 2 < self.distinct == len(self.values) - self.missing:
            return False
        known = self.values.dropna()
        return self.kind == "categorical" or bool((known == np.floor(known)).all())

    @property
    def is_counter(self) -> bool:
        """Whether it numbers the rows."""
        if self.kind != "numeric" or self.missing or not self.is_id:
            return False
        return bool((np.diff(np.sort(self.values.to_numpy())) == 1).all())

    @property
    def is_coded(self) -> bool:
        """Whether its numbers are codes of groups, such as 1 and 2 in a column ``sex``."""
        known = self.values.dropna()
        return (
            self.kind == "numeric"
            and self.speaks_of(GROUPS)
            and 1 < self.distinct <= MOST_CODES
            and bool((known == np.floor(known)).all())
        )

    def says_nothing(self) -> str | None:
        """Return why a model cannot learn from it, whatever the target; None if it can."""
        rows, counts = len(self.values), self.values.value_counts()
        if self.distinct == 0:
            return "empty"
        if self.distinct == 1 or counts.iloc[0] >= _ONE_VALUE_ROWS * rows:
            return "constant" if self.distinct == 1 else "nearly constant"
        if self.missing > _MOST_MISSING * rows:
            return f"missing in {self.missing / rows:.0%} of the rows"
        if self.kind == "categorical":
            if self.distinct >= max(MIN_ROWS, ID_LIKE_SHARE * counts.sum()):
                return "another text in nearly every row, like an id"
            if counts[counts >= _RARE * rows].sum() < _NOT_RARE_ROWS * rows:
                return f"{self.distinct:,} different texts, nearly all of them rare"
        return None

    def auc_alone(self, y: np.ndarray) -> float:
        """Return how well it alone ranks the customers of the table.

        Parameters
        ----------
        y : ndarray of bool, int or float, shape (n_rows,)
            True where the customer churned, the position of a class, or a number.

        Returns
        -------
        float
            ROC AUC in [0.5, 1], of the best of: whether it is missing, its order, and, if it has
            few values, the mean label of each. Of several classes the best one against all others.
            Of numbers (1 + r) / 2 with their rank correlation r.
        """
        if y.dtype.kind == "i":
            return max(self.auc_alone(y == label) for label in np.unique(y))
        scores = [self.values.isna().to_numpy().astype(float)]
        if self.distinct <= min(_FEW_VALUES, len(y) // 20):
            known = self.values.astype("str").fillna("(missing)")
            scores.append(pd.Series(y, known.index).groupby(known).transform("mean").to_numpy())
        if self.kind != "categorical":
            numbers = self.values.astype("int64" if self.kind == "dates" else "float64")
            filled = numbers.where(self.values.notna(), numbers.min() - 1)
            scores.append(filled.to_numpy(dtype=float))
        found = (_auc(y, score) for score in scores)
        return max(max(area, 1 - area) for area in found)


def _auc(y: np.ndarray, score: np.ndarray) -> float:
    if y.dtype.kind != "f":
        return float(roc_auc_score(y, score))
    first, second = (pd.Series(values).rank().to_numpy() for values in (y, score))
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = np.corrcoef(first, second)[0, 1]
    return 0.5 if np.isnan(correlation) else float(1 + correlation) / 2


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
        style, questions = styles.number_style(words)
        marks = {key: getattr(style, key) for key in ("decimal", "thousands", "symbols")}
        csv = csv.model_copy(update=marks)
    strange = {name: styles.strangers(each, _number_style(csv)) for name, each in words.items()}
    dated = {
        name: styles.date_styles(each)
        for name, each in words.items()
        if strange[name] is None or each.counts.index.str.fullmatch(r"\d{8}").all()
    }
    if "date" not in given:
        date, doubts = styles.date_style(dated, words)
        csv, questions = csv.model_copy(update={"date": date}), [*questions, *doubts]
    used, kinds = set(missing), dict[str, Kind]()
    for name, each in words.items():
        found = strange[name]
        if {csv.date, ""} & set(dated.get(name, ())):
            kinds[name] = "dates"
        elif found is None:
            kinds[name] = "categorical"
        else:
            kinds[name] = "numeric"
            questions += [styles.strange_words(name, found, each)] if found else []
        used.update(each.text_markers if kinds[name] == "categorical" else each.markers)
    markers = tuple(sorted(used))
    columns = {
        name: _column(name, raw.cells[name], kind, csv, markers) for name, kind in kinds.items()
    }
    return Understood(columns, csv, markers, questions)


def _column(
    name: str, column: pd.Series, kind: Kind, csv: CsvParams, missing: tuple[str, ...]
) -> Column:
    found = Column(name, kind, column, _converted(column, kind, csv, missing))
    if not found.is_coded:
        return found
    as_text = Column(name, "categorical", column, _converted(column, "categorical", csv, missing))
    # NA is missing among numbers, and a text among texts.
    return as_text if as_text.missing == found.missing else found


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
