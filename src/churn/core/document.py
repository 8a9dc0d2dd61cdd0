"""A YAML document: read strictly, and what is wrong with it said in one line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from churn.core.errors import ParamsError

# Deeper than any section goes, and far from where Python and pydantic give up.
_MAX_DEPTH = 30
_TOO_DEEP = f"nested more than {_MAX_DEPTH} levels deep, or refers to itself"
_SCALAR_TYPES = ("bool", "int", "float", "str")
# YAML 1.1 wants a point, and a sign in the exponent; without them it reads text.
_NUMBER_AS_TEXT = re.compile(r"([-+]?)(\d+\.?\d*|\.\d+)[eE]([-+]?)(\d{1,3})")
_LONGEST_DECIMAL = 20
_CONFLICT_MARKER = re.compile(r"^(<{7} |={7}$|>{7} )", re.MULTILINE)


class _UniqueKeys(yaml.SafeLoader):
    """YAML's safe loader, which takes the last of two equal keys; this one refuses the second."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                problem = "a key must be a word"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            if key.value in seen:
                problem = f"key {key.value!r} stands twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_document(path: Path) -> dict[str, Any]:  # whatever stands in it
    """Read a YAML file as plain dictionaries, unvalidated.

    Raises
    ------
    ParamsError
        If the file is missing, not YAML, too deep, or not a mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
        if marker := _CONFLICT_MARKER.search(text):
            line = text[: marker.start()].count("\n") + 1
            raise ParamsError(f"merge-conflict marker in line {line}; choose one side")
        document = parse(text)
    except FileNotFoundError as error:
        raise ParamsError(f"{path}: not there; run churn in the project's folder") from error
    except UnicodeDecodeError as error:
        raise ParamsError(f"{path}: not YAML: {error}") from error
    except ParamsError as error:
        raise ParamsError(f"{path}: {error}") from error
    if not isinstance(document, dict):
        raise ParamsError(f"{path}: has no sections; see the README's configuration table")
    return document


def parse(text: str) -> Any:
    """Turn YAML into plain values; of two equal keys the second is refused.

    Raises
    ------
    ParamsError
        If it is not YAML, or deeper than parameters can be.
    """
    try:
        value = yaml.load(text, _UniqueKeys)  # noqa: S506
    # PyYAML also lets through what `int` and `datetime` say of 0o9 or of the 31st of February.
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        raise ParamsError(f"{where}not YAML: {getattr(error, 'problem', None) or error}") from error
    except RecursionError as error:
        raise ParamsError(_TOO_DEEP) from error
    _require_shallow(value)
    return value


def _require_shallow(value: Any, depth: int = 0) -> None:
    """Refuse what nothing that walks through it would get out of."""
    if depth > _MAX_DEPTH:
        raise ParamsError(_TOO_DEEP)
    if isinstance(value, (dict, list, tuple)):
        for part in value.values() if isinstance(value, dict) else value:
            _require_shallow(part, depth + 1)


def first_problem(error: ValidationError, model: type[BaseModel]) -> str:
    """Say the first problem as `key: what is wrong (valid: …)`.

    Parameters
    ----------
    error : ValidationError
        What pydantic says of the document.
    model : type of BaseModel
        What the document should have been.
    """
    # A misspelt key is also a missing one; the misspelling says more.
    unknown = [problem for problem in error.errors() if problem["type"] == "extra_forbidden"]
    problem = (unknown or error.errors())[0]
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        valid = ", ".join(_valid_keys(problem["loc"][:-1], model))
        return f"{key}: unknown key (valid: {valid})"
    if problem["type"] == "missing":
        return f"{key}: missing"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["loc"] and problem["loc"][-1] in _SCALAR_TYPES:
        # pydantic reports each type that it has tried as if it were a key.
        key = key.rpartition(".")[0]
        message = "Input should be a finite number, a text, true or false"
    shown = "" if isinstance(problem["input"], (dict, list)) else f", not {problem['input']!r}"
    return f"{key}: {message}{shown}{_hint(problem)}" if key else message


def _hint(problem: ErrorDetails) -> str:
    if problem["type"] not in ("float_type", "int_type"):
        return ""
    return number_hint(problem["input"], whole=problem["type"] == "int_type")


def number_hint(value: Any, whole: bool = False) -> str:
    """Say how a number that YAML has read as text is written; nothing for anything else.

    Parameters
    ----------
    value : object
        What stands where a number should.
    whole : bool, default=False
        Whether a whole number is wanted, which has no exponent.

    Examples
    --------
    >>> number_hint("1e-3")
    '; YAML reads that as text: write 0.001 or 1.0e-3'
    """
    match = _NUMBER_AS_TEXT.fullmatch(value) if isinstance(value, str) else None
    if not match:
        return ""
    sign, digits, exponent_sign, exponent = match.groups()
    decimal = format(Decimal(value), "f")
    if whole and "." in decimal:
        return ""
    scientific = f"{sign}{digits if '.' in digits else f'{digits}.0'}e{exponent_sign or '+'}"
    forms = [decimal] if len(decimal) <= _LONGEST_DECIMAL else []
    forms += [] if whole else [f"{scientific}{exponent}"]
    return f"; YAML reads that as text: write {' or '.join(forms)}" if forms else ""


def _valid_keys(loc: tuple[str | int, ...], model: type[BaseModel]) -> list[str]:
    """List the keys that may stand at `loc`."""
    for part in loc:
        if isinstance(part, str):
            model = next(_models(model.model_fields[part].annotation))
    return list(model.model_fields)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Find the model in a type: it may be that of a list's items, and one beside null."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)
