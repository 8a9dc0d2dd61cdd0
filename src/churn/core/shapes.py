"""Read JSON as the dataclasses that describe it, and make JSON of them.

Standard library only: the comment on a pull request is written where no package is installed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")
_MOST_ENTRIES = 20_000
_LARGEST = 1e30  # a longer number would be a longer text
# Metadata of a field that is left out of the JSON while it is None.
UNWRITTEN = {"unwritten": True}


def to_json(value: Any) -> Any:
    """Return what `json.dumps` takes for a dataclass and all that is in it."""
    if is_dataclass(value):
        parts = ((part, getattr(value, part.name)) for part in fields(value))
        return {
            part.name: to_json(content)
            for part, content in parts
            if content is not None or "unwritten" not in part.metadata
        }
    if isinstance(value, dict):
        return {key: to_json(content) for key, content in value.items()}
    return [to_json(content) for content in value] if isinstance(value, (list, tuple)) else value


def from_json(shape: type[T], value: Any) -> T:
    """Validate a value from `json.loads`, which may be hostile, as a dataclass.

    Unknown keys are ignored; a newer release may write them. Of several dataclasses, the first
    counts whose required keys are there, else the last.

    Raises
    ------
    ValueError
        If a key is missing, a value has the wrong type or is not finite, or there are too many
        entries. The message names the key, and quotes nothing of the value.
    """
    return cast(T, _read(shape, value, "the whole"))


def _read(shape: Any, value: Any, where: str) -> Any:
    origin, inner = get_origin(shape), get_args(shape)
    if origin in (Union, UnionType):
        if value is None and NoneType in inner:
            return None
        return _read(_chosen(inner, value), value, where)
    if origin is Literal:
        if not any(type(value) is type(known) and value == known for known in inner):
            raise ValueError(f"{where}: none of the known values")
        return value
    kind = dict if is_dataclass(shape) else origin or shape
    # JSON has lists only, and writes 1.0 as 1.
    wanted: Any = {float: (int, float), tuple: list}.get(kind, kind)
    if not isinstance(value, wanted) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{where}: not of type {'list' if kind is tuple else kind.__name__}")
    if isinstance(value, (int, float)) and not abs(value) < _LARGEST:  # nor is NaN
        raise ValueError(f"{where}: not finite, or too large")
    if isinstance(value, (dict, list)) and len(value) > _MOST_ENTRIES:
        raise ValueError(f"{where}: more than {_MOST_ENTRIES:,} entries")
    if is_dataclass(shape):
        return cast(Any, shape)(**dict(_fields_read(shape, value, where)))
    if kind is tuple and inner[-1] is not Ellipsis and len(value) != len(inner):
        raise ValueError(f"{where}: not {len(inner)} values")
    if kind is dict:
        return {key: _read(inner[1], content, where) for key, content in value.items()}
    if kind in (list, tuple):
        return kind(_read(inner[0], content, where) for content in value)
    return kind(value)


def _chosen(shapes: tuple[Any, ...], value: Any) -> Any:
    """Return the shape among several that a value other than null is read as."""
    *others, last = (shape for shape in shapes if shape is not NoneType)
    for shape in others:
        required = {name for name, (_, is_required) in described(shape).items() if is_required}
        if isinstance(value, dict) and required <= value.keys():
            return shape
    return last


@cache
def described(shape: Any) -> dict[str, tuple[Any, bool]]:
    """Return the type of each field of a dataclass, and whether it is required."""
    types = get_type_hints(shape)
    return {
        part.name: (types[part.name], part.default is part.default_factory is MISSING)
        for part in fields(shape)
    }


def _fields_read(shape: Any, value: Mapping[str, object], where: str) -> Iterator[tuple[str, Any]]:
    for name, (kind, is_required) in described(shape).items():
        path = f"{where}.{name}".removeprefix("the whole.")
        if name in value:
            yield name, _read(kind, value[name], path)
        elif is_required:
            raise ValueError(f"{path}: missing")
