"""Text from the repository inside Markdown: shown as it is, and nothing of it comes alive.

Column names, category names, parameter values and messages are written by whoever opens the pull
request. GitHub would make links, mentions, references, emoji, formulas and markup of them.
"""

from __future__ import annotations

import re
import unicodedata

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
_SHAPELESS = ("Cc", "Cf", "Cs", "Co", "Cn")
_BLANK = "\u115f\u1160\u2800\u3164"  # letters that nobody sees


def clip(text: str, length: int) -> str:
    """Make one printable line of a text, at most `length` characters long.

    Line breaks and runs of spaces become one space; what has no shape of its own (controls, marks
    that turn the direction of writing, surrogates, blank letters) is left out.
    """
    printable = (
        c
        for c in text
        if c.isspace() or (unicodedata.category(c) not in _SHAPELESS and c not in _BLANK)
    )
    shown = " ".join("".join(printable).split())
    return shown if len(shown) <= length else shown[: length - 1].rstrip() + "…"


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
