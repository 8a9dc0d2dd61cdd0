"""Convert cells: in the same way for a file, for a request and for training.

A cell is a number, a text, a boolean or missing, and may be written in several ways: the number 1
as ``1``, ``1.0`` or ``"1"``, a boolean as ``TRUE`` or ``true``. No other module converts cells, so
that a model gets the same values whatever the source of a customer is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pandas.api.types import is_scalar

# Words for a missing number, case-insensitive. A text is only missing if its cell is empty, because
# "NA" and "null" may be values (NA is Namibia's country code).
MISSING_NUMBERS = frozenset({"", "na", "n/a", "nan", "null", "none", "-"})
_TRUTH = {"true": "1", "false": "0"}
_NOT_FINITE = "which is not a finite number"
# Trees of two model families compare features as float32, which holds nothing beyond.
MAX_NUMBER = float(np.finfo(np.float32).max)
TOO_LARGE = f"which is beyond {MAX_NUMBER:.2g}, the largest number"
INFINITE = "which is infinite"


@dataclass(frozen=True)
class NumberStyle:
    """How numbers are written in a file.

    Attributes
    ----------
    decimal : str, default="."
    thousands : str, default=""
        Separates groups of three digits; empty for none.
    symbols : str, default=""
        Characters around a number that do not change its value, such as ``$`` and ``%``.
    """

    decimal: str = "."
    thousands: str = ""
    symbols: str = ""

    def plain(self, text: pa.StringArray) -> pa.StringArray:
        """Rewrite numbers in Python's style; ``?`` if a text is not a number in this style."""
        around = self.symbols + " \u00a0\u202f"
        bare = pc.utf8_trim(text, characters=around)
        signless = pc.utf8_ltrim(bare, characters="+-")
        digits = pc.utf8_trim(signless, characters=around)
        n_signs = pc.subtract(pc.utf8_length(bare), pc.utf8_length(signless))
        is_none = pc.greater(n_signs, 1)
        if self.thousands:
            is_grouped = pc.match_substring(digits, self.thousands)
            in_threes = pc.match_substring_regex(digits, self._grouped)
            is_none = pc.or_(is_none, pc.and_(is_grouped, pc.invert(in_threes)))
            digits = pc.replace_substring(digits, self.thousands, "")
        if self.decimal != ".":
            is_none = pc.or_(is_none, pc.match_substring(digits, "."))
            digits = pc.replace_substring(digits, self.decimal, ".")
        sign = pc.if_else(pc.starts_with(bare, "-"), "-", "")
        return pc.if_else(is_none, "?", pc.binary_join_element_wise(sign, digits, ""))

    @property
    def _grouped(self) -> str:
        group, point = re.escape(self.thousands), re.escape(self.decimal)
        return rf"^\d{{1,3}}({group}\d{{3}})+({point}\d*)?$"


_PYTHON = NumberStyle()
# The first style that reads a number is proposed, so styles with one setting come first.
STYLES = {
    "data.csv.decimal: ','": NumberStyle(decimal=","),
    "data.csv.thousands: ','": NumberStyle(thousands=","),
    "data.csv.thousands: ' '": NumberStyle(thousands=" "),
    'data.csv.thousands: "\'"': NumberStyle(thousands="'"),
    "data.csv.symbols: '$€£%'": NumberStyle(symbols="$€£%"),
    "data.csv.decimal: ',' and data.csv.thousands: '.'": NumberStyle(",", "."),
    "data.csv.decimal: ',' and data.csv.thousands: ' '": NumberStyle(",", " "),
    "data.csv.symbols: '$€£%' and data.csv.thousands: ','": NumberStyle(".", ",", "$€£%"),
    "data.csv.symbols: '$€£%' and data.csv.decimal: ','": NumberStyle(",", "", "$€£%"),
}


class CellError(ValueError):
    """A cell that does not fit its column.

    Attributes
    ----------
    row : int
        Position, counted from 0.
    cell : str
        Its text, at most 40 characters.
    problem : str
        What is wrong with it, as a clause.
    """

    def __init__(self, row: int, cell: object, problem: str = _NOT_FINITE) -> None:
        self.row, self.cell, self.problem = row, str(cell)[:40], problem
        super().__init__(f"{self.cell!r}, {problem}")


def reading_style(cell: str) -> str | None:
    """Return the setting of params.yaml with which a cell would be read as a number.

    If two settings read different numbers, as for ``1,234``, both are returned.
    """
    found: dict[float, str] = {}
    for setting, style in STYLES.items():
        plain = style.plain(pa.array([cell]))[0].as_py()
        if _is_number(plain):
            found.setdefault(float(plain), setting)
    return ", or ".join(found.values()) or None


def sift(found: Iterable[CellError], errors: list[CellError] | None) -> None:
    """Collect errors, or raise the first one if they are not collected."""
    for error in found:
        if errors is None:
            raise error
        errors.append(error)


