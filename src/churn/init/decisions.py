"""What was decided for params.yaml, and why; and how it is written there."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import CommentMark
from ruamel.yaml.scalarstring import DoubleQuotedScalarString
from ruamel.yaml.tokens import CommentToken

from churn.core.document import editor

MARK = "# churn init: "
_START = CommentMark(0)
_OURS = re.compile(rf"^ *{re.escape(MARK)}.*\n", re.MULTILINE)


@dataclass(frozen=True)
class Decision:
    """A value for params.yaml.

    Attributes
    ----------
    path : tuple of str or int
        The keys, and positions in lists, that lead to it.
    value : any YAML
    why : tuple of str
        A comment of so many lines; empty if the value says it.
    """

    path: tuple[str | int, ...]
    value: Any
    why: tuple[str, ...] = ()


def written(text: str, decisions: Sequence[Decision]) -> str:
    """Set values in the text of a params.yaml, and keep its comments and its layout.

    Comments that an earlier call has written are replaced.

    Parameters
    ----------
    text : str
        A valid params.yaml.
    decisions : sequence of Decision
        The mappings and lists that contain their values must be there.
    """
    yaml_ = editor()
    document = yaml_.load(_OURS.sub("", text))
    for decision in decisions:
        _set(document, decision)
    stream = io.StringIO()
    yaml_.dump(document, stream)
    return _commented(stream.getvalue(), decisions)


def _set(document: Any, decision: Decision) -> None:
    *parents, last = decision.path
    node = document
    for key in parents:
        if isinstance(key, str) and key not in node:
            node[key] = CommentedMap()
        node = node[key]
    old = node.get(last) if isinstance(node, CommentedMap) else node[last]
    # What stays is left as it is written.
    if old == decision.value and isinstance(old, bool) == isinstance(decision.value, bool):
        return
    is_mapping = isinstance(old, CommentedMap) and isinstance(decision.value, dict)
    if is_mapping and list(old) == list(decision.value):  # keep what is said beside each key
        for key, value in decision.value.items():
            old[key] = _node(value)
        return
    below = _comment_below(old)
    node[last] = _node(decision.value)
    if below and isinstance(node, CommentedMap):
        _put_below(node, last, below)


def _comment_below(old: Any) -> str:
    """Return the lines below a mapping or list, which ruamel.yaml keeps with its last value."""
    last = None
    while isinstance(old, (CommentedMap, CommentedSeq)) and len(old):
        last = next(reversed(old)) if isinstance(old, CommentedMap) else len(old) - 1
        tokens = [token for token in old.ca.items.get(last, []) if token is not None]
        if tokens and not isinstance(tokens[-1], list) and "\n" in tokens[-1].value.rstrip("\n"):
            return str(tokens[-1].value.partition("\n")[2])
        old = old[last]
    return ""


def _put_below(node: CommentedMap, key: str | int, lines: str) -> None:
    """Put lines below a value, whatever follows it."""
    value = node[key]
    if isinstance(value, CommentedSeq) and len(value) and not value.fa.flow_style():
        value.ca.items[len(value) - 1] = [_token("\n" + lines), None]
        return
    beside = node.ca.items.setdefault(key, [None, None, None, None])
    text = beside[2].value.rstrip("\n") if beside[2] else ""
    beside[2] = CommentToken(f"{text}\n{lines}", beside[2].start_mark if beside[2] else _START)


def _token(text: str) -> CommentToken:
    return CommentToken(text, _START)


def _node(value: Any) -> Any:
    """Convert a value; what YAML 1.1 reads as something else than a text is quoted."""
    if isinstance(value, str):
        return value if _is_plain(value) else DoubleQuotedScalarString(value)
    if isinstance(value, dict):
        mapping = CommentedMap({key: _node(item) for key, item in value.items()})
        mapping.fa.set_flow_style()
        return mapping
    if isinstance(value, (list, tuple)):
        sequence = CommentedSeq([_node(item) for item in value])
        if not any(isinstance(item, dict) for item in value) and len(str(value)) < 80:
            sequence.fa.set_flow_style()
        return sequence
    return value


def _is_plain(text: str) -> bool:
    try:
        return bool(yaml.safe_load(f"[{text}]") == [text])
    except yaml.YAMLError:
        return False


def _commented(text: str, decisions: Sequence[Decision]) -> str:
    """Write the reason for each value above its line."""
    document, lines = editor().load(text), text.splitlines(keepends=True)
    above: dict[int, list[str]] = {}
    for decision in decisions:
        line = _line(document, decision.path)
        indent = " " * (len(lines[line]) - len(lines[line].lstrip()))
        reasons = (" ".join(why.split()) for why in decision.why)  # a name may have a line break
        above.setdefault(line, []).extend(f"{indent}{MARK}{why}\n" for why in reasons)
    return "".join("".join([*above.get(i, []), line]) for i, line in enumerate(lines))


def _line(document: Any, path: tuple[str | int, ...]) -> int:
    *parents, last = path
    node = document
    for key in parents:
        node = node[key]
    place = node.lc.key(last) if isinstance(node, CommentedMap) else node.lc.item(last)
    return int(place[0])
