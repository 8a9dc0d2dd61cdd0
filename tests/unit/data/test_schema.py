"""Checking a customer table: what is wrong with a column or a row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from churn.core.errors import DataError
from churn.core.params import DataParams
from churn.data.schema import MIN_ROWS, validate

FILE = Path("t.csv")
N = 60


def declared(positive: Any = 1) -> DataParams:
    return DataParams(
        path="-", id="id", target="left", positive=positive, numeric=("age",), categorical=("plan",)
    )


def table(rows: int = N, **columns: Any) -> pd.DataFrame:
    """Return a good table, with some columns replaced."""
    good = {
        "id": [f"c{number}" for number in range(rows)],
        "age": np.arange(rows) + 18,
        "plan": ["gold", "basic"] * (rows // 2) + ["gold"] * (rows % 2),
        "left": [0, 1] * (rows // 2) + [0] * (rows % 2),
    }
    return pd.DataFrame(good | columns)


def with_cell(values: list[Any], row: int, value: Any) -> list[Any]:
    """Return the values with another one in a row, counted from 1."""
    return [*values[: row - 1], value, *values[row:]]


def refusal(bad: pd.DataFrame, labelled: bool = True, positive: Any = 1) -> str:
    with pytest.raises(DataError) as caught:
        validate(bad, declared(positive), FILE, labelled)
    return str(caught.value).removeprefix("t.csv: ")


def test_a_good_table_gets_the_pipeline_s_types() -> None:
    checked = validate(table(), declared(), FILE)
    assert checked["age"].dtype == np.float64
    assert checked["left"].dtype == np.int8
    assert checked["left"].tolist() == [0, 1] * (N // 2)


@pytest.mark.parametrize(
    ("labels", "positive"),
    [
        (["no", "yes"], "yes"),
        ([False, True], True),
        ([0.0, 1.0], 1),
        ([2, 1], 1),
        (["0", "1"], 1),
        (["stayed", "left"], "left"),
    ],
)
def test_the_positive_value_becomes_one(labels: list[Any], positive: Any) -> None:
    checked = validate(table(left=labels * (N // 2)), declared(positive), FILE)
    assert checked["left"].tolist() == [0, 1] * (N // 2)


def test_missing_numbers_and_categories_are_allowed() -> None:
    ages = with_cell(list(range(N)), 3, None)
    plans = pd.Series(with_cell(["gold"] * N, 5, None), dtype="str")
    checked = validate(table(age=ages, plan=plans), declared(), FILE)
    assert checked["age"].isna().sum() == 1
    assert checked["plan"].isna().sum() == 1


def test_words_for_missing_numbers_are_missing_in_a_column_of_text() -> None:
    ages = with_cell(["41"] * N, 2, "NA")
    assert np.isnan(validate(table(age=ages), declared(), FILE)["age"].iloc[1])


def test_a_word_for_missing_can_be_added() -> None:
    data = declared().model_copy(update={"missing": ("?", "#N/A")})
    bad = table(age=with_cell(["41"] * N, 2, "?"), plan=with_cell(["gold"] * N, 3, "#N/A"))
    checked = validate(bad, data, FILE)
    assert np.isnan(checked["age"].iloc[1])
    assert checked["plan"].isna().tolist() == [i == 2 for i in range(N)]


@pytest.mark.parametrize(
    ("cell", "setting"),
    [
        ("28,28", "data.csv.decimal: ','"),
        ("1.234,56", "data.csv.decimal: ',' and data.csv.thousands: '.'"),
        ("1,234.56", "data.csv.thousands: ','"),
        ("1,234", "data.csv.decimal: ',', or data.csv.thousands: ','"),
        ("1 234", "data.csv.thousands: ' '"),
        ("$28.28", "data.csv.symbols: '$€£%'"),
        ("28%", "data.csv.symbols: '$€£%'"),
        ("-$1,234.5", "data.csv.symbols: '$€£%' and data.csv.thousands: ','"),
    ],
)
def test_a_number_in_another_style_is_refused_with_the_setting_that_reads_it(
    cell: str, setting: str
) -> None:
    message = refusal(table(age=with_cell(["41"] * N, 2, cell)))
    assert message == (
        f"column 'age', row 2 (id c1): is {cell!r}, which is not a number as params.yaml"
        f" describes it; set {setting} there"
    )


def test_a_line_of_totals_is_called_one() -> None:
    bad = table(id=with_cell([f"c{i}" for i in range(N)], N, "Total"))
    bad["left"] = with_cell([0, 1] * (N // 2), N, None)
    message = refusal(bad)
    assert message.startswith(f"column 'left', row {N} (id Total): is missing, and the row looks")


@pytest.mark.parametrize(
    "cells", [["NA", "", "many"], ["1", "-", "many"]], ids=["only words", "number first"]
)
def test_text_among_numbers_is_refused_at_its_own_row(cells: list[str]) -> None:
    message = refusal(table(age=[*cells, *["41"] * (N - 3)]))
    assert message == (
        "column 'age', row 3 (id c2): is 'many', which is not a number; correct the cell, or, if it"
        " means a missing number, add it to data.missing in params.yaml"
    )


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        (pd.date_range("2024-03-01", periods=N), "'2024-03-01', which is a date"),
        (
            pd.date_range("2024-03-01", periods=N, tz="UTC"),
            "'2024-03-01 00:00:00+00:00', which is a date",
        ),
        (pd.to_timedelta(np.arange(N), unit="D"), "'0 days', which is not a number"),
        ([["list"]] * N, "\"['list']\", which is not a number"),
    ],
)
def test_dates_durations_and_lists_are_no_numbers(values: Any, shown: str) -> None:
    message = refusal(table(age=values))
    assert message.startswith(f"column 'age', row 1 (id c0): is {shown}")


@pytest.mark.parametrize("infinite", [np.inf, -np.inf, "inf"])
def test_an_infinite_value_is_refused_at_its_row(infinite: Any) -> None:
    message = refusal(table(age=with_cell(list(range(N)), 7, infinite)))
    assert message.startswith("column 'age', row 7 (id c6): is '")
    assert message.endswith("which is infinite; put a number, or leave the cell empty")


def test_a_missing_id_is_refused_at_its_row() -> None:
    ids = pd.Series(with_cell([f"c{i}" for i in range(N)], 4, None), dtype="str")
    message = refusal(table(id=ids))
    assert message == "column 'id', row 4: is missing; every customer needs one"


@pytest.mark.parametrize("labelled", [True, False])
def test_a_duplicate_id_is_refused_with_both_rows(labelled: bool) -> None:
    ids = with_cell([f"c{i}" for i in range(N)], 9, "c1")
    message = refusal(table(id=ids), labelled)
    assert message.startswith("column 'id', row 9 (id c1): is also in row 2")


def test_a_missing_label_is_refused_at_its_row() -> None:
    message = refusal(table(left=with_cell([0.0, 1.0] * (N // 2), 6, np.nan)))
    assert message.startswith("column 'left', row 6 (id c5): is missing")


def test_a_single_label_is_refused() -> None:
    assert refusal(table(left=[1] * N)).startswith("column 'left' is 1 in every row")


def test_a_third_label_is_refused_at_its_first_row() -> None:
    message = refusal(table(left=with_cell([0, 1] * (N // 2), 8, 2)))
    assert message.startswith("column 'left', row 8 (id c7): is a third value (found: 0, 1, 2)")


def test_a_positive_value_that_never_occurs_is_refused() -> None:
    message = refusal(table(left=["a", "b"] * (N // 2)), positive="yes")
    assert message.startswith("column 'left' holds a, b, never 'yes'")
    assert message.endswith("to the value that means churned")
    message = refusal(table(left=["yes", "no"] * (N // 2)), positive=True)  # `yes` in YAML
    assert message.endswith("holds yes, no, never True; set data.positive in params.yaml to the"
                            " value that means churned, in quotes if it is a word")  # fmt: skip


@pytest.mark.parametrize("positive", ["TRUE", "True", "true", True])
@pytest.mark.parametrize("words", [(False, True), ("FALSE", "TRUE"), ("false", "true")])
def test_true_is_true_however_it_is_written(positive: Any, words: tuple[Any, Any]) -> None:
    labels = list(words) * (N // 2)
    checked = validate(table(left=labels), declared(positive), FILE)
    assert checked["left"].tolist() == [0, 1] * (N // 2)


def test_false_can_be_the_value_that_means_churned() -> None:
    checked = validate(table(left=[False, True] * (N // 2)), declared("FALSE"), FILE)
    assert checked["left"].tolist() == [1, 0] * (N // 2)


def test_other_texts_are_told_apart_by_case() -> None:
    checked = validate(table(left=["y", "Y"] * (N // 2)), declared("Y"), FILE)
    assert checked["left"].tolist() == [0, 1] * (N // 2)


def test_one_value_written_in_two_ways_is_refused() -> None:
    message = refusal(table(left=["true", "1"] * (N // 2)), positive=True)
    assert message.startswith("column 'left' holds true, 1, and both are True")


def test_a_category_with_another_value_in_every_row_is_refused_for_training_only() -> None:
    names = [f"name {i}" for i in range(N)]
    assert refusal(table(plan=names)).startswith("column 'plan' has another value in nearly every")
    assert len(validate(table(plan=names), declared(), FILE, labelled=False)) == N


def test_fewer_than_fifty_rows_are_refused_for_training_only() -> None:
    assert MIN_ROWS == 50
    assert refusal(table(49)).startswith("49 rows; at least 50 are needed")
    assert len(validate(table(50), declared(), FILE)) == 50
    unlabelled = table(3).drop(columns="left")
    assert len(validate(unlabelled, declared(), FILE, labelled=False)) == 3


def test_categories_that_differ_in_case_only_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    validate(table(plan=["Gold", "basic"] * (N // 2)), declared(), FILE)
    assert capsys.readouterr().err == ""
    validate(table(plan=["Gold", "basic"] * (N // 2 - 1) + ["gold", None]), declared(), FILE)
    assert capsys.readouterr().err == (
        f"== {FILE}: categories of 'plan' that differ in case only are kept apart:"
        " 'Gold' and 'gold'\n"
    )
