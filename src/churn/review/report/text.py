"""Text from the repository inside Markdown: shown as it is, and nothing of it comes alive.

Column names, category names, parameter values and messages are written by whoever opens the pull
request. GitHub would make links, mentions, references, emoji, formulas and markup of them.
Standard library only, like all that writes the comment on a pull request.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

_BREAK = "\u200b"  # zero width: nothing to see, but no mention, link or reference goes across it
# GitHub looks for these in the text that a reader sees, so no entity keeps it from finding them.
_ALIVE = re.compile(
    r"(?<=@)(?=\w)|(?<=\#)(?=\d)|(?<=:)(?=[\w/+-])|(?<=[Ww]{3})(?=\.)|(?<=\b[Gg][Hh])(?=-\d)"
    r"|(?<=[0-9a-fA-F]{6})(?=[0-9a-fA-F])"
)
_MARKUP = re.compile(r"[&<>*_`\[\]!|~\\{}$#^]")
# At the beginning of a line or of a list's item: a list, or the rule below a title.
_LEADING = re.compile(r"^(?=(?:\d{1,9}[.)]|[-+=]+)(?:\s|$))")
_LOUD = re.compile(r"[`|@#:&]|<[a-z/!?]|www", re.IGNORECASE)
# What may be shown, from the first to the last of each block that is named behind it. Fillers,
# variation selectors, joiners and blank letters, which lie inside of some blocks, are left out.
_LISTED = re.compile(
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
# Controls, formats and what is not assigned, should a block have any.
_SHAPELESS = ("Cc", "Cf", "Cn", "Co", "Cs")
_MOST_MARKS = 3  # accents on one letter; more of them would cover the lines above
_LOOKED_AT = 8  # so many times the length: sorting the accents of a whole megabyte takes minutes


def clip(text: str, length: int) -> str:
    """Make one printable line of a text, at most `length` characters long.

    Line breaks and runs of spaces become one space. Only listed characters are kept, after Unicode
    normalisation (NFC).
    """
    looked_at = unicodedata.normalize("NFC", text[: length * _LOOKED_AT])
    shown = " ".join("".join(_listed(looked_at)).split())
    return shown if len(shown) <= length else shown[: length - 1].rstrip() + "…"


def _listed(text: str) -> Iterator[str]:
    marks = _MOST_MARKS  # at the beginning there is no letter that could have one
    for character in text:
        category = unicodedata.category(character)
        if character.isspace():
            marks = _MOST_MARKS
            yield " "
        elif category not in _SHAPELESS and _LISTED.match(character):
            marks = marks + 1 if category in ("Mn", "Me") else 0
            if marks <= _MOST_MARKS:
                yield character


def code(text: object, length: int = 80) -> str:
    """Write a name or a value as a code span; also right inside a table, not inside HTML."""
    shown = clip(str(text), length)
    if not shown:
        return "` `"
    if not _LOUD.search(shown):
        return f"`{shown}`"
    # Backticks end a code span and bars a cell; the rest would come alive where somebody takes the
    # span for text. So every sign becomes an entity. What stands in HTML's <code> is text to a
    # Markdown reader, which would still find addresses in it.
    broken = _ALIVE.sub(_BREAK, shown)
    entities = "".join(c if c.isalnum() or c == " " else f"&#{ord(c)};" for c in broken)
    return f"<code>{entities}</code>"


def prose(text: str, length: int = 400) -> str:
    """Write a sentence that holds names from the repository as plain text."""
    broken = _ALIVE.sub(_BREAK, clip(text, length))
    escaped = _MARKUP.sub(lambda found: f"&#{ord(found[0])};", broken)
    return _LEADING.sub(_BREAK, escaped)


def number(value: float | None, sign: bool = False) -> str:
    """Write a metric with three digits after the point, a difference with its sign and four."""
    if value is None:
        return "undefined"
    return f"{value:+.4f}" if sign else f"{value:.3f}"


def interval(lower: float | None, upper: float | None) -> str:
    """Write the ends of a difference's interval."""
    return "undefined" if lower is None or upper is None else f"{lower:+.4f} to {upper:+.4f}"
