"""Find the limits that differ between two texts of params.yaml, without a YAML library.

The comment on a pull request uses this, where no package is installed. It reads only the subset of
YAML that params.yaml is written in. Any other syntax is rejected, and then the limits count as
changed.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from itertools import accumulate, takewhile

# A change of these changes the limits by which it is judged itself.
SECTIONS = (
    "task",
    "gates",
    "checks",
    "comparison",
    "split",
    "decision",
    "evaluation",
    "release",
    "data",
)
# In these sections only the listed keys are limits; pull requests are meant to change the others.
KEYS = {
    "data": ("path", "id", "target", "positive", "classes"),
    "decision": (
        "cost_false_negative",
        "cost_false_positive",
        "cost_too_low",
        "cost_too_high",
        "coverage",
        "costs",
    ),
    "evaluation": ("slices",),
}
_MOST_CHARACTERS, _LONGEST_LINE = 200_000, 500
_MOST_COMPARED = 200  # lines; comparing more takes too long
_SECTION = re.compile(r"([a-z_]+): *")
_SCALAR = re.compile(r"(task): +\w+")  # the only key that is no section
_LINE = re.compile(r"( +)(- )?([\w.-]+:(?= |$))? *(.*)")
_WORD = r"[\w.+-]+"
_VALUE = rf"(?:{_WORD}|\"[^\"\\]*\"|'[^']*')"
# With quotes, only values that certainly end on their line: a scalar, or a list of scalars.
_QUOTED = re.compile(rf"(?:{_VALUE}|\[{_VALUE}(?:, {_VALUE})*\])(?: +#.*)?")
# Anchors, aliases, tags, merge keys, block scalars, escapes and complex keys.
_UNSUPPORTED = re.compile(r"[&*!|>@`%\\?]|<<")
_BRACKETS = {"{": 1, "[": 1, "]": -1, "}": -1}


class UnreadableError(Exception):
    """A text uses YAML syntax that is not supported here."""


@dataclass(frozen=True)
class Edit:
    """Replaced lines of a section; one side is empty if lines were only added or removed."""

    section: str
    before: tuple[str, ...]
    after: tuple[str, ...]


def changed_limits(before: str, after: str) -> list[Edit]:
    """Compare the limits of two params.yaml, ignoring blank lines and comments.

    Raises
    ------
    UnreadableError
        If the texts differ and one uses unsupported syntax.
    """
    if before == after:
        return []
    old, new = _sections(before), _sections(after)
    return [
        edit
        for section in SECTIONS
        for edit in _edits(section, *(_limits(section, t.get(section, [])) for t in (old, new)))
    ]


def _limits(section: str, lines: list[str]) -> list[str]:
    """Return the lines of a section that are limits: whole keys with everything below them."""
    if section not in KEYS:
        return lines
    kept, is_kept = [], False
    depth = len(lines[1]) - len(lines[1].lstrip()) if lines[1:] else 0
    for line in lines[1:]:
        if len(line) - len(line.lstrip()) <= depth:
            is_kept = line.strip().partition(":")[0] in KEYS[section]
        if is_kept:
            kept.append(line)
    return kept


def _edits(section: str, old: list[str], new: list[str]) -> list[Edit]:
    start = _common_prefix(old, new)
    old, new = old[start:], new[start:]
    end = _common_prefix(old[::-1], new[::-1])
    old, new = old[: len(old) - end], new[: len(new) - end]
    if len(old) + len(new) > _MOST_COMPARED:
        return [Edit(section, tuple(old), tuple(new))]
    return [
        Edit(section, tuple(old[a:b]), tuple(new[c:d]))
        for kind, a, b, c, d in difflib.SequenceMatcher(None, old, new, False).get_opcodes()
        if kind != "equal"
    ]


def _common_prefix(old: list[str], new: list[str]) -> int:
    """Count the equal lines at the beginning."""
    return sum(takewhile(bool, (a == b for a, b in zip(old, new, strict=False))))


def _sections(text: str) -> dict[str, list[str]]:
    """Return the lines of each section without comments."""
    if len(text) > _MOST_CHARACTERS:
        raise UnreadableError
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    column, has_value = 0, False  # of the line before
    for line in text.split("\n"):
        # Tabs and YAML's other line breaks are not printable.
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
        if scalar := _SCALAR.fullmatch(content):
            name, column, has_value = scalar[1], 0, True
            if name in found:
                raise UnreadableError
            lines = found[name] = [content]
            continue
        matched = _LINE.fullmatch(line.rstrip() if _has_quotes(content) else content)
        if matched is None or not lines:
            raise UnreadableError
        indent, dash, key, value = matched.groups()
        # Without dash or key, or indented below a line that has a value: a multi-line scalar.
        if not (dash or key) or (has_value and len(indent) > column) or not _is_complete(value):
            raise UnreadableError
        column, has_value = len(indent) + (2 if dash and key else 0), bool(value)
        lines.append(matched[0])
    return found


def _has_quotes(text: str) -> bool:
    return '"' in text or "'" in text


def _is_complete(value: str) -> bool:
    """Tell whether a value certainly ends on its line."""
    if _has_quotes(value):
        return bool(_QUOTED.fullmatch(value))
    depths = list(accumulate(_BRACKETS.get(sign, 0) for sign in value))
    return not _UNSUPPORTED.search(value) and (not depths or min(depths) >= depths[-1] == 0)
