"""Which limits differ between two texts of params.yaml, read without a YAML library.

The comment on a pull request asks, where nothing is installed. This reads lines of the shape that
params.yaml has, and no more: whatever could make YAML understand a text otherwise is refused, and
then the limits count as changed.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

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
_SECTION = re.compile(r"([a-z_]+): *(?:#.*)?")
_WORD = r"[\w.+-]+"
_VALUE = rf"(?:{_WORD}|\"[^\"\\]*\"|'[^']*')"
# With quotes, only what certainly ends on its line: a value, or a list of values.
_QUOTED = re.compile(rf"(?:- )?(?:{_WORD}: )?(?:{_VALUE}|\[{_VALUE}(?:, {_VALUE})*\])(?: +#.*)?")
_DEPTH = {"{": 1, "[": 1, "]": -1, "}": -1}
# Anchors, aliases, tags, merge keys, block texts, escapes and keys of several lines.
_UNFOLLOWED = re.compile(r"[&*!|>@`%\\?]|<<")


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
    lines: list[str] | None = None
    depth = 0  # of brackets: inside of them a line without indentation begins no section
    for line in text.split("\n"):
        if not line.isprintable():  # a tab, or another line break in YAML's eyes
            raise UnreadableError
        content = line.strip()
        if not content or content.startswith("#"):
            continue
        if not line.startswith(" "):
            section = _SECTION.fullmatch(line.rstrip())
            if section is None or section[1] in found or depth:
                raise UnreadableError
            lines = found[section[1]] = []
        elif lines is None or len(lines) == _MOST_LINES:
            raise UnreadableError
        else:
            content, is_quoted = _without_comment(line.rstrip())
            lines.append(content)
            depth += 0 if is_quoted else sum(_DEPTH.get(c, 0) for c in content)
            if depth < 0:
                raise UnreadableError
    if depth:
        raise UnreadableError
    return found


def _without_comment(line: str) -> tuple[str, bool]:
    """Return what counts of a line, and whether it has quotes and so closes its own brackets."""
    content = re.split(r" +#", line, maxsplit=1)[0]
    if {'"', "'"} & set(content):
        if not _QUOTED.fullmatch(line.strip()):
            raise UnreadableError
        return line, True  # what follows on " #" may be quoted
    if _UNFOLLOWED.search(content):
        raise UnreadableError
    return content, False
