"""Reading a customer table: errors about a file."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from churn.core.errors import DataError
from churn.core.params import CsvParams, DataParams
from churn.data.schema import converted, validate
from churn.data.table import read_table

DATA = DataParams(
    path="-", id="id", target="left", positive=1, numeric=("age", "spend"), categorical=("plan",)
)
HEADER = "id,age,spend,plan,left\n"
ROWS = "007,41,9.5,gold,0\n008,,1e3,,1\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return the path of a CSV file that a test writes."""
    return tmp_path / "t.csv"


def read(file: Path) -> pd.DataFrame:
    return converted(read_table(file, DATA), DATA, file)


def refusal(file: Path, content: str | bytes) -> str:
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError) as caught:
        read_table(file, DATA)
    message = str(caught.value)
    assert message.startswith(f"{file}: ")
    return message.removeprefix(f"{file}: ")


def test_ids_and_categories_are_text_and_numbers_are_numbers(file: Path) -> None:
    file.write_text(HEADER + ROWS)
    table = read(file)
    assert table["id"].tolist() == ["007", "008"]
    assert table["plan"].tolist()[0] == "gold"
    assert table["age"].iloc[0] == 41
    assert table["spend"].tolist() == [9.5, 1000.0]
    assert table["left"].tolist() == ["0", "1"]


def test_an_empty_cell_is_missing(file: Path) -> None:
    file.write_text(HEADER + ROWS)
    table = read(file)
    assert table.isna().sum().to_dict() == {"id": 0, "age": 1, "spend": 0, "plan": 1, "left": 0}


@pytest.mark.parametrize("word", ["NA", "n/a", "NaN", "null", "None", "-"])
def test_a_word_for_missing_is_missing_among_numbers_and_a_value_among_categories(
    word: str, file: Path
) -> None:
    file.write_text(f"{HEADER}a,{word},1,{word},0\nb,2,3,gold,1\n")
    table = read(file)
    assert np.isnan(table["age"].iloc[0])
    assert table["plan"].tolist() == [word, "gold"]


def test_only_the_declared_columns_are_read_whatever_their_order(file: Path) -> None:
    file.write_text("left,note,plan,spend,age,id\n1,hello,gold,2,3,a\n")
    assert set(read_table(file, DATA)) == {"id", "age", "spend", "plan", "left"}


def test_the_label_is_not_needed_to_predict(file: Path) -> None:
    file.write_text("id,age,spend,plan\na,1,2,gold\n")
    assert list(read_table(file, DATA, labelled=False)) == ["id", "age", "spend", "plan"]
    with pytest.raises(DataError, match="column 'left' is missing"):
        read_table(file, DATA)


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + (HEADER + ROWS).encode(),
        (HEADER + ROWS).replace("\n", "\r\n").encode(),
        (HEADER + ROWS + "\n").encode(),
        b'"id","age","spend","plan","left"\n"007","41","9.5","gold","0"\n"008",,"1000",,"1"\n',
    ],
    ids=["byte order mark", "Windows line ends", "blank line", "quotes"],
)
def test_usual_dialects_are_read(content: bytes, file: Path) -> None:
    file.write_text(HEADER + ROWS)
    plain = read(file)
    file.write_bytes(content)
    pd.testing.assert_frame_equal(read(file), plain, check_dtype=False)


def test_a_missing_file_is_refused(file: Path) -> None:
    with pytest.raises(
        DataError, match=r"t\.csv: not there; correct the path, or get it with `dvc pull`"
    ):
        read_table(file, DATA)
    with pytest.raises(DataError, match="a folder without Parquet files"):
        read_table(file.parent, DATA)
    with pytest.raises(DataError, match=r"\*\.csv: not there"):
        read_table(file.parent / "*.csv", DATA)
    other = file.with_suffix(".xlsx")
    other.write_text("x")
    with pytest.raises(DataError, match=r"must end in \.csv, \.tsv, \.csv\.gz or \.parquet"):
        read_table(other, DATA)


def test_an_empty_file_is_refused(file: Path) -> None:
    assert refusal(file, "").startswith("empty")


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (f"<<<<<<< HEAD\n{HEADER}{ROWS}", 1),
        (f"{HEADER}{ROWS}<<<<<<< HEAD\n{ROWS}", 4),
        (f"{HEADER}{ROWS}>>>>>>> 0123abc (other)\n{ROWS}", 4),
    ],
)
def test_a_conflict_marker_is_refused_with_its_line(content: str, line: int, file: Path) -> None:
    assert refusal(file, content).startswith(f"merge-conflict marker in line {line};")


