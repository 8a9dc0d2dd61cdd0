"""JSON values read as a dataclass: what its annotations say, and nothing else."""

from __future__ import annotations

from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

_MOST_ENTRIES = 20_000
_LARGEST = 1e30  # a number of a thousand digits would be a text of a thousand characters
_T = TypeVar("_T")


def read(kind: type[_T], value: object, where: str = "") -> _T:
    """Turn JSON values into an instance of a dataclass.

    Keys that are no field are left out. A whole number is a float where one is wanted; a boolean is
    no number.

    Parameters
    ----------
    kind : type
        A dataclass whose fields are booleans, numbers, texts, literals of texts, lists, tuples,
        maps from texts, dataclasses, or one of these or None.
    value : object
        As `json.loads` gives it.
    where : str, default=""
        The field that is read, for messages.

    Raises
    ------
    ValueError
        If a field is missing, of another type, no finite number, or has too many entries. The
        message names the field and repeats nothing of the value.
    """
    made: _T = _read(kind, value, where)
    return made


def _read(kind: Any, value: Any, where: str) -> Any:
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):  # X | None
        return None if value is None else _read(parts[0], value, where)
    if is_dataclass(kind) and isinstance(kind, type):
        return _read_fields(kind, _of(dict, value, where), where)
    if origin is list:
        return [_read(parts[0], part, where) for part in _of(list, value, where)]
    if origin is dict:
        found = _of(dict, value, where)
        return {key: _read(parts[1], part, where) for key, part in found.items()}
    if origin is tuple:
        if len(_of(list, value, where)) != len(parts):
            raise ValueError(f"{where}: not {len(parts)} values")
        return tuple(_read(part, entry, where) for part, entry in zip(parts, value, strict=True))
    if origin is Literal:
        if _of(str, value, where) not in parts:
            raise ValueError(f"{where}: none of {', '.join(parts)}")
        return value
    return _number(kind, value, where) if kind in (int, float) else _of(kind, value, where)


def _read_fields(kind: type, value: dict[str, Any], where: str) -> Any:
    found = {}
    for name, (hint, is_required) in _fields(kind).items():
        path = f"{where}.{name}" if where else name
        if name in value:
            found[name] = _read(hint, value[name], path)
        elif is_required:
            raise ValueError(f"{path}: missing")
    return kind(**found)


@cache
def _fields(kind: type) -> dict[str, tuple[Any, bool]]:
    """Return of each field its type, and whether it has to be there."""
    hints = get_type_hints(kind)
    return {
        field.name: (
            hints[field.name],
            field.default is MISSING and field.default_factory is MISSING,
        )
        for field in fields(kind)
    }


def _of(kind: type, value: Any, where: str) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"{where or 'the whole'}: not of type {kind.__name__}")
    if isinstance(value, (list, dict)) and len(value) > _MOST_ENTRIES:
        raise ValueError(f"{where or 'the whole'}: more than {_MOST_ENTRIES:,} entries")
    return value


def _number(kind: type, value: Any, where: str) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float) if kind is float else int):
        raise ValueError(f"{where}: not of type {kind.__name__}")
    if not abs(value) < _LARGEST:  # nor is NaN
        raise ValueError(f"{where}: not finite, or too large")
    return kind(value)
