"""Read YAML strictly, and describe what is wrong with it in one line."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from churn.core.errors import ParamsError

# Deeper than any section of params.yaml, and far below the recursion limits of Python and pydantic.
_MAX_DEPTH = 30
_TOO_DEEP = f"nested more than {_MAX_DEPTH} levels deep, or refers to itself"
_SCALAR_TYPES = ("bool", "int", "float", "str")
# YAML 1.1 reads 1e-3 as text: a float needs a point, and its exponent a sign.
_NUMBER_AS_TEXT = re.compile(r"([-+]?)(\d+\.?\d*|\.\d+)[eE]([-+]?)(\d{1,3})")
_LONGEST_DECIMAL = 20
_CONFLICT_MARKER = re.compile(r"^(<{7} |={7}$|>{7} )", re.MULTILINE)


class _UniqueKeys(yaml.SafeLoader):
    """PyYAML's safe loader, except that a repeated key is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                problem = "a key must be a word"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            if key.value in seen:
                problem = f"key {key.value!r} is repeated"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_document(path: Path) -> dict[str, Any]:
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
    try:
        value = yaml.load(text, _UniqueKeys)  # noqa: S506
    # `int` and `datetime` raise ValueError for scalars such as 0o9 and 2026-02-31.
    except (yaml.YAMLError, ValueError) as error:
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
    problem = (unknown or error.errors())[0]
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        valid = ", ".join(_valid_keys(problem["loc"][:-1], model))
        return f"{key}: unknown key (valid: {valid})"
    if problem["type"] == "missing":
        return f"{key}: missing"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["loc"] and problem["loc"][-1] in _SCALAR_TYPES:
        # For a union pydantic appends the name of each type that it has tried to the key.
        key = key.rpartition(".")[0]
        message = "Input should be a finite number, a text, true or false"
    shown = "" if isinstance(problem["input"], (dict, list)) else f", not {problem['input']!r}"
    return f"{key}: {message}{shown}{_hint(problem)}" if key else message


def _hint(problem: ErrorDetails) -> str:
    if problem["type"] not in ("float_type", "int_type"):
        return ""
    return number_hint(problem["input"], whole=problem["type"] == "int_type")


def number_hint(value: Any, whole: bool = False) -> str:
    """Say how to write a number that YAML has read as text; empty for anything else.

    Parameters
    ----------
    value : object
        The value of a key that needs a number.
    whole : bool, default=False
        Whether the key needs a whole number, which has no exponent.

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
    """List the valid keys at a place in a document."""
    schema = model.model_json_schema()
    node: dict[str, Any] = schema
    for part in loc:
        node = _resolve(schema, node)
        node = node["items"] if isinstance(part, int) else node["properties"][part]
    return list(_resolve(schema, node).get("properties", {}))


def _resolve(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """Follow a JSON schema's reference, through `anyOf` where a value may be null."""
    for option in node.get("anyOf", [node]):
        if "$ref" in option:
            resolved: dict[str, Any] = schema["$defs"][option["$ref"].rsplit("/", 1)[-1]]
            return resolved
    return node
