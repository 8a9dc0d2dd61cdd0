"""One meaning for a cell, in whatever form it comes."""

from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from churn.core.params import DataParams
from churn.data import cells
from churn.data.cells import CellError, NumberStyle
from churn.data.schema import converted
from churn.data.table import read_table

DATA = DataParams(
    path="-", id="id", target="left", positive=1, numeric=("number",), categorical=("text",)
)

NUMBERS: dict[float, list[Any]] = {
    1.0: [
        1,
        1.0,
        "1",
        "1.0",
        " 1 ",
        "+1",
        "1e0",
        True,
        "true",
        "TRUE",
        "True",
        np.int8(1),
        Decimal("1"),
    ],
    0.0: [0, 0.0, "0", "-0", False, "false", "FALSE", np.bool_(False)],
    -1234.5: [-1234.5, "-1234.5", "-1.2345e3", np.float64(-1234.5)],
    1e30: [10**30, 1e30, "1e30"],
}
MISSING: list[Any] = [
    None,
    np.nan,
    pd.NA,
    pd.NaT,
    "",
    " ",
    "\t",
    "NA",
    "n/a",
    "NaN",
    "Null",
    "none",
    "-",
]
TEXTS: dict[str, list[Any]] = {
    "1": [1, 1.0, "1", "1.0", " 1", np.int64(1), np.float32(1)],
    "1.5": [1.5, "1.5", "1.5 "],
    "true": [True, "true", "TRUE", "True ", np.bool_(True)],
    "01234": ["01234", " 01234"],
    "NA": ["NA"],
    "9007199254740993": [2**53 + 1, "9007199254740993"],
    "Größe": ["Größe", "\u00a0Größe"],
}


def forms(wanted: dict[Any, list[Any]]) -> list[Any]:
    return [
        pytest.param(cell, value, id=f"{type(cell).__name__} {cell!r}"[:40])
        for value, found in wanted.items()
        for cell in found
    ]


@pytest.mark.parametrize(("cell", "value"), forms(NUMBERS))
def test_a_number_is_one_in_every_form(cell: Any, value: float) -> None:
    for column in (pd.Series([cell]), pd.Series([cell, None, "2"], dtype=object)):
        found = cells.numbers(column)
        assert found.dtype == np.float64
        assert found.iloc[0] == value


@pytest.mark.parametrize("cell", MISSING, ids=repr)
def test_a_missing_number_is_missing_in_every_form(cell: Any) -> None:
    assert cells.numbers(pd.Series([cell, 3], dtype=object)).isna().tolist() == [True, False]


@pytest.mark.parametrize(("cell", "value"), forms(TEXTS))
def test_a_text_is_one_in_every_form(cell: Any, value: str) -> None:
    for column in (pd.Series([cell]), pd.Series([cell, None, "x"], dtype=object)):
        assert cells.texts(column).iloc[0] == value


@pytest.mark.parametrize("cell", [None, np.nan, pd.NA, "", "  "], ids=repr)
def test_a_missing_text_is_missing_in_every_form(cell: Any) -> None:
    assert cells.texts(pd.Series([cell, "x"], dtype=object)).isna().tolist() == [True, False]


def test_words_for_missing_can_be_added_for_both() -> None:
    column = pd.Series(["?", "x "], dtype=object)
    assert cells.texts(column, ["?"]).isna().tolist() == [True, False]
    assert cells.numbers(pd.Series([" ?", "7"]), ["?"]).isna().tolist() == [True, False]
    with pytest.raises(CellError):
        cells.numbers(pd.Series(["?", "7"]))


@pytest.mark.parametrize(
    "cell",
    ["many", "1,5", "1_000", "0x10", "2024-03-01", "[1]", np.inf, "-inf", datetime.date(2024, 3, 1),
     10**400, ["list"], [1, 2], {"a": 1}],
    ids=str,
)  # fmt: skip
def test_what_is_no_finite_number_is_refused_at_its_row(cell: Any) -> None:
    column = pd.Series([1, None, cell], dtype=object)
    with pytest.raises(CellError, match=r"not a finite number|infinite") as caught:
        cells.numbers(column)
    assert (caught.value.row, caught.value.cell) == (2, str(cell)[:40])


@pytest.mark.parametrize(
    ("style", "text", "value"),
    [
        (NumberStyle(","), "28,28", 28.28),
        (NumberStyle(",", "."), "1.234.567,8", 1234567.8),
        (NumberStyle(",", "."), "-12", -12),
        (NumberStyle(".", ","), "1,234.5", 1234.5),
        (NumberStyle(".", ",", "$%"), "-$1,234.50", -1234.5),
        (NumberStyle(".", ",", "$%"), "$-5", -5),
        (NumberStyle(symbols="$%"), "28 %", 28),
        (NumberStyle(",", " ", "€"), "1 234,5 €", 1234.5),
    ],
)
def test_a_number_is_read_in_its_style(style: NumberStyle, text: str, value: float) -> None:
    assert cells.numbers(pd.Series([text]), style=style).tolist() == [value]


@pytest.mark.parametrize(
    ("style", "text"),
    [
        (NumberStyle(","), "28.28"),  # 2828 to a program that drops the point
        (NumberStyle(",", "."), "28.28"),
        (NumberStyle(".", ","), "1,23"),
        (NumberStyle(".", ","), "1234,567"),
        (NumberStyle(symbols="$"), "$"),
        (NumberStyle(symbols="$"), "5€"),
    ],
)
def test_a_number_in_another_style_is_never_read_as_another_number(
    style: NumberStyle, text: str
) -> None:
    with pytest.raises(CellError):
        cells.numbers(pd.Series([text]), style=style)


@pytest.mark.parametrize("kind", ["bool", "int64", "Int64", "boolean", "float64", "str", "object"])
def test_a_file_says_the_same_in_csv_and_in_parquet(kind: str, tmp_path: Path) -> None:
    ones = pd.Series([1, 0, 1]).astype("bool" if kind in ("bool", "boolean") else "int64")
    column = ones.astype(kind)
    frame = pd.DataFrame(
        {"id": ["a", "b", "c"], "number": column, "text": column, "left": [0, 1, 0]}
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet", index=False)
    one, other = (
        converted(read_table(tmp_path / name, DATA), DATA, tmp_path / name)
        for name in ("t.csv", "t.parquet")
    )
    pd.testing.assert_frame_equal(one, other)
    assert one["number"].tolist() == [1, 0, 1]
    written = ["true", "false", "true"] if kind in ("bool", "boolean") else ["1", "0", "1"]
    assert one["text"].tolist() == written
