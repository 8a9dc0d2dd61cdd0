"""Find how numbers and dates are written, and which words mean a missing one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from churn.data import cells, dates
from churn.data.cells import NumberStyle
from churn.init.asking import Question

# What programs write for a missing value; compared without case.
_MARKERS = (
    "? #n/a #na #nv #null! #div/0! #value! #ref! #name? <na> (null) (blank) \\n -- --- . ..."
    " n.a. n.v. k.a. nil unknown missing not_available unbekannt"
)
_FIRST = 50  # different values by which a column is judged before more are looked at
_SAMPLE = 2000  # different values by which a style is chosen
_MANY_NUMBERS = 20  # different ones: what is between them is a mistake or means missing
_FEW_ROWS = 0.05  # share of rows that such words may have
_DATE_STYLES = ("", *(day + time for day in dates.FORMATS for time in ("", " %H:%M", " %H:%M:%S")))
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
        is_marker = lowered.isin(_MARKERS.split())
        left = counts[~is_marker & ~lowered.isin(cells.MISSING_NUMBERS)]
        return cls(left, tuple(sorted(map(str, counts.index[is_marker]))), len(column))

    @property
    def text_markers(self) -> tuple[str, ...]:
        """The markers that mean missing among texts as well: those that are no words."""
        return tuple(one for one in self.markers if not re.search(r"[a-z]{3}", one.lower()))


def strangers(words: Words, style: NumberStyle, most: int | None = None) -> list[str] | None:
    """Return the words among the numbers of a column; None if it is no column of numbers.

    A code with leading zeros is no number. Only the `most` most frequent texts are looked at.
    """
    texts = words.counts.index[:most]
    if not len(texts) or texts.str.fullmatch(r"[+-]?0\d+").any():
        return None
    first = texts[:_FIRST]
    if first.str.contains(r"\d").mean() < 0.5 and not first.str.lower().isin(_TRUTH).all():
        return None
    if len(_wrong(first, style)) > len(first) // 2:
        return None
    wrong = _wrong(texts, style)
    if not wrong:
        return []
    is_few = words.counts[wrong].sum() <= _FEW_ROWS * words.rows
    return wrong if is_few and len(texts) - len(wrong) > max(_MANY_NUMBERS, len(wrong)) else None


def _wrong(texts: pd.Index, style: NumberStyle) -> list[str]:
    errors: list[cells.CellError] = []
    cells.numbers(pd.Series(texts, dtype="str"), style=style, errors=errors)
    return [str(texts[error.row]) for error in errors]


def strange_words(name: str, strange: list[str], words: Words) -> Question:
    """Ask whether words among the numbers of a column mean missing."""
    shown = ", ".join(map(repr, strange[:3])) + (" …" if len(strange) > 3 else "")
    rows = int(words.counts[strange].sum())
    what = (
        f"column {name!r} holds numbers, and {shown} in {rows} of {words.rows:,} rows, which"
        f" {'means' if len(strange) == 1 else 'mean'} missing or is a mistake"
    )
    return Question("--missing", what, strange)


def number_style(columns: Mapping[str, Words]) -> tuple[NumberStyle, list[Question]]:
    """Choose how numbers are written: the style in which most columns hold numbers.

    The plain one before others. If two read different numbers, as for ``1,234``, it is a question.
    """
    plain, readings = NumberStyle(), dict[str, frozenset[str]]()
    for setting, style in {"": plain, **cells.STYLES}.items():
        readings[setting] = frozenset(
            name for name, words in columns.items() if strangers(words, style, _SAMPLE) == []
        )
    most = max(map(len, readings.values()))
    if len(readings[""]) == most:
        return plain, []
    found: dict[tuple[float, ...], str] = {}
    for setting, read in readings.items():
        if len(read) == most:
            texts = [t for n in sorted(read - readings[""]) for t in columns[n].counts.index]
            values = cells.numbers(pd.Series(texts, dtype="str"), style=cells.STYLES[setting])
            found.setdefault(tuple(values), setting)
            example = next((text for text in texts if "," in text), texts[0])
    settings = list(found.values())
    what = f"{example!r} is one number with {' and another with '.join(settings)}"
    question = Question("--set", what, list(map(_option, settings)))
    return cells.STYLES[settings[0]], [question] if len(settings) > 1 else []


def _option(setting: str) -> str:
    """Write a setting as an option: the first one, by which the style is known.

    Examples
    --------
    >>> _option("data.csv.decimal: ','")
    'data.csv.decimal=,'
    """
    key, _, value = setting.partition(" and ")[0].partition(": ")
    return f"{key}={value[1:-1]}"


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
    found = [s for s in _DATE_STYLES if _are_dates(texts[:_FIRST], s) and _are_dates(texts, s)]
    return [""] if "" in found else found


def _are_dates(texts: pd.Series, style: str) -> bool:
    errors: list[cells.CellError] = []
    moments = dates.timestamps(texts, style=style, errors=errors)
    return not errors and bool(moments.dt.year.between(*_YEARS).all())


def date_style(
    dated: Mapping[str, list[str]], words: Mapping[str, Words]
) -> tuple[str, list[Question]]:
    """Choose the one style that ``data.csv.date`` can name: of most columns."""
    votes = Counter(style for styles in dated.values() for style in styles if style)
    best = [style for style, n in votes.items() if n == max(votes.values())]
    if len(best) < 2:
        return "".join(best), []
    name = next(name for name, styles in dated.items() if best[0] in styles)
    cell = str(words[name].counts.index[0])
    what = f"column {name!r} holds {cell!r}, which is one day by {' and another by '.join(best)}"
    return best[0], [Question("--set", what, [f"data.csv.date={style}" for style in best])]
