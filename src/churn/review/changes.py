"""Compare two texts of params.yaml; the content of changes.json."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from churn.core.files import Shape
from churn.core.params import Scalar, flatten

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


class ParameterChange(Shape):
    """A parameter that differs between two documents.

    Attributes
    ----------
    key : str
        Dotted key.
    before, after : str
        Values; ``absent`` if the key is missing.
    limit : bool
        Whether it is a limit, by which candidates are judged.
    """

    key: str
    before: str
    after: str
    limit: bool


class Changes(Shape):
    """changes.json: how the work tree differs from a commit.

    Attributes
    ----------
    parameters : list of ParameterChange
    files : list of str
        Changed inputs of the pipeline.
    judge : list of str
        Paths of code that judges the change.
    decided : int or None
        How often changes have been decided on these held-out customers before; None in a shallow
        clone.
    """

    parameters: list[ParameterChange] = Field(default_factory=list)
    files: list[str] = Field(default_factory=list)
    judge: list[str] = Field(default_factory=list)
    decided: int | None = None


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
