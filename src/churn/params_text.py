"""Which limits differ between two texts of params.yaml, read without a YAML library.

The comment on a pull request asks, where nothing is installed. This reads lines of the shape that
params.yaml has, and no more: whatever could make YAML understand a text otherwise is refused, and
then the limits count as changed.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from itertools import accumulate

# Who changes one of these changes what is asked of the change itself.
SECTIONS = (
    "gates",
    "checks",
    "comparison",
    "split",
    "decision",
    "evaluation",
    "release",
    "data",
)
_MOST_CHARACTERS = 200_000
_MOST_LINES = 3_000  # of a section: what differs between more takes too long to find
_SECTION = re.compile(r"([a-z_]+): *")
_LINE = re.compile(r"( +)(- )?([\w.-]+:(?= |$))? *(.*)")
_WORD = r"[\w.+-]+"
_VALUE = rf"(?:{_WORD}|\"[^\"\\]*\"|'[^']*')"
# With quotes, only what certainly ends on its line: a value, or a list of values.
_QUOTED = re.compile(rf"(?:{_VALUE}|\[{_VALUE}(?:, {_VALUE})*\])(?: +#.*)?")
# Anchors, aliases, tags, merge keys, block texts, escapes and keys of several lines.
_UNFOLLOWED = re.compile(r"[&*!|>@`%\\?]|<<")
_BRACKETS = {"{": 1, "[": 1, "]": -1, "}": -1}


class UnreadableError(Exception):
    """A text is not of the shape that is read here."""


@dataclass(frozen=True)
class Edit:
    """Lines of a section that were replaced; one side is empty where some came or went."""

    section: str
    before: tuple[str, ...]
    after: tuple[str, ...]


def changed_limits(before: str, after: str) -> list[Edit]:
    """Compare the limits of two params.yaml; blank lines and comments do not count.

    Raises
    ------
    UnreadableError
        If either is not of the shape that is read here, and they differ.
    """
    if before == after:
        return []
    one, other = _sections(before), _sections(after)
    return [
        Edit(section, tuple(old[a:b]), tuple(new[c:d]))
        for section in SECTIONS
        for old, new in [(one.get(section, []), other.get(section, []))]
        for kind, a, b, c, d in difflib.SequenceMatcher(None, old, new, False).get_opcodes()
        if kind != "equal"
    ]


def _sections(text: str) -> dict[str, list[str]]:
    """Return the lines of each section without comments."""
    if len(text) > _MOST_CHARACTERS:
        raise UnreadableError
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    column, has_value = 0, False  # of the line before
    for line in text.split("\n"):
        if not line.isprintable():  # a tab, or another line break in YAML's eyes
            raise UnreadableError
        content = re.split(r"(?:^| +)#", line, maxsplit=1)[0].rstrip()
        if not content.strip():
            continue
        if section := _SECTION.fullmatch(content):
            name, column, has_value = section[1], 0, False
            if name in found:
                raise UnreadableError
            lines = found[name] = [f"{name}:"]
            continue
        matched = _LINE.fullmatch(line.rstrip() if _has_quotes(content) else content)
        if matched is None or not lines or len(lines) == _MOST_LINES:
            raise UnreadableError
        indent, dash, key, value = matched.groups()
        # Without either, or further in than what has a value already: a text goes on.
        if not (dash or key) or (has_value and len(indent) > column) or not _is_whole(value):
            raise UnreadableError
        column, has_value = len(indent) + (2 if dash and key else 0), bool(value)
        lines.append(matched[0])
    return found


def _has_quotes(text: str) -> bool:
    return '"' in text or "'" in text


def _is_whole(value: str) -> bool:
    """Tell whether a value ends on its line, whatever YAML makes of it."""
    if _has_quotes(value):
        return bool(_QUOTED.fullmatch(value))
    depths = list(accumulate(_BRACKETS.get(sign, 0) for sign in value))
    return not _UNFOLLOWED.search(value) and (not depths or min(depths) >= depths[-1] == 0)
