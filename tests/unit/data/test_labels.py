"""Labels are read from a file or an address, and what is none is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from churn.core.errors import DataError, ParamsError
from churn.core.params import Params
from churn.data import labels


def file(folder: Path, text: str) -> str:
    path = folder / "labels.csv"
    path.write_text(text)
    return str(path)


def test_a_file_is_read_as_params_say(tmp_path: Path, settings: Params) -> None:
    text = "churned,customer_id,seen\n1,a,2026-03-02\n0,b,2026-03-03\n"
    found = labels.read(file(tmp_path, text), settings.data, "seen")
    assert found["id"].tolist() == ["a", "b"]
    assert found["y"].tolist() == [1, 0]
    assert found["known"].dt.strftime("%d %H:%M").tolist() == ["02 23:59", "03 23:59"]


def test_labels_of_one_value_are_labels(tmp_path: Path, settings: Params) -> None:
    found = labels.read(file(tmp_path, "customer_id,churned\na,0\nb,0\n"), settings.data, None)
    assert found["y"].tolist() == [0, 0]
    assert found["known"].isna().all()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("customer_id\na\n", "churned"),
        ("customer_id,churned\na,1\n,0\n", "row 2 is missing"),
        ("customer_id,churned\na,1\nb,\n", "column 'churned', row 2"),
        ("customer_id,churned\na,1\nb,0\nc,maybe\n", "third value"),
        ("customer_id,churned\na,1\nb,0\na,0\n", "customer 'a' has two different labels, and"),
        ("customer_id,churned,seen\na,1,soon\n", "not a date"),
        ("customer_id,churned,seen\na,1,\n", "row 1 is missing"),
    ],
)
def test_what_is_no_label_is_refused(
    text: str, problem: str, tmp_path: Path, settings: Params
) -> None:
    date = "seen" if "seen" in text else None
    with pytest.raises(DataError, match=problem):
        labels.read(file(tmp_path, text), settings.data, date)


def test_an_address_that_nobody_knows(settings: Params) -> None:
    with pytest.raises(ParamsError, match="nosuch"):
        labels.read("nosuch://bucket/labels.csv", settings.data, None)


def test_an_address_is_fetched(tmp_path: Path, settings: Params) -> None:
    path = file(tmp_path, "customer_id,churned\na,1\nb,0\n")
    assert len(labels.read(f"file://{path}", settings.data, None)) == 2
    with pytest.raises(DataError, match=r"gone.csv: cannot be read"):
        labels.read(f"file://{tmp_path}/gone.csv", settings.data, None)
