"""What was decided for params.yaml, and why; and how it is written there."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from churn.core.document import parse
from churn.core.errors import ParamsError

MARK = "# churn init: "
_WIDTH = 100
_LONGEST_REASON = 300
_HEAD = re.compile(r" *(?:- |[\w.-]+:)")
_PLAIN = re.compile(r"[^\W\d_]\w*(?:[ ./-]\w+)*")
Keys = tuple[str | int, ...]
KEPT = object()  # as a value: the one that is there


@dataclass(frozen=True)
class Decision:
    """A value for params.yaml.

    Attributes
    ----------
    path : tuple of str or int
        The keys, and positions in lists, that lead to it.
    value : any YAML, or KEPT
    why : tuple of str
        A comment of so many lines; empty if the value says it.
    """

    path: Keys
    value: Any
    why: tuple[str, ...] = ()


def written(text: str, decisions: Sequence[Decision]) -> str:
    """Set values in the text of a params.yaml, and write the reasons above them.

    Other lines stay as they are; reasons of an earlier call are replaced.

    Parameters
    ----------
    text : str
        A valid params.yaml.
    decisions : sequence of Decision
        The mappings and lists that contain their values must be there.

    Raises
    ------
    ParamsError
        If the layout is one in which values cannot be set line by line.
    """
    document = parse(text)
    lines = [line for line in text.splitlines() if not line.lstrip().startswith(MARK)]
    for decision in decisions:
        if decision.value is not KEPT:
            _set(lines, document, decision.path, decision.value)
    above: dict[int, list[str]] = {}
    for decision in decisions:
        _, start, _ = _nearest(lines, decision.path)
        mark = " " * _indent(lines[start]) + MARK
        # A name may have a line break.
        reasons = (textwrap.shorten(why, _LONGEST_REASON, placeholder=" …") for why in decision.why)
        above.setdefault(start, []).extend(mark + why for why in reasons)
    whole = "".join(f"{one}\n" for i, line in enumerate(lines) for one in (*above.get(i, ()), line))
    if parse(whole) != document:
        raise ParamsError(
            "params.yaml: has a layout in which churn init cannot set values; write each key of"
            " data, features, evaluation and gates in a line of its own"
        )
    return whole


def _set(lines: list[str], document: Any, path: Keys, value: Any) -> None:
    node, last = _at(document, path[:-1]), path[-1]
    old = node.get(last) if isinstance(node, dict) else node[last]
    if isinstance(old, dict) and isinstance(value, dict) and {*old} & {*value}:
        for key in [key for key in old if key not in value]:
            _remove(lines, document, path, key)
        for key, part in value.items():  # what is said beside each key stays
            _set(lines, document, (*path, key), part)
    # What stays is left as it is written. 1 and true are equal for Python.
    elif json.dumps(old) != json.dumps(value) or (isinstance(node, dict) and last not in node):
        beside = [span for key in node if (span := _span(lines, (*path[:-1], key)))]
        is_new = isinstance(node, dict) and last not in node
        node[last] = value
        if is_new and beside:  # below the others, which stay as they are written
            end, indent = beside[-1][1], " " * _indent(lines[beside[-1][0]])
            lines[end:end] = _rendered(f"{indent}{_flow(last)}:", value)
            return
        nearest, start, end = _nearest(lines, path)
        lines[start:end] = _rendered(lines[start], _at(document, nearest))


def _remove(lines: list[str], document: Any, path: Keys, key: str) -> None:
    node = _at(document, path)
    del node[key]
    if span := _span(lines, (*path, key)):
        start = span[0]
        while lines[start - 1].lstrip().startswith("#"):  # what is said above it
            start -= 1
        del lines[start : span[1]]
    else:
        nearest, start, end = _nearest(lines, path)
        lines[start:end] = _rendered(lines[start], _at(document, nearest))


def _at(document: Any, path: Keys) -> Any:
    for key in path:
        document = document[key]
    return document


def _nearest(lines: Sequence[str], path: Keys) -> tuple[Keys, int, int]:
    """Return the lines of a value, or, if it shares them, of the nearest one that contains it."""
    for n in range(len(path), 0, -1):
        if span := _span(lines, path[:n]):
            return path[:n], *span
    raise ParamsError(f"params.yaml: {path[0]}: missing")


def _span(lines: Sequence[str], path: Keys) -> tuple[int, int] | None:
    """Return the first line of a value, that of its key, and the one after its last."""
    lines = list(lines)
    first, start, end = 0, 0, len(lines)
    for key in path:
        inside = [i for i in range(start, end) if re.match(r" *[^\s#]", lines[i])]
        depth = _indent(lines[inside[0]]) if inside else 0
        begin = "- " if isinstance(key, int) else f"{key}:"
        level = [i for i in inside if lines[i].startswith(" " * depth + begin)]
        if len(level) <= (key if isinstance(key, int) else 0):
            return None
        start = first = level[key if isinstance(key, int) else 0]
        # A list may stand as far to the left as its key.
        next_ = (
            i for i in inside if i > first and _indent(lines[i]) <= depth
            and (isinstance(key, int) or not lines[i].startswith(" " * depth + "- "))
        )  # fmt: skip
        stop = next(next_, end)
        end = max(i for i in inside if i < stop) + 1
        if isinstance(key, int):  # its first key is in the same line
            lines[first] = lines[first].replace("- ", "  ", 1)
        else:
            start += 1
    return first, end


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _rendered(line: str, value: Any) -> list[str]:
    """Write a value behind its key, in a line or, if it is a long list, in several."""
    matched = _HEAD.match(line)
    assert matched is not None
    head, comment = matched[0].rstrip(), _comment(line)
    indent = " " * (_indent(line) + 2)
    # What was in lines of its own stays so.
    if isinstance(value, dict) and value and line.removesuffix(comment).rstrip() == head:
        whole = f"{head}  ".ljust(line.rindex(comment)) + comment if comment else head
        return [whole, *(f"{indent}{_flow(key)}: {_flow(part)}" for key, part in value.items())]
    whole, items = f"{head} {_flow(value)}", list[Any]()
    if isinstance(value, (list, tuple)) and (len(whole) > _WIDTH or "{" in whole):
        whole, items = head, list(value)
    if comment:
        whole = f"{whole}  ".ljust(line.rindex(comment)) + comment
    return [whole, *(f"{indent}- {_flow(item)}" for item in items)]


def _comment(line: str) -> str:
    """Return the comment at the end of a line; a # within quotes begins none."""
    for found in re.finditer(r"(?<=\s)#", line):
        try:
            parse(line[: found.start()].lstrip().removeprefix("- "))
        except ParamsError:
            continue
        return line[found.start() :]
    return ""


def _flow(value: Any) -> str:
    """Write a value so that YAML 1.1 and 1.2 read the same."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_flow(k)}: {_flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, str) and _PLAIN.fullmatch(value) and yaml.safe_load(value) == value:
        return value
    if isinstance(value, float):  # 1e-05 is a text in YAML 1.1
        return re.sub(r"^(-?\d+)e", r"\1.0e", repr(value))
    return json.dumps(value, ensure_ascii=False)
