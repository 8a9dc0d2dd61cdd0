"""A check's value as plain JSON: short, rounded, without NaN."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pandas as pd

_DIGITS = 4
_MAX_CHARACTERS = 4000


def plain(value: Any) -> Any:
    """Convert a check's value to JSON values.

    Parameters
    ----------
    value : object
        Dictionaries, lists, frames, NumPy and Python scalars; anything else becomes text.

    Returns
    -------
    object
        JSON values. Numbers have four decimals; NaN becomes None, and so does a value of more than
        4,000 characters.
    """
    converted = _convert(value)
    return converted if len(json.dumps(converted)) <= _MAX_CHARACTERS else None


def _convert(value: Any) -> Any:
    if isinstance(value, pd.DataFrame):
        named = value.index.is_unique and not isinstance(value.index, pd.RangeIndex)
        return _convert(value.to_dict("index" if named else "records"))
    if isinstance(value, pd.Series):
        return _convert(value.to_dict())
    if isinstance(value, dict):
        return {str(key): _convert(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(map(str, value))
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_convert(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return round(value, _DIGITS) if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)