def numbers(
    cells: pd.Series,
    missing: Collection[str] = (),
    style: NumberStyle = _PYTHON,
    errors: list[CellError] | None = None,
) -> pd.Series:
    """Convert cells to float64.

    Parameters
    ----------
    cells : Series
        Numbers, booleans (1 and 0), text with one of these, or missing values.
    missing : collection of str
        Further words for a missing cell; case-sensitive.
    style : NumberStyle
        How numbers are written in text.
    errors : list of CellError, optional
        Gets an error for each cell that is neither missing nor a finite number of at most
        `MAX_NUMBER`, which is missing then. Default is to raise the first one.

    Returns
    -------
    Series of float64
        NaN for a missing cell: empty, blank, or a word for it.

    Raises
    ------
    CellError
        For the first such cell.
    """
    if cells.dtype.kind in "biuf":
        found = cells.astype("float64")
    elif cells.dtype.kind in "mM":
        known = np.flatnonzero(cells.notna().to_numpy())
        sift((CellError(int(row), cells.astype("str").iloc[row]) for row in known), errors)
        found = pd.Series(np.nan, index=cells.index, name=cells.name)
    else:
        found = _parsed(cells, missing, style, errors)
    values = found.to_numpy()
    beyond = np.abs(values) > MAX_NUMBER
    if beyond.any():
        large = (
            CellError(int(row), cells.iloc[row], INFINITE if np.isinf(values[row]) else TOO_LARGE)
            for row in np.flatnonzero(beyond)
        )
        sift(large, errors)
        found = found.mask(beyond)
    return found


def _parsed(
    cells: pd.Series,
    missing: Collection[str],
    style: NumberStyle,
    errors: list[CellError] | None,
) -> pd.Series:
    text = pc.utf8_trim_whitespace(_as_text(cells))
    lowered = pc.utf8_lower(text)
    is_missing = pc.is_in(lowered, pa.array(sorted(MISSING_NUMBERS)))
    if missing:
        is_missing = pc.or_(is_missing, pc.is_in(text, pa.array(sorted(missing))))
    plain = pc.if_else(is_missing, None, text)
    for word, number in _TRUTH.items():
        plain = pc.if_else(pc.equal(lowered, word), number, plain)
    # Arrow does not accept a plus sign.
    plain = pc.replace_substring_regex(plain, r"^\+(\d|\.)", r"\1")
    if style != _PYTHON:
        plain = style.plain(plain)
    try:
        parsed = pc.cast(plain, pa.float64())
    except pa.ArrowInvalid:
        written = enumerate(plain.to_pylist())
        wrong = np.zeros(len(cells), dtype=bool)
        for row, text in written:
            if text is not None and not _is_number(text):
                sift([CellError(row, cells.iloc[row])], errors)
                wrong[row] = True
        parsed = pc.cast(pc.if_else(pa.array(wrong), None, plain), pa.float64())
    values = parsed.to_numpy(zero_copy_only=False)
    return pd.Series(values, index=cells.index, name=cells.name, dtype="float64")


def _is_number(text: str) -> bool:
    try:
        pc.cast(pa.array([text]), pa.float64())
    except pa.ArrowInvalid:
        return False
    return True


def texts(cells: pd.Series, missing: Collection[str] = ()) -> pd.Series:
    """Convert cells to text: categories, ids and labels.

    Blanks around a text are removed, whole numbers get no decimal point, and booleans are lower
    case.

    Parameters
    ----------
    cells : Series
    missing : collection of str
        Words for a missing cell; case-sensitive.

    Returns
    -------
    Series of str
        Missing for a cell that is empty, blank, or a word for it.
    """
    text = pc.utf8_trim_whitespace(_as_text(cells))
    if pc.any(pc.ends_with(text, ".0")).as_py():  # the pattern takes twenty times as long
        text = pc.replace_substring_regex(text, r"^(-?\d+)\.0$", r"\1")
    lowered = pc.utf8_lower(text)
    text = pc.if_else(pc.is_in(lowered, pa.array(sorted(_TRUTH))), lowered, text)
    words = pa.array(sorted({"", *missing}))
    text = pc.if_else(pc.is_in(text, words), None, text)
    return pd.Series(text.to_pandas().array, index=cells.index, name=cells.name, dtype="str")


def _as_text(cells: pd.Series) -> pa.Array:
    """Convert each cell to text; null for a missing cell."""
    if isinstance(cells.dtype, pd.StringDtype):
        return pa.array(cells.array, pa.string(), from_pandas=True)
    return pa.array(list(_written(cells)), pa.string())


def _written(cells: Iterable[Any]) -> Iterable[str | None]:
    for cell in cells:
        if isinstance(cell, (bool, np.bool_)):
            yield str(bool(cell)).lower()
        elif isinstance(cell, str):
            yield cell
        elif is_scalar(cell) and pd.isna(cell):
            yield None
        elif isinstance(cell, (float, np.floating)) and float(cell).is_integer():
            yield str(int(cell))
        else:
            yield str(cell)
