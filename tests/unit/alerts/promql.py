"""Which metrics and labels a PromQL expression names."""

from __future__ import annotations

import re
from collections.abc import Iterator

_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')
_RANGE = re.compile(r"\[[^\]]*\]|\boffset\s+\w+")
_MATCHERS = re.compile(r"([A-Za-z_:][\w:]*)?\s*\{([^{}]*)\}")
_GROUPING = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\(([^()]*)\)")
_NAME = re.compile(r"[A-Za-z_:][\w:]*")
_WORDS = {"and", "or", "unless", "bool", "inf", "nan"}


def metrics(expression: str) -> set[str]:
    """Return the names of metrics: what is neither text, label, function nor operator."""
    bare = _RANGE.sub(" ", _TEXT.sub('""', expression))
    bare = _GROUPING.sub(" ", _MATCHERS.sub(r" \1 ", bare))
    bare = re.sub(r"\b\d[\w.]*", " ", bare)
    return {
        found[0]
        for found in _NAME.finditer(bare)
        if found[0] not in _WORDS and not bare[found.end() :].lstrip().startswith("(")
    }


def selectors(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Yield each metric with labels in braces, and the names of these."""
    bare = _TEXT.sub('""', expression)
    for name, inside in _MATCHERS.findall(bare):
        yield name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", inside))


def groupings(expression: str) -> set[str]:
    """Return the labels by which something is grouped."""
    bare = _TEXT.sub('""', expression)
    return {label for _, inside in _GROUPING.findall(bare) for label in _NAME.findall(inside)}
