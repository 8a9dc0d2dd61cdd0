"""Build deepchecks' checks from params.yaml; unknown names are errors."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TypeVar

from deepchecks.core import BaseCheck
from deepchecks.tabular import SingleDatasetCheck, TrainTestCheck
from deepchecks.tabular import checks as library

from checks.conditions import ClassImbalance, RegressionErrorDistribution
from checks.specification import Listed

_PREFIX = "add_condition_"
Known = TypeVar("Known")


class SpecificationError(Exception):
    """A check, an argument or a condition that deepchecks does not have."""


def available() -> dict[str, type[BaseCheck]]:
    """Return every check for tables and predictions, by name."""
    found = {
        name: check
        for name, check in vars(library).items()
        if inspect.isclass(check) and issubclass(check, (SingleDatasetCheck, TrainTestCheck))
    }
    ours = (ClassImbalance, RegressionErrorDistribution)
    return found | {check.__name__: check for check in ours}


def build(where: str, listed: Listed, seed: int, ids: str) -> BaseCheck:
    """Build one check with its conditions.

    Parameters
    ----------
    where : str
        Key in params.yaml, for messages.
    listed : Listed
    seed : int
        Random state of the checks that have one.
    ids : str
        The id column, which DataDuplicates ignores because ids are unique.

    Raises
    ------
    SpecificationError
        If a check, an argument or a condition is unknown or invalid; names the valid ones.
    """
    name, checks = listed.check, available()
    check_class = _look_up(f"{where}: check", name, checks)
    arguments = dict(listed.arguments)
    takes = set(inspect.signature(check_class).parameters) - {"args", "kwargs"}
    for argument in arguments:
        _look_up(f"{where}.arguments: {name} argument", argument, dict.fromkeys(takes))
    if "random_state" in takes:
        arguments.setdefault("random_state", seed)
    if name == "DataDuplicates" and "columns" not in arguments:
        arguments.setdefault("ignore_columns", [ids])
    conditions = {m.removeprefix(_PREFIX): m for m in dir(check_class) if m.startswith(_PREFIX)}
    try:
        check = check_class(**arguments)
        for condition, value in listed.conditions.items():
            method = _look_up(f"{where}.conditions: {name} condition", condition, conditions)
            add = getattr(check, method)
            if isinstance(value, dict):
                add(**value)
            else:
                add() if value is None else add(value)
    except SpecificationError:
        raise
    except Exception as error:  # deepchecks raises many types for invalid values
        raise SpecificationError(f"{where}: {name}: {error}") from error
    return check


def _look_up(where: str, name: str, known: Mapping[str, Known]) -> Known:
    if name not in known:
        raise SpecificationError(f"{where} {name!r} is unknown (valid: {', '.join(sorted(known))})")
    return known[name]
