"""How a file is written is found without a setting; what is no table is refused in one line."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from churn.core.errors import DataError
from churn.init import reading
from tests.unit.init.tables import shop

LINES = ["client;city;spent", "C1;Köln;1,5", "C2;Bonn;2,5"]


def written(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_separator_and_encoding_are_found(tmp_path: Path, separator: str, encoding: str) -> None:
    text = "\r\n".join(LINES).replace(",", ".").replace(";", separator)
    raw = reading.read(written(tmp_path / "a.csv", text, encoding))
    assert raw.csv.separator == separator
    assert raw.csv.encoding == encoding.removesuffix("-sig")
    assert list(raw.cells["city"]) == ["Köln", "Bonn"]


def test_what_spreadsheets_and_databases_add_is_read(tmp_path: Path) -> None:
    raw = reading.read(written(tmp_path / "a.csv", "\n".join(["sep=;", *LINES, ";;", ";;"])))
    assert (raw.csv.separator, len(raw.cells)) == (";", 2)
    text = "'client'|'note'\n'C1'|'a|b'\n'C2'|'c'\n"
    quoted = reading.read(written(tmp_path / "b.csv", text), {"quote": "'"})
    assert quoted.csv.quote == "'"
    assert list(quoted.cells["note"]) == ["a|b", "c"]
    (tmp_path / "c.csv.gz").write_bytes(gzip.compress("\n".join(LINES).encode("cp1252")))
    assert reading.read(tmp_path / "c.csv.gz").csv.encoding == "cp1252"


def test_what_is_named_is_not_looked_for(tmp_path: Path) -> None:
    file = written(tmp_path / "a.csv", "a;b,c;d\n1;2,3;4\n5;6,7;8\n", "cp1252")
    assert list(reading.read(file, {"separator": ";"}).cells) == ["a", "b,c", "d"]
    assert list(reading.read(file, {"separator": ","}).cells) == ["a;b", "c;d"]
    assert reading.read(file, {"encoding": "cp437"}).csv.encoding == "cp437"


@pytest.mark.slow
def test_a_letter_beyond_utf_8_is_found_at_the_end_of_a_long_file(tmp_path: Path) -> None:
    text = "a,b\n" + "1,2\n" * 500_000 + "3,é\n"
    assert reading.read(written(tmp_path / "a.csv", text, "cp1252")).csv.encoding == "cp1252"


def test_columns_without_a_name_and_with_lists_are_not_read(tmp_path: Path) -> None:
    table = shop(60)
    table.to_csv(tmp_path / "a.csv")  # with pandas' index
    raw = reading.read(tmp_path / "a.csv")
    assert raw.unread == {"(no name)": "has no name"}
    assert list(raw.cells) == list(table)
    table.assign(tags=[["a"]] * 60).to_parquet(tmp_path / "a.parquet")
    raw = reading.read(tmp_path / "a.parquet")
    assert raw.unread == {"tags": "holds lists"}
    assert len(raw.cells) == 60


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.xlsx", "PK", "a spreadsheet; save it as CSV"),
        ("a.txt", "a,b", r"must end in \.csv"),
        ("a.csv", "", "empty"),
        ("a.csv", "a,b\n", "no rows below the header"),
        ("a.csv", "a\n1\n2\n", "no common separator"),
        ("a.csv", "1,2\n3,4\n", "first line holds numbers"),
        ("a.csv", "Report of May\na,b\n" + "1,2\n" * 20, "first line has 1 cells, and most have 2"),
        ("a.csv", "a,b\n\0,2\n", "binary data"),
        ("a.csv", "a,a\n1,2\n", "column 'a' is repeated"),
        ("a.csv", "a,b\n<<<<<<< HEAD\n1,2\n", "merge-conflict marker in line 2"),
        ("a.parquet", "no", "not a Parquet file"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        reading.read(written(tmp_path / name, text))


def test_a_folder_and_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a folder; name one file"):
        reading.read(tmp_path)
    with pytest.raises(DataError, match="not there"):
        reading.read(tmp_path / "a.csv")
