"""Choose how numbers and dates of a file are written, and ask where two ways are possible."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from churn.data.cells import NumberStyle
from churn.init.asking import Question
from churn.init.styles import Words, number_styles


def number_style(words: Mapping[str, Words]) -> tuple[NumberStyle, list[Question]]:
    """Choose how numbers are written: the style in which most columns hold numbers."""
    styles = number_styles(words)
    doubts = [_ambiguous_numbers(words, [setting for setting, _ in styles])]
    return styles[0][1], doubts if len(styles) > 1 else []


def date_style(
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


def strange_words(name: str, strange: list[str], words: Words) -> Question:
    """Ask whether words among the numbers of a column mean missing."""
    shown = ", ".join(map(repr, strange[:3])) + (" …" if len(strange) > 3 else "")
    rows = int(words.counts[strange].sum())
    verb = "means" if len(strange) == 1 else "mean"
    what = (
        f"column {name!r} holds numbers, and {shown} in {rows} of {words.rows:,} rows, which {verb}"
        " missing or is a mistake"
    )
    return Question("--missing", what, strange)
