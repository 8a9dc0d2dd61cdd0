"""compose.yaml, read as `docker compose` reads it: what it starts is what the tests start."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from tests.conftest import ROOT

FILE = ROOT / "compose.yaml"
_VARIABLE = re.compile(r"\$\{(\w+)(?::([?-])([^}]*))?\}")


class MissingError(Exception):
    """A variable without which nothing starts."""


@dataclass(frozen=True)
class Service:
    """How a service is started."""

    command: list[str]
    environment: dict[str, str]


def load(values: Mapping[str, str]) -> dict[str, Any]:
    """Read compose.yaml, with `values` for its variables.

    Raises
    ------
    MissingError
        With the variable's own message, if one that has to be set is not, or is empty.
    """
    document: dict[str, Any] = _filled(yaml.safe_load(FILE.read_text()), values)
    return document


def _filled(node: Any, values: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        return {key: _filled(value, values) for key, value in node.items()}
    if isinstance(node, list):
        return [_filled(value, values) for value in node]
    return substitute(node, values) if isinstance(node, str) else node


def substitute(text: str, values: Mapping[str, str]) -> str:
    """Fill variables in, of the forms NAME, NAME:-default and NAME:?message."""

    def one(match: re.Match[str]) -> str:
        name, how, text = match.groups()
        if value := values.get(name):
            return value
        if how == "?":
            raise MissingError(f"{name}: {text}")
        return text or ""

    return _VARIABLE.sub(one, text)


def service(document: dict[str, Any], name: str, instead: Mapping[str, str]) -> Service:
    """Return how a service is started, with other addresses and folders than a container has.

    Parameters
    ----------
    document : dict
        See `load`.
    name : str
        Of the service.
    instead : mapping
        Words of the command, or names of variables, and what stands there here. Each has to be in
        the file.
    """
    found = document["services"][name]
    command, environment = list(found["command"]), dict(found["environment"])
    for old, new in instead.items():
        assert old in command or old in environment, f"{name} has no {old}"
        command = [new if word == old else word for word in command]
        if old in environment:
            environment[old] = new
    return Service(command, environment)