@pytest.mark.parametrize(
    ("delimiter", "name"), [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")]
)
def test_another_delimiter_is_refused_by_name(delimiter: str, name: str, file: Path) -> None:
    message = refusal(file, (HEADER + ROWS).replace(",", delimiter))
    shown = {"\t": '"\\t"'}.get(delimiter, f"'{delimiter}'")
    assert message == f"delimited by {name}; set data.csv.separator: {shown} in params.yaml"
    style = DATA.csv.model_copy(update={"separator": delimiter})
    found = read_table(file, DATA.model_copy(update={"csv": style}))
    assert found["spend"].tolist() == ["9.5", "1e3"]


def test_a_missing_column_is_refused_with_what_was_found(file: Path) -> None:
    message = refusal(file, "id,age,cost,plan,left\na,1,2,x,0\n")
    assert message.startswith(
        "column 'spend' is missing (found: 'id', 'age', 'cost', 'plan', 'left')"
    )


def test_a_column_that_stands_twice_is_refused(file: Path) -> None:
    message = refusal(file, "id,age,age,spend,plan,left\na,1,1,2,x,0\n")
    assert message.startswith("column 'age' is repeated")


def test_a_row_of_another_length_is_refused_with_its_number(file: Path) -> None:
    # The third customer: rows are counted from 1 below the header, here as in the schema.
    assert "(row 3: Expected 5 columns, got 2" in refusal(file, HEADER + ROWS + "009,1\n")
    assert "(row 3: Expected 5 columns, got 2" in refusal(file, HEADER + ROWS + "\n\n009,1\n")


def test_a_cell_that_is_no_utf_8_is_refused_with_its_line_and_read_by_its_encoding(
    file: Path,
) -> None:
    content = (HEADER + ROWS.replace("gold", "größer")).encode("cp1252")
    assert refusal(file, content) == (
        "no UTF-8 text in line 2; set data.csv.encoding in params.yaml (Excel writes cp1252)"
    )
    for encoding in ("cp1252", "utf-16"):
        file.write_bytes(content.decode("cp1252").encode(encoding))
        data = DATA.model_copy(update={"csv": CsvParams(encoding=encoding)})
        assert read_table(file, data)["plan"].iloc[0] == "größer"
    data = DATA.model_copy(update={"csv": CsvParams(encoding="ascii")})
    with pytest.raises(DataError, match=r"no ascii text; correct data\.csv\.encoding"):
        read_table(file, data)


def test_a_row_is_counted_alike_whether_the_file_or_a_cell_is_wrong(file: Path) -> None:
    many = "".join(f"{i},{i},1,{'gold' if i % 2 else 'basic'},{i % 2}\n" for i in range(60))
    short = many.replace("7,7,1,gold,1\n", "7,7\n", 1)
    assert "(row 8: " in refusal(file, HEADER + short)
    file.write_text(HEADER + many.replace("7,7,1,", "7,x,1,", 1))
    with pytest.raises(DataError, match=r"column 'age', row 8 \(id 7\)"):
        validate(read_table(file, DATA), DATA, file)


def test_utf_16_is_refused_with_the_setting_that_reads_it(file: Path) -> None:
    message = refusal(file, (HEADER + ROWS).encode("utf-16"))
    assert message == "written as UTF-16; set data.csv.encoding: utf-16 in params.yaml"


def test_what_is_no_text_is_refused(file: Path) -> None:
    message = refusal(file, b"PK\x03\x04\x00\x00an Excel file")
    assert message.startswith("not a CSV file (it holds binary data)")


@pytest.mark.parametrize("name", ["t.CSV", "t.tsv", "t.csv.gz", "t.TSV.GZ"])
def test_the_ending_says_how_a_file_is_written(name: str, tmp_path: Path) -> None:
    content = (HEADER + ROWS).replace(",", "\t" if "tsv" in name.lower() else ",").encode()
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name.lower().endswith("gz") else content)
    assert read_table(path, DATA)["spend"].tolist() == ["9.5", "1e3"]


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress((HEADER + ROWS).encode())[:-9])
    with pytest.raises(DataError, match=r"t\.csv\.gz: damaged"):
        read_table(path, DATA)


