"""One meaning for a date, in whatever form it comes."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from churn.core.errors import DataError
from churn.core.params import CsvParams, DataParams
from churn.data import dates
from churn.data.cells import CellError
from churn.data.schema import converted
from churn.data.table import read_table

NOON = "2024-02-29T12:00:00"
FORMS: dict[str, list[Any]] = {
    "2024-02-29": [
        "2024-02-29",
        " 2024-02-29 ",
        "20240229",
        20240229,
        "2024-02-29T00:00",
        "2024-02-29 00:00:00",
        "2024-02-29T00:00:00Z",
        "2024-02-29T01:00:00+01:00",
        datetime.date(2024, 2, 29),
        datetime.datetime(2024, 2, 29),
        pd.Timestamp("2024-02-29"),
        np.datetime64("2024-02-29"),
    ],
    NOON: [NOON, "2024-02-29 12:00", "2024-02-29T12:00:00.000", pd.Timestamp(NOON, tz="UTC")],
    "2024-02-29T12:00:00.500000": ["2024-02-29 12:00:00.5"],
    "9999-12-31": ["9999-12-31", datetime.date(9999, 12, 31)],
}


def written(column: pd.Series, **how: Any) -> list[Any]:
    return dates.written(dates.timestamps(column, **how)).tolist()


@pytest.mark.parametrize(
    ("cell", "date"), [(cell, date) for date, cells in FORMS.items() for cell in cells], ids=repr
)
def test_a_date_is_one_in_every_form(cell: Any, date: str) -> None:
    assert written(pd.Series([cell])) == [date]
    assert written(pd.Series([None, cell], dtype=object)) == pytest.approx(
        [np.nan, date], nan_ok=True
    )


def test_what_is_written_is_read_as_the_same_date() -> None:
    moments = dates.timestamps(pd.Series(list(FORMS)))
    pd.testing.assert_series_equal(dates.timestamps(dates.written(moments)), moments)


@pytest.mark.parametrize("cell", [None, "", " ", "NA", "null", "NaT", "-", np.nan, pd.NaT])
def test_nothing_is_a_missing_date(cell: Any) -> None:
    assert dates.timestamps(pd.Series([cell, "2024-02-29"], dtype=object)).isna().tolist() == [
        True,
        False,
    ]
    assert dates.timestamps(pd.Series([cell])).isna().all()


def test_further_words_are_missing_dates() -> None:
    column = pd.Series(["?", "2024-02-29"])
    assert dates.timestamps(column, missing=["?"]).isna().tolist() == [True, False]


@pytest.mark.parametrize(
    "cell",
    [
        "2/29/2024",
        "2024-02-30",
        "soon",
        "now",
        "Today",
        1.5,
        45000.0,
        True,
        "1700000000",
        2024,
        "2024",
    ],
    ids=repr,
)
@pytest.mark.parametrize("style", ["", "%d.%m.%Y"])
def test_what_is_no_date_is_refused(cell: Any, style: str) -> None:
    with pytest.raises(CellError, match="which is not a date") as caught:
        dates.timestamps(pd.Series([None, cell]), style=style)
    assert caught.value.row == 1


def test_a_whole_number_is_the_same_date_beside_a_missing_one() -> None:
    assert written(pd.Series([20240131.0, None])) == pytest.approx(
        ["2024-01-31", np.nan], nan_ok=True
    )


def test_a_style_is_read_beside_the_usual_one() -> None:
    assert written(pd.Series(["03.04.2024", "2024-04-03"]), style="%d.%m.%Y") == ["2024-04-03"] * 2


@pytest.mark.parametrize(
    "style", ["%d.%m.%", "%Q", "%G-W%V", "mixed", "ISO8601", "%d.%m", "%Y-%d-%m"]
)
def test_a_style_that_reads_no_date_or_another_one_is_refused(style: str) -> None:
    with pytest.raises(ValidationError, match=r"does not name year|day and month changed"):
        CsvParams(date=style)


def test_days_are_counted_from_1970() -> None:
    moments = dates.timestamps(pd.Series(["1970-01-02", "1969-12-31T12:00", None]))
    assert dates.days(moments).tolist() == pytest.approx([1.0, -0.5, np.nan], nan_ok=True)
    far = dates.timestamps(pd.Series(["0001-01-01", "9999-12-31"]))
    assert dates.days(far).tolist() == [-719162.0, 2932896.0]


def test_days_before_the_newest_date_of_another_table() -> None:
    train, test = (
        pd.DataFrame({"joined": made, "n": 1})
        for made in (["2024-03-01", "2024-01-01", None], ["2024-02-29", "2024-03-02", None])
    )
    found = dates.days_before_newest(test, train, ["joined"])
    assert found["joined"].tolist() == pytest.approx([1.0, -1.0, np.nan], nan_ok=True)
    assert found["n"].tolist() == [1, 1, 1]


DATA = DataParams(path="-", id="id", target="left", positive=1, numeric=("n",), dates=("joined",))


def read(tmp_path: Path, rows: str, data: DataParams = DATA) -> pd.DataFrame:
    path = tmp_path / "table.csv"
    path.write_text("id,n,joined,left\n" + rows)
    return converted(read_table(path, data), data, path)


def refusal(tmp_path: Path, rows: str) -> str:
    with pytest.raises(DataError) as caught:
        read(tmp_path, rows)
    return str(caught.value).partition("table.csv: ")[2]


def test_a_style_of_dates_is_read_by_its_key(tmp_path: Path) -> None:
    data = DATA.model_copy(update={"csv": DATA.csv.model_copy(update={"date": "%d.%m.%Y"})})
    assert read(tmp_path, "a,1,03.04.2024,0\n", data)["joined"].tolist() == ["2024-04-03"]
    parquet = pd.DataFrame(
        {"id": ["a"], "n": [1], "joined": [datetime.date(2024, 4, 3)], "left": [0]}
    )
    parquet.to_parquet(tmp_path / "table.parquet")
    found = converted(read_table(tmp_path / "table.parquet", data), data, tmp_path)
    assert found["joined"].tolist() == ["2024-04-03"]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("31.12.2024", "set data.csv.date: '%d.%m.%Y' there"),
        ("12/31/2024", "set data.csv.date: '%m/%d/%Y' there"),
        (
            "03/04/2024",
            "set data.csv.date: '%d/%m/%Y', or data.csv.date: '%m/%d/%Y' there",
        ),
        ("soon", "if it means a missing date, add it to data.missing in params.yaml"),
        ("45000", "if it means a missing date, add it to data.missing in params.yaml"),
    ],
)
def test_the_refusal_says_what_would_read_a_date(cell: str, expected: str, tmp_path: Path) -> None:
    said = refusal(tmp_path, f"a,1,{cell},0\n")
    assert said.startswith(f"column 'joined', row 1 (id a): is {cell!r}, which is not a date")
    assert said.endswith(expected)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (
            "2024-12-31",
            "which is a date; move the column from data.numeric to data.dates in params.yaml",
        ),
        ("2024-12-31 08:15:00", "move the column from data.numeric to data.dates in params.yaml"),
        ("31.12.2024", "to data.dates in params.yaml, and set data.csv.date: '%d.%m.%Y' there"),
        ("1.234.567", "set data.csv.decimal: ',' and data.csv.thousands: '.' there"),
    ],
)
def test_a_date_among_numbers_is_told(cell: str, expected: str, tmp_path: Path) -> None:
    assert refusal(tmp_path, f"a,{cell},2024-12-31,0\n").endswith(expected)
