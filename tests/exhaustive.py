"""Whether every variant runs, or one of each kind: CHURN_TESTS_EXHAUSTIVE, set by nightly.yml."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import pytest

EXHAUSTIVE = bool(os.environ.get("CHURN_TESTS_EXHAUSTIVE"))


def rest_by_night(values: Iterable[Any], by_default: Iterable[Any]) -> list[Any]:
    """Return values for `pytest.mark.parametrize`, of which only some run by default."""
    chosen = list(by_default)
    return [
        value if value in chosen else pytest.param(value, marks=pytest.mark.exhaustive)
        for value in values
    ]