def test_a_folder_as_spark_writes_it_and_files_of_a_pattern_are_one_table(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": ["a", "b"], "age": 1, "spend": 2.5, "plan": "x", "left": [0, 1]})
    (tmp_path / "spark").mkdir()
    (tmp_path / "spark" / "_SUCCESS").write_text("")
    for part, rows in enumerate([frame[:1], frame[1:]]):
        rows.to_parquet(tmp_path / "spark" / f"part-0000{part}.snappy.parquet", index=False)
        rows.to_csv(tmp_path / f"part-{part}.csv", index=False)
    assert read(tmp_path / "spark")["id"].tolist() == ["a", "b"]
    assert read(tmp_path / "part-*.csv").equals(read(tmp_path / "spark"))


def test_cells_may_stand_in_another_quote(file: Path) -> None:
    file.write_text(HEADER + "007,41,9.5,'gold, old',0\n")
    data = DATA.model_copy(update={"csv": CsvParams(quote="'")})
    assert read_table(file, data)["plan"].tolist() == ["gold, old"]


def test_a_first_line_that_names_the_separator_is_followed(file: Path) -> None:
    file.write_text("sep=;\n" + (HEADER + ROWS).replace(",", ";"))
    assert read_table(file, DATA)["spend"].tolist() == ["9.5", "1e3"]


def test_names_are_found_whatever_blanks_and_accents_are_written(file: Path) -> None:
    data = DATA.model_copy(update={"categorical": ("caf\u00e9",)})
    header = HEADER.replace("age", " age ").replace("plan", "cafe\u0301")
    file.write_text(header + ROWS)
    assert set(read_table(file, data)) == {"id", "age", "spend", "caf\u00e9", "left"}
    file.write_text(HEADER.replace("age,spend", " age,spend,age ") + ROWS)
    with pytest.raises(DataError, match="column ' age' and 'age ' is repeated"):
        read_table(file, DATA)


@pytest.mark.parametrize("end", ["", "\n"])
def test_empty_rows_at_the_end_are_left_out_and_told(
    end: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(HEADER + ROWS + ",,,,\n , ,,,\n,,,," + end)
    assert read_table(file, DATA)["id"].tolist() == ["007", "008"]
    assert capsys.readouterr().err == f"== {file}: 3 empty rows at the end are ignored\n"
    file.write_text(HEADER + ",,,,\n" + ROWS)
    assert len(read_table(file, DATA)) == 3


def test_large_whole_numbers_with_gaps_are_exact_in_parquet(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    large = pd.array([2**53 + 1, 2**53, None], dtype="Int64")
    frame = pd.DataFrame({"id": ["a", "b", "c"], "age": 1, "spend": 2, "plan": large, "left": 0})
    frame.to_parquet(path)
    assert read(path)["plan"].tolist()[:2] == ["9007199254740993", "9007199254740992"]
    assert read(path)["plan"].isna().tolist() == [False, False, True]


def test_parquet_gives_the_same_table_as_csv(file: Path) -> None:
    file.write_text(HEADER + ROWS)
    expected = read(file)
    parquet = file.with_suffix(".parquet")
    expected.assign(note="other").to_parquet(parquet)
    pd.testing.assert_frame_equal(read(parquet), expected)


def test_numeric_ids_in_parquet_become_text_without_a_decimal_point(file: Path) -> None:
    parquet = file.with_suffix(".parquet")
    ids = pd.Series([7.0, np.nan])
    frame = pd.DataFrame({"id": ids, "age": 1.0, "spend": 1.0, "plan": "x", "left": [0, 1]})
    frame.to_parquet(parquet)
    table = read(parquet)
    assert table["id"].iloc[0] == "7"
    assert table["id"].isna().tolist() == [False, True]


def test_a_damaged_parquet_file_is_refused(file: Path) -> None:
    parquet = file.with_suffix(".parquet")
    parquet.write_bytes(b"PAR1 nothing more")
    with pytest.raises(DataError, match=r"t\.parquet: not a Parquet file"):
        read_table(parquet, DATA)
    pd.DataFrame({"id": ["a"]}).to_parquet(parquet)
    with pytest.raises(DataError, match="column 'age' is missing"):
        read_table(parquet, DATA)


def test_a_parquet_column_of_lists_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "customers.parquet"
    frame = pd.DataFrame({name: ["1", "2"] for name in (DATA.id, *DATA.inputs)})
    frame.assign(**{DATA.target: [[0], [1]]}).to_parquet(path)
    with pytest.raises(DataError, match=f"column '{DATA.target}' holds lists"):
        read_table(path, DATA)


def test_an_empty_text_in_parquet_is_missing_as_in_csv(tmp_path: Path) -> None:
    path = tmp_path / "customers.parquet"
    frame = pd.DataFrame({name: ["1", ""] for name in (DATA.id, *DATA.inputs)})
    frame.assign(**{DATA.target: [0, 1]}).to_parquet(path)
    assert read(path)[DATA.id].isna().tolist() == [False, True]


def test_whole_numbers_with_gaps_are_the_same_text_in_csv_and_parquet(tmp_path: Path) -> None:
    frame = pd.DataFrame({name: [1.0, 2.0, None] for name in (DATA.id, *DATA.inputs)})
    frame = frame.assign(**{DATA.target: [0, 1, 0]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.set_index(DATA.id).to_parquet(tmp_path / "t.parquet")  # the id as pandas' index
    text = read(tmp_path / "t.csv")
    table = read(tmp_path / "t.parquet")
    for found in (text, table):
        for name in (DATA.id, *DATA.categorical):
            assert found[name].tolist()[:2] == ["1", "2"]
            assert found[name].isna().tolist() == [False, False, True]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_the_rows_of_a_table_without_an_id_are_numbered(
    ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = {"path": "-", "id": None, "target": "left", "positive": 1, "numeric": ("age",)}
    data = DataParams.model_validate(document)
    frame = pd.DataFrame({"age": [41, 42], "left": [0, 1]})
    file = tmp_path / f"t.{ending}"
    frame.to_csv(file, index=False) if ending == "csv" else frame.to_parquet(file)
    assert read_table(file, data)["(row)"].tolist() == [1, 2]
    assert "rows are numbered, because data.id is null" in capsys.readouterr().err

    frame.assign(**{"(row)": [7, 8]}).to_parquet(tmp_path / "own.parquet")
    assert read_table(tmp_path / "own.parquet", data)["(row)"].tolist() == [7, 8]
