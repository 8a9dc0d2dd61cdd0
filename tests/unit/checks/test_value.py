"""What a check has found, as JSON."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from checks.value import plain


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.123456, 0.1235),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (float("nan"), None),
        (float("-inf"), None),
        (None, None),
        ("text", "text"),
        (pd.Timestamp("2026-01-02"), "2026-01-02 00:00:00"),
        ({1: {"a": np.nan}}, {"1": {"a": None}}),
        ((1, np.array([0.5, np.nan])), [1, [0.5, None]]),
        ({"b", "a"}, ["a", "b"]),
        (pd.Series([1, 2], index=["x", "y"]), {"x": 1, "y": 2}),
        (pd.DataFrame({"n": [1, 2]}), [{"n": 1}, {"n": 2}]),
        (pd.DataFrame({"n": [1, 2]}, index=["x", "y"]), {"x": {"n": 1}, "y": {"n": 2}}),
        (pd.DataFrame({"n": [1, 2]}, index=["x", "x"]), [{"n": 1}, {"n": 2}]),
    ],
)
def test_a_value_becomes_json(value: Any, expected: Any) -> None:
    found = plain(value)
    assert found == expected
    assert type(found) is type(expected)
    json.dumps(found, allow_nan=False)


def test_a_value_that_is_too_long_is_left_out() -> None:
    assert plain("x" * 3998) == "x" * 3998  # 4,000 characters with its quotes
    assert plain("x" * 3999) is None
    assert plain(dict.fromkeys(range(1000), 0.5)) is None
