"""Escape untrusted text for GitHub's Markdown.

The author of a pull request chooses column names, category names, parameter values and messages.
GitHub would turn them into links, mentions, references, emoji, formulas and markup.
Standard library only, because the comment is rendered where no package is installed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from churn.core.rounding import shown as rounded

_BREAK = "\u200b"  # zero-width space: invisible, and ends any mention, link or reference
# GitHub finds these in the rendered text, so entities do not prevent it.
_AUTOLINKED = re.compile(
    r"(?<=@)(?=\w)|(?<=\#)(?=\d)|(?<=:)(?=[\w/+-])|(?<=[Ww]{3})(?=\.)|(?<=\b[Gg][Hh])(?=-\d)"
    r"|(?<=[0-9a-fA-F]{6})(?=[0-9a-fA-F])"
)
_MARKUP = re.compile(r"[&<>*_`\[\]!|~\\{}$#^]")
# Start a list or underline a heading at the beginning of a line or a list item.
_LEADING = re.compile(r"^(?=(?:\d{1,9}[.)]|[-+=]+)(?:\s|$))")
_SPECIAL = re.compile(r"[`|@#:&]|<[a-z/!?]|www", re.IGNORECASE)
# Allowed characters: ranges of the Unicode blocks in the comments, without fillers, variation
# selectors, joiners and blank letters in them.
_ALLOWED = re.compile(
    "["
    "\u0020-\u007e\u00a1-\u00ac\u00ae-\u02ff"  # ASCII, Latin, phonetics
    "\u0300-\u034e\u0350-\u036f"  # accents
    "\u0370-\u052f\u0531-\u058f\u0591-\u05f4"  # Greek, Cyrillic, Armenian, Hebrew
    "\u0606-\u061b\u061d-\u06ff\u0750-\u07b1"  # Arabic, Thaana
    "\u0900-\u0df4\u0e01-\u0e5b\u0e81-\u0edf\u0f00-\u0fda"  # India's, Thai, Lao, Tibetan
    "\u1000-\u10ff\u1200-\u13fd"  # Myanmar, Georgian, Ethiopic, Cherokee
    "\u1780-\u17b3\u17b6-\u17f9\u1810-\u18aa"  # Khmer, Mongolian
    "\u1e00-\u1ffe"  # more Latin and Greek
    "\u2010-\u2027\u2030-\u205e\u2070-\u209c\u20a0-\u20c0"  # punctuation, indices, currency
    "\u2100-\u23ff\u2460-\u24ff"  # signs like letters, arrows, mathematics, technical signs
    "\u2500-\u27ff\u2801-\u2bff"  # box drawing, shapes, symbols, more arrows and mathematics
    "\u2c60-\u2c7f\u2d00-\u2d2d\u2d80-\u2dde\ua720-\ua7ca"  # more Latin, Georgian, Ethiopic
    "\u3001-\u3029\u3030-\u3096\u3099-\u312f"  # Chinese punctuation, kana, bopomofo
    "\u3131-\u3163\u3165-\u318e\uac00-\ud7a3"  # Hangul
    "\u31f0-\ua48c\uf900-\ufad9\U00020000-\U0003134a"  # Chinese, Yi
    "\uff01-\uff9f\uffa1-\uffdc\uffe0-\uffe6"  # letters of full and half width
    "\U0001f1e6-\U0001f1ff\U0001f300-\U0001f64f\U0001f680-\U0001f6ff"  # emoji
    "\U0001f7e0-\U0001f7eb\U0001f900-\U0001f9ff\U0001fa70-\U0001faff"
    "]"
)
# Control, format and unassigned characters, in case a block has any.
_INVISIBLE = ("Cc", "Cf", "Cn", "Co", "Cs")
_MOST_MARKS = 3  # accents per letter; more would cover the lines above
# Characters read per character shown: normalising a megabyte of accents would take minutes.
_READ_PER_CHARACTER = 8


def clip(text: str, length: int) -> str:
    """Make one printable line of a text, at most `length` characters long.

    Line breaks and runs of spaces become one space. Only allowed characters are kept, after Unicode
    normalisation (NFC).
    """
    normalized = unicodedata.normalize("NFC", text[: length * _READ_PER_CHARACTER])
    shown = " ".join("".join(_allowed(normalized)).split())
    return shown if len(shown) <= length else shown[: length - 1].rstrip() + "…"


def _allowed(text: str) -> Iterator[str]:
    marks = _MOST_MARKS  # none allowed before the first letter
    for character in text:
        category = unicodedata.category(character)
        if character.isspace():
            marks = _MOST_MARKS
            yield " "
        elif category not in _INVISIBLE and _ALLOWED.match(character):
            marks = marks + 1 if category in ("Mn", "Me") else 0
            if marks <= _MOST_MARKS:
                yield character


def code(text: object, length: int = 80) -> str:
    """Format a name or a value as a code span, for use in text and tables, not in HTML."""
    shown = clip(str(text), length)
    if not shown:
        return "` `"
    if not _SPECIAL.search(shown):
        return f"`{shown}`"
    # Backticks would end a code span and bars a cell, so <code> is used, in which Markdown is still
    # parsed: every special character becomes an entity, and breaks prevent autolinks.
    broken = _AUTOLINKED.sub(_BREAK, shown)
    entities = "".join(c if c.isalnum() or c == " " else f"&#{ord(c)};" for c in broken)
    return f"<code>{entities}</code>"


def prose(text: str, length: int = 400) -> str:
    """Escape a sentence that contains untrusted names."""
    broken = _AUTOLINKED.sub(_BREAK, clip(text, length))
    escaped = _MARKUP.sub(lambda match: f"&#{ord(match[0])};", broken)
    return _LEADING.sub(_BREAK, escaped)


def number(value: float | None, sign: bool = False) -> str:
    """Format a metric with three decimals, or, with `sign`, a difference with four.

    A smaller one has two digits: metrics of numbers are of any unit.
    """
    if value is None:
        return "undefined"
    return rounded(value, 4, "+") if sign else rounded(value, 3)


def interval(lower: float | None, upper: float | None) -> str:
    """Format the interval of a difference."""
    if lower is None or upper is None:
        return "undefined"
    return f"{number(lower, sign=True)} to {number(upper, sign=True)}"
