"""Read YAML strictly, and describe what is wrong with it in one line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from churn.core.errors import ParamsError
from churn.core.files import atomic

Document = dict[str, Any]  # what a YAML file holds, not validated yet
# Deeper than any section of params.yaml, and far below the recursion limits of Python and pydantic.
_MAX_DEPTH = 30
_TOO_DEEP = f"nested more than {_MAX_DEPTH} levels deep, or refers to itself"
_SCALAR_TYPES = ("bool", "int", "float", "str")
_CONFLICT_MARKER = re.compile(r"^(<{7} |={7}$|>{7} )", re.MULTILINE)


def read_document(path: Path) -> Document:
    """Read a YAML file into dictionaries and lists, without validation.

    Raises
    ------
    ParamsError
        If the file is missing, is not YAML, is nested too deeply, or is not a mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
        if marker := _CONFLICT_MARKER.search(text):
            line = text[: marker.start()].count("\n") + 1
            raise ParamsError(f"merge-conflict marker in line {line}; choose one side")
        document = parse(text)
    except FileNotFoundError as error:
        raise ParamsError(f"{path}: does not exist; run churn in the project's folder") from error
    except UnicodeDecodeError as error:
        raise ParamsError(f"{path}: not YAML: {error}") from error
    except ParamsError as error:
        raise ParamsError(f"{path}: {error}") from error
    if not isinstance(document, dict):
        raise ParamsError(f"{path}: has no sections; see the README's configuration table")
    return document


def parse(text: str) -> Any:
    """Read YAML into dictionaries, lists and scalars.

    Raises
    ------
    ParamsError
        If it is not YAML, repeats a key, or is nested too deeply.
    """
    # Not above: a served model imports this module, and reads no YAML.
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        value = YAML(typ="safe").load(text)  # as DVC reads params.yaml
    except (YAMLError, ValueError) as error:  # the second of a date such as the 31st of February
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        raise ParamsError(f"{where}not YAML: {getattr(error, 'problem', None) or error}") from error
    except RecursionError as error:
        raise ParamsError(_TOO_DEEP) from error
    _require_shallow(value)
    return value


def _require_shallow(value: Any, depth: int = 0) -> None:
    """Reject input that refers to itself or is nested too deeply."""
    if depth > _MAX_DEPTH:
        raise ParamsError(_TOO_DEEP)
    if isinstance(value, (dict, list, tuple)):
        for part in value.values() if isinstance(value, dict) else value:
            _require_shallow(part, depth + 1)


def update(path: Path, section: Sequence[str], values: Mapping[str, Any]) -> None:
    """Set keys of a mapping in a YAML file, and keep its comments and its layout.

    Parameters
    ----------
    path : Path
        A valid file; replaced as a whole, or not at all.
    section : sequence of str
        The keys that lead to the mapping; it is added if only its last key is missing.
    values : mapping of str to value
        Keys that are not there yet are added in front of the last one.
    """
    from ruamel.yaml import YAML  # as above

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    null, number = (f"tag:yaml.org,2002:{kind}" for kind in ("null", "float"))
    yaml.representer.add_representer(type(None), lambda r, _: r.represent_scalar(null, "null"))
    # 1e-05 is a number for YAML 1.2 and a text for 1.1, by which PyYAML reads.
    yaml.representer.add_representer(
        float, lambda r, x: r.represent_scalar(number, re.sub(r"^(-?\d+)e", r"\1.0e", repr(x)))
    )
    document = yaml.load(path)
    *parents, last = section
    node = document
    for key in parents:
        node = node[key]
    if not node.get(last):
        _set(node, last, dict(values))
    else:
        for key, value in values.items():
            _set(node[last], key, value)
    with atomic(path) as fresh:
        yaml.dump(document, fresh)


def _set(node: Any, key: str, value: Any) -> None:
    if key in node or not node:
        node[key] = value
    else:
        # ruamel.yaml keeps what follows a mapping, up to the next section, with its last key.
        node.insert(len(node) - 1, key, value)


def first_problem(error: ValidationError, model: type[BaseModel]) -> str:
    """Describe the first problem as `key: what is wrong (valid: …)`.

    Parameters
    ----------
    error : ValidationError
        From the validation of the document.
    model : type of BaseModel
        The model that it was validated against.
    """
    # A misspelt key is reported as unknown and as missing; unknown is more helpful.
    unknown = [problem for problem in error.errors() if problem["type"] == "extra_forbidden"]
    # Of a key that may be a text or a mapping, what is wrong with the mapping that was given.
    mapped = [
        p for p in error.errors() if not isinstance(p["input"], dict) or p["type"] == "missing"
    ]
    problem = (unknown or mapped or error.errors())[0]
    loc, owners = _path(problem["loc"], model)
    key = ".".join(map(str, loc))
    if problem["type"] == "extra_forbidden":
        valid = ", ".join(name for owner in owners for name in owner.model_fields)
        return f"{key}: unknown key (valid: {valid})"
    if problem["type"] == "missing":
        return f"{key}: missing"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["loc"] and problem["loc"][-1] in _SCALAR_TYPES:
        # For a union pydantic appends the name of each type that it has tried to the key.
        key = key.rpartition(".")[0]
        message = "Input should be a finite number, a text, true or false"
    shown = "" if isinstance(problem["input"], (dict, list)) else f", not {problem['input']!r}"
    return f"{key}: {message}{shown}" if key else message


def _path(
    loc: tuple[str | int, ...], model: type[BaseModel]
) -> tuple[list[str | int], list[type[BaseModel]]]:
    """Return the keys that lead to a place in a document, and the models of the last one's owner.

    For a union pydantic adds the name of the model that it has tried; it is left out.
    """
    keys: list[str | int] = []
    owners, inner = [model], [model]
    for part in loc:
        if any(part == tried.__name__ for tried in inner):
            continue
        keys.append(part)
        owners = inner
        found = [m.model_fields[part].annotation for m in inner if part in m.model_fields]
        inner = [each for annotation in found for each in _models(annotation)] or inner
    return keys, owners


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Find the model in a type: it may be that of a list's items, and one beside null."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)
