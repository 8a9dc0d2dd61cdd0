"""Compare two texts of params.yaml, key by key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from churn.core.params import Scalar, flatten
from churn.review.changes import ParameterChange

# A change of these changes the limits by which it is judged itself.
_LIMITS = (
    "gates.",
    "release.",
    "checks.",
    "comparison.",
    "evaluation.slices.",
    "decision.cost_",
    "split.",
    "data.id",
    "data.positive",
    "data.target",
)
_ABSENT = "absent"
# Strings that look like another type, such as "1" or "true", are shown in quotes.
_AMBIGUOUS = re.compile(rf"{_ABSENT}|null|true|false|[-+.\d][\w.+-]*", re.IGNORECASE)


def parameter_changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[ParameterChange]:
    """List the parameters that differ between two documents; both as returned by `texts`."""
    return [
        ParameterChange(
            key=key,
            before=before.get(key, _ABSENT),
            after=after.get(key, _ABSENT),
            limit=key.startswith(_LIMITS),
        )
        for key in dict.fromkeys([*before, *after])
        if before.get(key, _ABSENT) != after.get(key, _ABSENT)
    ]


def texts(document: Any) -> dict[str, str]:
    """Return each value of a params.yaml as text, unvalidated, by its dotted key."""
    return {key: _text(value) for key, value in flatten(_by_name(document)).items()}


def _text(value: Scalar) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) and _AMBIGUOUS.fullmatch(value) else str(value)


def _by_name(node: Any) -> Any:
    """Key a list of mappings by name, so that inserting one does not shift the others."""
    if isinstance(node, dict):
        return {key: _by_name(value) for key, value in node.items()}
    if isinstance(node, list) and node and all(isinstance(item, dict) for item in node):
        named = {}
        for item in node:
            name = str(item.get("check") or "/".join(map(str, item.values())))
            while name in named:
                name += "'"
            named[name] = {key: _by_name(v) for key, v in item.items() if key != "check"} or "there"
        return named
    return node
