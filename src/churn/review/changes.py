"""What a pull request changes in params.yaml."""

from __future__ import annotations

import re
from typing import Any

from churn.core.params import Scalar, flatten

# Who changes these changes what is asked of the change itself.
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
# A text that reads like something else, such as "1" or "true", is shown in quotes.
_AMBIGUOUS = re.compile(rf"{_ABSENT}|null|true|false|[-+.\d][\w.+-]*", re.IGNORECASE)


def parameter_changes(before: dict[str, Any], after: dict[str, Any]) -> list[dict[str, Any]]:
    """List the parameters that differ between two documents.

    Parameters
    ----------
    before, after : dict
        Two params.yaml, as they stand.

    Returns
    -------
    list of dict
        ``key`` (dotted), ``before`` and ``after`` (text; ``absent`` where there is none), and
        ``limit``: whether it is one of those that decide what a candidate is held against.
    """
    one, other = (_named(flatten(_by_name(document))) for document in (before, after))
    keys = list(dict.fromkeys([*one, *other]))
    return [
        {
            "key": key,
            "before": one.get(key, _ABSENT),
            "after": other.get(key, _ABSENT),
            "limit": key.startswith(_LIMITS),
        }
        for key in keys
        if one.get(key, _ABSENT) != other.get(key, _ABSENT)
    ]


def _named(flat: dict[str, Scalar]) -> dict[str, str]:
    return {key: _text(value) for key, value in flat.items()}


def _text(value: Scalar) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) and _AMBIGUOUS.fullmatch(value) else str(value)


def _by_name(node: Any) -> Any:
    """Key a list of mappings by what each is called: one more in front must not shift the rest."""
    if isinstance(node, dict):
        return {key: _by_name(value) for key, value in node.items()}
    if isinstance(node, list) and node and all(isinstance(item, dict) for item in node):
        named: dict[str, Any] = {}
        for item in node:
            name = str(item.get("check") or "/".join(map(str, item.values())))
            while name in named:
                name += "'"
            named[name] = {key: _by_name(v) for key, v in item.items() if key != "check"} or "there"
        return named
    return node
