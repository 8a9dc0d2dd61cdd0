"""A newest table beside today's: what is refused, and what has changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from churn.core.errors import DataError
from churn.core.params import ROW_NUMBER, DataParams, Params
from churn.data.synthesize import write
from churn.retrain.tables import TableChange, compare

Table = pd.DataFrame


@pytest.fixture
def data(settings: Params) -> DataParams:
    return settings.data


@pytest.fixture
def today(tmp_path: Path) -> Path:
    write(tmp_path / "today/customers.csv", 1000, seed=1)
    return tmp_path / "today/customers.csv"


def changed(today: Path, change: Callable[[Table], Table]) -> Path:
    """Write a table as another one beside it."""
    newest = today.parents[1] / "newest/customers.csv"
    newest.parent.mkdir()
    change(pd.read_csv(today)).to_csv(newest, index=False)
    return newest


def test_each_kind_of_change_is_counted(today: Path, data: DataParams) -> None:
    def change(table: Table) -> Table:
        table.loc[:9, "age"] = 33.5
        table.loc[5:7, "churned"] = 1 - table.loc[5:7, "churned"]
        new = table.head(20).assign(customer_id=[f"N{i}" for i in range(20)])
        return pd.concat([table.iloc[:950], new]).sample(frac=1, random_state=1)

    newest = changed(today, change)
    found = compare(today, newest, "s3://b/c.csv", data)
    assert found.rows == (1000, 970)
    assert (found.added, found.removed, found.edited, found.relabelled) == (20, 50, 10, 3)
    assert found.label_rate == (
        pd.read_csv(today)["churned"].mean(), pd.read_csv(newest)["churned"].mean(),
    )  # fmt: skip
    assert not found.is_none


def test_the_same_customers_in_another_order_are_no_change(today: Path, data: DataParams) -> None:
    newest = changed(today, lambda table: table.sample(frac=1, random_state=1).assign(more=1))
    assert compare(today, newest, "c.csv", data).is_none


def test_of_numbered_rows_nobody_knows_who_is_who(today: Path, data: DataParams) -> None:
    newest = changed(today, lambda table: table.head(990))
    numbered = data.model_copy(update={"id": ROW_NUMBER})
    found = compare(today, newest, "c.csv", numbered)
    assert found == TableChange((1000, 990), found.label_rate)
    assert not found.is_none
    assert not compare(today, today, "c.csv", numbered).is_none


REFUSED: dict[str, tuple[Callable[[Table], Table], str]] = {
    "a column is gone": (lambda t: t.drop(columns="age"), r"column 'age' is missing"),
    "text in a number": (
        lambda t: t.astype({"age": "object"}).assign(age=lambda t: ["old", *t["age"][1:]]),
        r"column 'age', row 1 \(customer_id C00000001\): is 'old', which is not a number",
    ),
    "an id twice": (
        lambda t: pd.concat([t, t.tail(1)]),
        r"row 1001 \(customer_id C00001000\): is also in row 1000",
    ),
    "rows are gone": (lambda t: t.head(899), r"899 rows, 90% of today's 1,000"),
    "labels are swapped": (lambda t: t.assign(churned=1 - t["churned"]), r"\d% have churned, "),
    "no labels": (lambda t: t.assign(churned=None), r"'churned', row 1 .* is missing"),
    "one label": (lambda t: t.assign(churned=0), r"column 'churned' is 0 in every row"),
    "nobody": (lambda t: t.head(0), r"0 rows; at least 50"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_broken_is_refused(name: str, today: Path, data: DataParams) -> None:
    change, message = REFUSED[name]
    newest = changed(today, change)
    with pytest.raises(DataError, match=rf"^s3://b/c\.csv: refused: .*{message}") as caught:
        compare(today, newest, "s3://b/c.csv", data)
    assert "newest" not in str(caught.value)  # where it was fetched to is nobody's business


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "refused: empty"),
        (b"PAR1\0\0", "refused: not a CSV file (it holds binary data); export it as CSV"),
        (b"<html>\n", "refused: column 'customer_id' is missing (found: '<html>')"),
    ],
)
def test_what_is_no_table_is_refused(
    content: bytes, said: str, today: Path, data: DataParams
) -> None:
    newest = changed(today, lambda table: table)
    newest.write_bytes(content)
    with pytest.raises(DataError) as caught:
        compare(today, newest, "c.csv", data)
    assert str(caught.value).startswith(f"c.csv: {said}")
    assert "dvc pull" not in str(caught.value)


def test_a_file_of_a_folder_is_named_by_its_place_in_there(
    tmp_path: Path, settings: Params
) -> None:
    for name in ("today", "newest"):
        write(tmp_path / name / "day=1/part.parquet", 100, seed=1)
    pd.read_parquet(tmp_path / "newest/day=1/part.parquet").drop(columns="age").to_parquet(
        tmp_path / "newest/day=1/part.parquet"
    )
    with pytest.raises(DataError, match=r"^s3://b/c: refused: day=1/part\.parquet: column 'age'"):
        compare(tmp_path / "today", tmp_path / "newest", "s3://b/c", settings.data)


def test_a_folder_does_not_replace_a_file(today: Path, data: DataParams, tmp_path: Path) -> None:
    write(tmp_path / "newest/part.parquet", 1000, seed=1)
    with pytest.raises(DataError, match=r"refused: a folder, but data\.path .* names a file"):
        compare(today, tmp_path / "newest", "s3://b/c", data)
    with pytest.raises(DataError, match=r"refused: a file, but data\.path .* names a folder"):
        compare(tmp_path / "newest", today, "s3://b/c", data)


def test_today_s_own_faults_are_not_the_newest_s(today: Path, data: DataParams) -> None:
    newest = changed(today, lambda table: table)
    today.write_text("customer_id\n")
    with pytest.raises(DataError) as caught:
        compare(today, newest, "c.csv", data)
    assert "refused" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize(("drift", "passes"), [(0, True), (3, True), (12, False)])
def test_months_of_drift_pass_and_a_year_is_looked_at(
    drift: float, passes: bool, tmp_path: Path, data: DataParams
) -> None:
    for name, months in (("today", 0), ("newest", drift)):
        write(tmp_path / f"{name}.csv", 10_000, seed=7, drift=months)
    if passes:
        compare(tmp_path / "today.csv", tmp_path / "newest.csv", "c.csv", data)
    else:
        with pytest.raises(DataError, match="have churned"):
            compare(tmp_path / "today.csv", tmp_path / "newest.csv", "c.csv", data)
