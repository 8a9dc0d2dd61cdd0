"""Find how numbers and dates are written, and which words mean a missing one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from pydantic import ValidationError

from churn.core.document import first_problem
from churn.core.errors import ParamsError
from churn.core.params import CsvParams
from churn.data import cells, dates
from churn.data.cells import NumberStyle

# What programs write for a missing value; compared without case.
_MARKERS = (
    "? #n/a #na #nv #null! #div/0! #value! #ref! #name? <na> (null) (blank) \\n -- --- . ..."
    " n.a. n.v. k.a. nil unknown missing not_available unbekannt"
)
MARKERS = frozenset(_MARKERS.split())
# These are no words of any language, so they mean missing in a column of texts as well.
_NO_WORDS = frozenset(marker for marker in MARKERS if not re.search(r"[a-z]{3}", marker))
_FIRST = 50  # different values by which a column is judged before all are looked at
_MANY_NUMBERS = 20  # different ones: what is between them is a mistake or means missing
_FEW_ROWS = 0.05  # share of rows that such words may have
_TIMES = ("", " %H:%M", " %H:%M:%S")
_DATE_STYLES = ("", *(day + time for day in dates.FORMATS for time in _TIMES))
_YEARS = (1900, 2100)
_DATE_DIGITS = 6  # at least, as in 1/2/2026
_TRUTH = ("true", "false")


@dataclass(frozen=True)
class Words:
    """The different texts of a column.

    Attributes
    ----------
    counts : Series of int
        Number of rows by text; markers of missing values are left out.
    markers : tuple of str
        Those, as they are written.
    rows : int
        Of the table.
    """

    counts: pd.Series
    markers: tuple[str, ...]
    rows: int

    @classmethod
    def of(cls, column: pd.Series, missing: tuple[str, ...] = ()) -> Words:
        """Count the texts of a column."""
        counts = cells.texts(column, missing).value_counts()
        lowered = counts.index.str.lower()
        is_marker = lowered.isin(MARKERS)
        left = counts[~is_marker & ~lowered.isin(cells.MISSING_NUMBERS)]
        return cls(left, tuple(sorted(map(str, counts.index[is_marker]))), len(column))

    def text_markers(self) -> tuple[str, ...]:
        """Return the markers that mean missing in a column of texts."""
        return tuple(word for word in self.markers if word.lower() in _NO_WORDS)


def strangers(words: Words, style: NumberStyle) -> list[str] | None:
    """Return the words among the numbers of a column; None if it is no column of numbers.

    A code with leading zeros is no number.
    """
    texts = words.counts.index
    if not len(texts) or texts.str.fullmatch(r"[+-]?0\d+").any():
        return None
    first = texts[:_FIRST]
    if first.str.contains(r"\d").mean() < 0.5 and not first.str.lower().isin(_TRUTH).all():
        return None
    if _wrong(first, style, len(first) // 2) is None:
        return None
    wrong = _wrong(texts, style, max(5, len(texts) // 20))
    if wrong is None:
        return None
    numbers = len(texts) - len(wrong)
    rows = int(words.counts[wrong].sum())
    is_strange = numbers > _MANY_NUMBERS and rows <= _FEW_ROWS * words.rows
    return wrong if numbers and (not wrong or is_strange) else None


def _wrong(texts: pd.Index, style: NumberStyle, most: int) -> list[str] | None:
    """Return the texts that are no numbers; None if there are more than `most`."""
    errors: list[cells.CellError] = []
    cells.numbers(pd.Series(texts, dtype="str"), style=style, errors=errors)
    return [str(texts[error.row]) for error in errors] if len(errors) <= most else None


def number_styles(columns: Mapping[str, Words]) -> list[tuple[str, NumberStyle]]:
    """Return the styles in which most columns hold numbers, the plain one before others.

    Returns
    -------
    list of tuple
        The settings of params.yaml and the style. More than one only if they read different
        numbers, as for ``1,234``.
    """
    styles = {"": NumberStyle(), **cells.STYLES}
    read = {
        setting: frozenset(name for name, words in columns.items() if strangers(words, style) == [])
        for setting, style in styles.items()
    }
    most = max(map(len, read.values()))
    if len(read[""]) == most:
        return [("", styles[""])]
    best = [setting for setting, names in read.items() if len(names) == most]
    found: dict[tuple[float, ...], str] = {}
    for setting in best:
        sample = [
            text for name in sorted(read[setting] - read[""]) for text in columns[name].counts.index
        ]
        values = cells.numbers(pd.Series(sample, dtype="str"), style=styles[setting])
        found.setdefault(tuple(values), setting)
    return [(setting, styles[setting]) for setting in found.values()]


def date_styles(words: Words) -> list[str]:
    """Return the settings of ``data.csv.date`` with which all texts of a column are dates.

    Returns
    -------
    list of str
        Empty if it holds no dates. The empty text is ISO 8601, and then the only one.
    """
    texts = pd.Series(words.counts.index, dtype="str")
    if texts.empty or not texts.iloc[:_FIRST].str.count(r"\d").ge(_DATE_DIGITS).all():
        return []
    found = [
        style
        for style in _DATE_STYLES
        if _are_dates(texts.iloc[:_FIRST], style) and _are_dates(texts, style)
    ]
    return [""] if "" in found else found


def csv_settings(settings: Sequence[str]) -> dict[str, str]:
    """Parse ``data.csv.key=value`` arguments.

    Raises
    ------
    ParamsError
        If one names another key, or a value that the key does not take.
    """
    prefix, found = "data.csv.", {}
    for setting in settings:
        key, _, value = setting.partition("=")
        name = key.removeprefix(prefix)
        if not key.startswith(prefix) or name not in CsvParams.model_fields:
            keys = ", ".join(f"{prefix}{field}" for field in CsvParams.model_fields)
            raise ParamsError(f"--set {setting}: valid are {keys}, each with =VALUE")
        found[name] = value.replace("\\t", "\t")
    try:
        CsvParams.model_validate(found)
    except ValidationError as error:
        raise ParamsError(f"--set: {first_problem(error, CsvParams)}") from error
    return found


def _are_dates(texts: pd.Series, style: str) -> bool:
    errors: list[cells.CellError] = []
    moments = dates.timestamps(texts, style=style, errors=errors)
    return not errors and bool(moments.dt.year.between(*_YEARS).all())
