"""Which limits differ between two texts of params.yaml, read without a YAML library.

The comment on a pull request asks, where nothing is installed. This reads lines of the shape that
params.yaml has, and no more: whatever could make YAML understand a text otherwise is refused, and
then the limits count as changed.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from itertools import accumulate, takewhile

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
# Of these sections, the keys that judge; the others are what pull requests are for.
_KEYS = {
    "data": ("path", "id", "target", "positive"),
    "decision": ("cost_false_negative", "cost_false_positive"),
    "evaluation": ("slices",),
}
_MOST_CHARACTERS, _LONGEST_LINE = 200_000, 500
_MOST_COMPARED = 200  # lines: which of more differ takes too long to find
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
        edit
        for section in SECTIONS
        for edit in _edits(section, *(_judging(section, t.get(section, [])) for t in (one, other)))
    ]


def _judging(section: str, lines: list[str]) -> list[str]:
    """Keep of a section what judges: whole keys, with all that is below them."""
    if section not in _KEYS:
        return lines
    kept, is_kept = [], False
    depth = len(lines[1]) - len(lines[1].lstrip()) if lines[1:] else 0
    for line in lines[1:]:
        if len(line) - len(line.lstrip()) <= depth:
            is_kept = line.strip().partition(":")[0] in _KEYS[section]
        if is_kept:
            kept.append(line)
    return kept


def _edits(section: str, old: list[str], new: list[str]) -> list[Edit]:
    start = _alike(old, new)
    old, new = old[start:], new[start:]
    end = _alike(old[::-1], new[::-1])
    old, new = old[: len(old) - end], new[: len(new) - end]
    if len(old) + len(new) > _MOST_COMPARED:
        return [Edit(section, tuple(old), tuple(new))]
    return [
        Edit(section, tuple(old[a:b]), tuple(new[c:d]))
        for kind, a, b, c, d in difflib.SequenceMatcher(None, old, new, False).get_opcodes()
        if kind != "equal"
    ]


def _alike(one: list[str], other: list[str]) -> int:
    """Count the lines with which both begin."""
    return sum(takewhile(bool, (a == b for a, b in zip(one, other, strict=False))))


def _sections(text: str) -> dict[str, list[str]]:
    """Return the lines of each section without comments."""
    if len(text) > _MOST_CHARACTERS:
        raise UnreadableError
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    column, has_value = 0, False  # of the line before
    for line in text.split("\n"):
        # A tab, or another line break in YAML's eyes, is not printable.
        if not line.isprintable() or len(line) > _LONGEST_LINE:
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
        if matched is None or not lines:
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
