"""A table read in parts is the table that is read as a whole, whatever the parts."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churn.core.errors import DataError
from churn.core.params import CsvParams
from churn.data import decoding, streams
from churn.data.streams import File

NAMES = ["id", "age", "plan"]
CELLS = st.one_of(
    st.sampled_from(
        ["", " ", "NA", "1", "1.0", " 2,5", "-3e7", "größer", "a;b", 'say "x"', "true"]
    ),
    st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=6),
)
TABLES = st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=40)


def expected(text: str, style: CsvParams) -> pd.DataFrame:
    """Read it by pyarrow as a whole, and drop empty rows at the end."""
    table = pa.csv.read_csv(
        io.BytesIO(text.encode()),
        read_options=pa.csv.ReadOptions(use_threads=False),
        parse_options=pa.csv.ParseOptions(
            delimiter=style.separator, quote_char=style.quote, newlines_in_values=True
        ),
        convert_options=pa.csv.ConvertOptions(column_types=dict.fromkeys(NAMES, pa.string())),
    ).to_pandas()
    filled = table.apply(lambda column: column.str.strip().replace("", None).notna())
    kept = filled.any(axis=1)
    return table.iloc[: kept[kept].index.max() + 1 if kept.any() else 0]


@pytest.mark.slow
@given(
    rows=TABLES,
    separator=st.sampled_from([",", ";", "\t"]),
    quote=st.sampled_from(['"', "'"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    end=st.sampled_from(["\n", "\r\n"]),
    block=st.integers(3, 60),
    start=st.integers(0, 45),
    packed=st.booleans(),
)
def test_any_block_and_any_start_gives_the_rows_of_the_whole(
    rows: list[tuple[str, ...]],
    separator: str,
    quote: str,
    encoding: str,
    end: str,
    block: int,
    start: int,
    packed: bool,
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, quotechar=quote, lineterminator=end)
    writer.writerows([NAMES, *rows])
    style = CsvParams(separator=separator, quote=quote, encoding=encoding.removesuffix("-sig"))
    content = text.getvalue().encode(encoding)
    name = "t.csv.gz" if packed else "t.csv"
    content = gzip.compress(content) if packed else content
    file = File(name, len(content), lambda: io.BytesIO(content))
    whole = expected(text.getvalue(), style)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "_BLOCK", block)
        parts = list(streams.tables(file, NAMES, style, start))

    found = streams.frame(pa.concat_tables(parts))
    pd.testing.assert_frame_equal(found, whole.iloc[start:].reset_index(drop=True))
    assert not len(parts[0])


@pytest.mark.parametrize("start", [0, 1, 9, 10, 11, 25, 26, 30])
def test_a_parquet_file_is_read_from_any_row_on(start: int, tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": [f"C{i}" for i in range(26)], "age": range(26), "plan": None})
    frame.loc[3, "age"] = None
    pq.write_table(pa.Table.from_pandas(frame), tmp_path / "t.parquet", row_group_size=10)
    file = File.local(tmp_path / "t.parquet")
    parts = list(streams.tables(file, NAMES, CsvParams(), start))
    found = streams.frame(pa.concat_tables(parts))
    assert found["id"].tolist() == frame["id"].tolist()[start:]
    assert streams.known_rows(file, NAMES, CsvParams()) == 26


@pytest.mark.parametrize("block", [5, 16, 64, 10_000])
@pytest.mark.parametrize(
    ("spoilt", "message"),
    [
        ("<<<<<<< HEAD\n", "merge-conflict marker in line 32;"),
        ("999,1,\u00e9\n", "no UTF-8 text in line 32;"),
        ("999,1\n", "row 31: Expected 3 columns, got 2"),
        ("999,\0,x\n", "binary data"),
    ],
)
def test_what_is_wrong_far_below_is_found_at_its_line(
    spoilt: str, message: str, block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "_BLOCK", block)
    rows = "".join(f"{i},{i},gold\n" for i in range(30))
    (tmp_path / "t.csv").write_bytes(("id,age,plan\n" + rows + spoilt + rows).encode("cp1252"))
    with pytest.raises(DataError, match=r"t\.csv: .*" + message):
        list(streams.tables(File.local(tmp_path / "t.csv"), NAMES, CsvParams()))


def test_empty_rows_in_the_middle_stay_and_those_at_the_end_do_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = pd.DataFrame({"id": [None] * 12, "age": None, "plan": ""})
    full = pd.DataFrame({"id": ["a"], "age": [1.0], "plan": ["x"]})
    frame = pd.concat([full, empty, full, empty], ignore_index=True)
    pq.write_table(pa.Table.from_pandas(frame), tmp_path / "t.parquet", row_group_size=4)
    parts = streams.tables(File.local(tmp_path / "t.parquet"), NAMES, CsvParams())
    assert sum(map(len, parts)) == 14
    assert "12 empty rows at the end are ignored" in capsys.readouterr().err
