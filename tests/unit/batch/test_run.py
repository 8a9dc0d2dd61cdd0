"""Predict for tables: what is written, and that it has the bits of the whole table."""

from __future__ import annotations

import multiprocessing
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.local import LocalFileSystem

from churn.batch import job, parts, pool, reading, run, scoring, unfinished
from churn.batch.run import Options
from churn.core.errors import ChurnError, DataError, ExplanationError
from churn.explanation.values import Explainer
from churn.model.artifact import Model
from churn.serve.served import Served

pytestmark = pytest.mark.slow

# Small, so that some hundred rows are several chunks and parts.
SIZES: dict[str, Any] = {"chunk_rows": 16, "part_rows": 64, "workers": 1}


@pytest.fixture(scope="session")
def loaded() -> dict[str, Served]:
    return {}


@pytest.fixture(autouse=True)
def _loaded_once(
    loaded: dict[str, Served], monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """Load a model once for all tests, which takes longer than what they do with it."""
    real = scoring.load

    def load(store: Any, loadable: Any) -> Served:
        if loadable.digest not in loaded:
            loaded[loadable.digest] = real(store, loadable)
        return loaded[loadable.digest]

    if "reference" not in request.node.name:
        monkeypatch.setattr(scoring, "load", load)


@pytest.fixture
def table(planned: pd.DataFrame) -> pd.DataFrame:
    return planned.head(150).drop(columns="churned")


@pytest.fixture
def options(stored: Path, tmp_path: Path) -> Options:
    return Options(str(stored), str(tmp_path / "in"), str(tmp_path / "out"), **SIZES)


def spark(folder: Path, table: pd.DataFrame, files: int = 3) -> None:
    """Write a folder as Spark does."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "_SUCCESS").touch()
    for i, places in enumerate(np.array_split(np.arange(len(table)), files)):
        rows = pa.Table.from_pandas(table.iloc[places], preserve_index=False)
        pq.write_table(rows, folder / f"part-{i:05}-c000.snappy.parquet", row_group_size=20)


def read(folder: Path) -> pd.DataFrame:
    files = sorted(p for p in folder.rglob("*.parquet") if "_unfinished" not in p.parts)
    return pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def refusal(options: Options) -> str:
    with pytest.raises(ChurnError) as caught:
        run.run(options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_folder_of_spark_gives_the_same_files_with_the_bits_of_the_whole_table(
    options: Options, table: pd.DataFrame, model: Model
) -> None:
    spark(Path(options.input), table)
    outcome = run.run(options)

    out = Path(options.output)
    assert sorted(tree(out)) == [
        "_SUCCESS",
        "_run.json",
        *(f"part-{i:05}-c000.snappy.parquet" for i in range(3)),
    ]
    found = read(out)
    assert list(found) == ["customer_id", "probability", "prediction", "version", "time"]
    assert found["customer_id"].tolist() == table["customer_id"].tolist()
    expected = model.predict(table)
    np.testing.assert_array_equal(
        found["probability"].to_numpy().view(np.int64),
        expected["probability"].to_numpy().view(np.int64),
    )
    assert found["prediction"].tolist() == expected["prediction"].tolist()
    assert set(found["version"]) == {outcome.version}
    assert found["time"].nunique() == 1
    assert abs(pd.Timestamp.now(tz="UTC") - found["time"].iloc[0]) < pd.Timedelta("10min")
    assert (outcome.customers, outcome.bad, outcome.files) == (150, 0, 3)


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".tsv", ".parquet"])
def test_a_large_file_gives_several_and_a_small_one_gives_one(
    ending: str, options: Options, table: pd.DataFrame, model: Model
) -> None:
    source = Path(options.input)
    for name, rows in {"a/large": table, "b/small": table[:64], "b/c/none": table[:0]}.items():
        file = source / f"{name}{ending}"
        file.parent.mkdir(parents=True, exist_ok=True)
        if ending == ".parquet":
            rows.to_parquet(file)
        else:
            rows.to_csv(file, index=False, sep="\t" if ending == ".tsv" else ",")
    run.run(options)

    written = ending.replace("tsv", "csv")
    names = [f"a/large.{i:05}{written}" for i in range(3)]
    names += [f"b/c/none{written}", f"b/small{written}"]
    assert sorted(tree(Path(options.output))) == ["_SUCCESS", "_run.json", *names]
    as_frame: Callable[..., pd.DataFrame] = pd.read_csv
    if ending == ".parquet":
        as_frame = pd.read_parquet
    files = [as_frame(Path(options.output) / name) for name in names]
    assert [len(file) for file in files] == [64, 64, 22, 0, 64]
    found = pd.concat(files[:3])["probability"].to_numpy()
    np.testing.assert_array_equal(found, model.scores(table))
    assert all(list(file)[-2:] == ["version", "time"] for file in files)


def test_a_pattern_and_one_file(options: Options, table: pd.DataFrame, tmp_path: Path) -> None:
    spark(tmp_path / "in", table)
    one = replace(options, input=f"{options.input}/*-0000[01]-*", output=f"{tmp_path}/two/")
    assert run.run(one).files == 2
    file = tmp_path / "in/part-00002-c000.snappy.parquet"
    assert run.run(replace(options, input=str(file))).customers == 50
    assert (tmp_path / "out" / file.name).is_file()


def test_processes_give_the_same_bytes(options: Options, table: pd.DataFrame, tmp_path: Path,
                                       monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    spark(Path(options.input), table)
    fixed(monkeypatch)
    run.run(options)
    run.run(replace(options, output=f"{tmp_path}/two", workers=2, few_rows=0))
    assert tree(tmp_path / "two") == tree(Path(options.output))


@pytest.mark.parametrize(
    "kind", [pa.binary(), pa.large_binary(), pa.dictionary(pa.int32(), pa.binary())]
)
def test_text_that_is_stored_as_bytes_is_text(
    kind: pa.DataType, options: Options, table: pd.DataFrame, model: Model
) -> None:
    """Impala and older versions of Hive do not say in the file that it is text."""
    Path(options.input).mkdir()
    table = table.head(60)
    rows = pa.Table.from_pandas(table, preserve_index=False)
    for place, field in enumerate(rows.schema):
        if pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
            stored = rows[place].combine_chunks().cast(pa.string()).cast(pa.binary())
            as_bytes = stored.dictionary_encode() if pa.types.is_dictionary(kind) else stored
            rows = rows.set_column(place, field.name, as_bytes.cast(kind))
    pq.write_table(rows, Path(options.input) / "bytes.parquet.gz")  # an ending that says too much
    assert run.run(options).customers == len(table)
    found = pq.read_table(Path(options.output) / "bytes.parquet.gz").to_pandas()
    assert found["customer_id"].tolist() == table["customer_id"].tolist()
    np.testing.assert_array_equal(found["probability"], model.scores(table))


def test_bytes_that_are_no_text_are_refused(options: Options, table: pd.DataFrame) -> None:
    Path(options.input).mkdir()
    rows = table.assign(customer_id=[b"\xff%d" % place for place in range(len(table))])
    rows.to_parquet(Path(options.input) / "bytes.parquet")
    assert "not a Parquet file (ArrowInvalid: Invalid UTF8" in refusal(options)


@pytest.mark.parametrize(
    ("pattern", "files"),
    [
        ("*/*.parquet", 3),
        ("day=1/*.parquet", 1),
        ("day=[12]/part-?.parquet", 2),
        ("**/*.parquet", 3),  # follows no link to a folder, which may lead back
        ("**/day=3/**", 2),
    ],
)
def test_a_pattern_finds_links_and_what_is_below(
    pattern: str, files: int, options: Options, table: pd.DataFrame, tmp_path: Path
) -> None:
    source, elsewhere = Path(options.input), tmp_path / "elsewhere"
    for name in ("day=1/part-0.parquet", "day=3/hour=1/part-1.parquet"):
        (source / name).parent.mkdir(parents=True)
        table[:5].to_parquet(source / name)
    (elsewhere / "day=2").mkdir(parents=True)
    table[:7].to_parquet(elsewhere / "day=2/part-2.parquet")
    (source / "day=3/part-4.parquet").symlink_to(elsewhere / "day=2/part-2.parquet")
    (source / "day=2").symlink_to(elsewhere / "day=2")
    (source / "back").symlink_to(source)
    assert run.run(replace(options, input=f"{source}/{pattern}")).files == files


def test_a_link_has_changed_when_the_file_has(
    options: Options, table: pd.DataFrame, tmp_path: Path
) -> None:
    Path(options.input).mkdir()
    (Path(options.input) / ".#lock").symlink_to("me@somewhere")  # an editor's
    rows = table.assign(age=30)
    rows.to_csv(tmp_path / "customers.csv", index=False)
    (Path(options.input) / "customers.csv").symlink_to(tmp_path / "customers.csv")
    run.run(options)
    rows.assign(age=31).to_csv(tmp_path / "customers.csv", index=False)  # as long as before
    said = refusal(replace(options, resume=True))
    assert "holds the output of another run (customers.csv has changed)" in said


@pytest.mark.parametrize("pattern", ["", "/*/*.parquet"])
def test_a_folder_that_cannot_be_listed_is_not_left_out(
    pattern: str, options: Options, table: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in (1, 2):
        spark(Path(options.input) / f"day={day}", table, files=1)
    real = LocalFileSystem.ls

    def ls(self: Any, path: str, detail: bool = False, **more: Any) -> Any:
        if path.endswith("day=2"):
            raise PermissionError(13, "Permission denied", path)
        return real(self, path, detail, **more)

    monkeypatch.setattr(LocalFileSystem, "ls", ls)
    said = refusal(replace(options, input=options.input + pattern))
    assert said == f"{options.input}{pattern}: cannot be read (Permission denied)"
    assert not Path(options.output).exists()


def test_a_file_that_changes_while_it_is_read_ends_the_run(
    options: Options, table: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(options.input).mkdir()
    file = Path(options.input) / "customers.csv"
    table.to_csv(file, index=False)
    real = reading.parts

    def growing(*arguments: Any) -> Iterator[pool.Part]:
        for number, part in enumerate(real(*arguments)):
            if number == 1:
                table.to_csv(file, index=False, mode="a", header=False)
            yield part

    with monkeypatch.context() as patch:
        patch.setattr(reading, "parts", growing)
        said = refusal(options)
    assert said.startswith(f"{file}: has changed while it was read, so nothing of the run is left")
    assert not Path(options.output).exists()
    assert run.run(replace(options, resume=True)).customers == 300


def fixed(patch: pytest.MonkeyPatch, second: int = 0) -> None:
    """Let every run have the same time."""

    real = run._run

    def told(*arguments: Any) -> Any:
        return real(*arguments).model_copy(update={"time": f"2026-11-30T04:00:{second:02}+00:00"})

    patch.setattr(run, "_run", told)


class Killed(BaseException):
    """As a signal would end the process."""


@pytest.mark.parametrize("after", range(1, 7))
def test_a_run_that_was_killed_goes_on(
    after: int, options: Options, table: pd.DataFrame, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    spark(Path(options.input), table, files=2)  # of two parts each: four, and what ends the run
    spoilt = table.copy().astype({"age": object})
    spoilt.loc[[3, 70, 140], "age"] = "old"
    rows = pa.Table.from_pandas(spoilt.astype({"age": "str"}), preserve_index=False)
    pq.write_table(rows, Path(options.input) / "part-00009.parquet")
    options = replace(options, bad_rows="quarantine")
    fixed(monkeypatch)
    whole = replace(options, output=str(tmp_path / "whole"))
    run.run(whole)

    counted = iter(range(after))
    real = unfinished.Folder.publish

    def publish(self: Any, file: Path, name: str) -> None:
        real(self, file, name)
        if "/parts/" in name and next(counted, None) is None:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(unfinished.Folder, "publish", publish)
        with pytest.raises(Killed):
            run.run(options)
    before = tree(Path(options.output))
    assert not any(name.startswith("part-") for name in before)
    assert "has not ended; --resume goes on with it" in refusal(options)
    fixed(monkeypatch, second=9)  # the time of the run is when it began

    outcome = run.run(replace(options, resume=True))

    assert tree(Path(options.output)) == {
        name: content.replace(b"/whole", b"/out")
        for name, content in tree(tmp_path / "whole").items()
    }
    assert (outcome.customers, outcome.bad) == (297, 3)
    assert outcome.rows < 300
    again = run.run(replace(options, resume=True))
    assert (again.rows, again.customers) == (0, 297)


@pytest.mark.parametrize("at", range(12))
def test_a_run_that_was_killed_while_it_moves_its_files_goes_on(
    at: int, options: Options, table: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An earlier output is replaced; each step of the end is the last one."""
    spark(Path(options.input), table, files=3)
    fixed(monkeypatch)
    run.run(options)
    before = tree(Path(options.output))
    (Path(options.input) / "part-00000-c000.snappy.parquet").unlink()
    run.run(replace(options, output=str(tmp_path / "whole")))
    steps = iter(range(at))
    ending = [False]

    def counted(name: str) -> None:
        real = getattr(unfinished.Folder, name)

        def step(self: Any, *arguments: Any) -> Any:
            if ending[0] and next(steps, None) is None:
                raise Killed
            return real(self, *arguments)

        patch.setattr(unfinished.Folder, name, step)

    real = unfinished.Unfinished.finish

    def finish(self: Any, scratch: Path) -> None:
        ending[0] = True
        real(self, scratch)

    with monkeypatch.context() as patch:
        patch.setattr(unfinished.Unfinished, "finish", finish)
        for name in ("move", "remove", "publish"):
            counted(name)
        try:
            run.run(replace(options, overwrite=True))
        except Killed:
            pass
        else:
            assert at >= 8  # that many steps there are
    found = {name: content for name, content in tree(Path(options.output)).items()
             if not name.startswith("_unfinished")}  # fmt: skip
    if "_SUCCESS" in found:
        assert found in (before, tree(tmp_path / "whole"))
    run.run(replace(options, resume=True))
    assert tree(Path(options.output)) == tree(tmp_path / "whole")


@pytest.mark.parametrize("again", range(6))
@pytest.mark.parametrize("at", [1, 2])
def test_a_run_that_was_killed_while_it_moves_its_files_can_be_replaced(
    at: int,
    again: int,
    options: Options,
    table: pd.DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As where its input has changed since, and it cannot go on."""
    table.to_parquet(tmp_path / "large.parquet")
    Path(options.input).mkdir()
    (Path(options.input) / "one.parquet").symlink_to(tmp_path / "large.parquet")  # three parts
    steps = iter(range(at))
    real = unfinished.Folder.move

    def move(self: Any, *names: str) -> None:
        if next(steps, None) is None:
            raise Killed
        real(self, *names)

    with monkeypatch.context() as patch:
        patch.setattr(unfinished.Folder, "move", move)
        with pytest.raises(Killed):
            run.run(options)
    table[:20].to_parquet(tmp_path / "large.parquet")
    assert "one.parquet has changed" in refusal(replace(options, resume=True))
    # What replaces it may be killed as well, while it clears the folder.
    clearing = iter(range(again))
    remove = unfinished.Folder.remove

    def remove_or_not(self: Any, name: str) -> None:
        if next(clearing, None) is None:
            raise Killed
        remove(self, name)

    with monkeypatch.context() as patch, suppress(Killed):
        patch.setattr(unfinished.Folder, "remove", remove_or_not)
        run.run(replace(options, overwrite=True))
    with suppress(DataError):
        run.run(replace(options, resume=True))
    names = set(tree(Path(options.output)))
    assert "_SUCCESS" not in names or names == {"one.parquet", "_run.json", "_SUCCESS"}
    assert run.run(replace(options, overwrite=True)).customers == 20
    assert set(tree(Path(options.output))) == {"one.parquet", "_run.json", "_SUCCESS"}


def test_an_output_without_its_last_file_is_not_complete(
    options: Options, table: pd.DataFrame
) -> None:
    spark(Path(options.input), table)
    run.run(options)
    (Path(options.output) / "_SUCCESS").unlink()
    assert "not empty; name another folder" in refusal(replace(options, resume=True))
    assert run.run(replace(options, overwrite=True)).customers == 150


def test_only_the_same_run_goes_on(
    options: Options, table: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    spark(Path(options.input), table)
    with monkeypatch.context() as patch:
        patch.setattr(job.Job, "finish", lambda self: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            run.run(options)
    resumed = replace(options, resume=True)

    spark(tmp_path / "other", table)
    assert "its input was " in refusal(replace(resumed, input=str(tmp_path / "other")))
    assert "it has --bad-rows refuse" in refusal(replace(resumed, bad_rows="quarantine"))
    assert "another version of churn" in refusal(replace(resumed, chunk_rows=32))
    with monkeypatch.context() as patch:
        begin = run._run
        other = {"version": "7", "digest": "0" * 64}
        patch.setattr(run, "_run", lambda *a: begin(*a).model_copy(update=other))
        assert re.search(
            r"its model was \w+ \(\w{12}\), and now it is 7 \(0{12}\)", refusal(resumed)
        )
    table[:3].to_parquet(Path(options.input) / "part-1.parquet")
    assert "part-1.parquet is new in the input" in refusal(resumed)
    part = Path(options.input) / "part-00001-c000.snappy.parquet"
    table[:3].to_parquet(part)
    assert "part-00001-c000.snappy.parquet has changed" in refusal(resumed)
    part.unlink()
    assert "part-00001-c000.snappy.parquet is no longer in the input" in refusal(resumed)
    assert run.run(replace(options, overwrite=True)).customers == 103


def test_an_output_with_something_in_it_is_refused(options: Options, table: pd.DataFrame) -> None:
    spark(Path(options.input), table)
    out = Path(options.output)
    out.mkdir()
    (out / "letter.txt").write_text("mine")
    assert refusal(options).startswith(f"{out}: not empty; name another folder")
    said = refusal(replace(options, overwrite=True))
    assert said.startswith(f"{out}: holds letter.txt, which churn predict has not written")
    (out / "letter.txt").unlink()
    run.run(options)
    assert "not empty" in refusal(options)
    changed = replace(options, bad_rows="quarantine")
    assert "output of another run (it has --bad-rows refuse)" in refusal(
        replace(changed, resume=True)
    )
    run.run(replace(changed, overwrite=True))
    assert {name for name in tree(out) if name[0] != "_"} == {
        f"part-{i:05}-c000.snappy.parquet" for i in range(3)
    }


def test_a_bad_row_is_named_and_nothing_is_left(
    options: Options, table: pd.DataFrame, tmp_path: Path
) -> None:
    spark(Path(options.input), table[:70], files=1)
    spoilt = table.iloc[70:].astype({"age": object}).reset_index(drop=True)
    spoilt.loc[66, "age"] = "old"
    spoilt.astype({"age": "str"}).to_parquet(Path(options.input) / "part-7.parquet")

    said = refusal(options)

    file, who = Path(options.input) / "part-7.parquet", spoilt["customer_id"][66]
    assert said.startswith(f"{file}: column 'age', row 67 (customer_id {who}): is 'old', which is")
    assert not Path(options.output).exists()


def test_bad_rows_are_set_apart_with_their_reason_and_counted(
    options: Options, table: pd.DataFrame, model: Model
) -> None:
    Path(options.input).mkdir()
    spoilt = table.astype({"age": object})
    spoilt.loc[[0, 20, 21], "age"] = ["old, very", "inf", "1e39"]
    spoilt.loc[[100, 149], "customer_id"] = ["", " "]
    spoilt.loc[20, "frequency"] = np.inf
    spoilt.to_csv(Path(options.input) / "all.csv", index=False)

    outcome = run.run(replace(options, bad_rows="quarantine"))

    assert (outcome.customers, outcome.bad) == (145, 5)
    assert run.described(outcome, "out")[1] == "5 bad rows, with the reasons, in _bad_rows/"
    out = Path(options.output)
    assert sorted(path.name for path in (out / "_bad_rows").iterdir()) == [
        "all.00000.csv.csv",
        "all.00001.csv.csv",
        "all.00002.csv.csv",
    ]
    bad = pd.concat(
        pd.read_csv(path, dtype="str") for path in sorted((out / "_bad_rows").iterdir())
    )
    assert bad["row"].tolist() == ["1", "21", "22", "101", "150"]
    assert bad["age"].tolist()[:3] == ["old, very", "inf", "1e39"]
    assert "is 'old, very', which is not a number" in bad["reason"].iloc[0]
    assert "column 'customer_id', row 101: is missing" in bad["reason"].iloc[3]
    good = table.drop(index=[0, 20, 21, 100, 149])
    found = pd.concat(pd.read_csv(out / f"all.{i:05}.csv") for i in range(3))
    assert found["customer_id"].tolist() == good["customer_id"].tolist()
    np.testing.assert_array_equal(found["probability"], model.scores(good))


def test_a_chunk_of_bad_rows_only(options: Options, table: pd.DataFrame) -> None:
    Path(options.input).mkdir()
    table.assign(age="x").to_csv(Path(options.input) / "all.csv", index=False)
    outcome = run.run(replace(options, bad_rows="quarantine"))
    assert (outcome.customers, outcome.bad) == (0, 150)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "part-00002-c000.snappy.parquet").write_bytes(b"PAR1 no"), "not a Parquet"),
        (
            lambda f: pd.DataFrame({"customer_id": ["a"]}).to_parquet(f / "part-7.parquet"),
            "part-7.parquet: column '.*' is missing",
        ),
        (lambda f: (f / "more.csv").write_text("a\n1\n"), "holds both CSV and Parquet files"),
        (lambda f: (f / "part-8.parquet").touch(), "part-8.parquet: empty"),
        (lambda f: [p.unlink() for p in f.iterdir()], "no CSV or Parquet files there"),
        (lambda f: [p.unlink() for p in f.iterdir()] + [f.rmdir()], "cannot be read .not there"),
    ],
)
def test_an_input_that_cannot_be_used_is_refused_before_anything_is_written(
    spoil: Callable[[Path], Any], message: str, options: Options, table: pd.DataFrame
) -> None:
    spark(Path(options.input), table)
    spoil(Path(options.input))
    with pytest.raises(DataError, match=message):
        run.run(options)
    assert not Path(options.output).exists()


def test_a_file_that_is_damaged_in_the_middle_leaves_whole_parts(
    options: Options, table: pd.DataFrame
) -> None:
    spark(Path(options.input), table[:20], files=1)
    file = Path(options.input) / "part-1.parquet"
    rows = pa.Table.from_pandas(table, preserve_index=False)
    pq.write_table(rows, file, row_group_size=30, compression="none", use_dictionary=False)
    content = bytearray(file.read_bytes())
    start = pq.ParquetFile(file).metadata.row_group(3).column(0).data_page_offset
    content[start : start + 40] = b"\xff" * 40
    file.write_bytes(bytes(content))
    said = refusal(replace(options, few_rows=0))
    assert said.startswith(f"{file}: not a Parquet file (")
    assert "_SUCCESS" not in tree(Path(options.output))
    assert "_unfinished/data/part-00000-c000.snappy.parquet" in tree(Path(options.output))


def test_no_customers_and_a_folder_in_the_input_are_refused(
    options: Options, table: pd.DataFrame
) -> None:
    spark(Path(options.input), table[:0], files=1)
    assert refusal(options) == f"{options.input}: no customers in it"
    assert not Path(options.output).exists()
    below = replace(options, output=f"{options.input}/scored")
    assert "is in the input" in refusal(below)
    assert "is in the input" in refusal(replace(options, output=f"{options.input}/"))


def test_two_files_that_would_have_one_name_are_refused(
    options: Options, table: pd.DataFrame
) -> None:
    Path(options.input).mkdir()
    for name, separator in (("a.csv", ","), ("a.tsv", "\t")):
        table.to_csv(Path(options.input) / name, index=False, sep=separator)
    assert "2 files of the input would be written to a.csv" in refusal(options)


def test_an_output_that_cannot_be_written_is_one_line(
    options: Options, table: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spark(Path(options.input), table)
    (tmp_path / "file").write_text("")
    said = refusal(replace(options, output=str(tmp_path / "file" / "out")))
    assert said.startswith(f"{tmp_path}/file/out: cannot be written (")

    def full(self: Any, *_: Any) -> None:
        raise OSError(28, "No space left on device")

    for name in ("add", "close"):
        with monkeypatch.context() as patch:
            patch.setattr(parts.Writer, name, full)
            said = refusal(replace(options, overwrite=True))
        assert said == f"{options.output}: cannot be written (No space left on device)"
    assert run.run(replace(options, resume=True)).customers == 150


def test_a_process_that_is_killed_ends_the_run_in_one_line(
    options: Options, table: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    spark(Path(options.input), table)
    real = reading.parts

    def spoilt(*arguments: Any) -> Iterator[pool.Part]:
        for number, part in enumerate(real(*arguments)):
            if number == 5:
                for one in multiprocessing.active_children():
                    one.kill()
            yield part

    monkeypatch.setattr(reading, "parts", spoilt)
    said = refusal(replace(options, workers=2, few_rows=0))
    assert said.startswith("a process that predicts was killed")
    monkeypatch.undo()
    assert run.run(replace(options, resume=True)).customers == 150


def test_categories_that_the_model_has_not_seen_are_told_once(
    options: Options, table: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    table.loc[[4, 50, 99], "plan"] = ["silver", "Silver", "silver"]
    spark(Path(options.input), table)
    run.run(options)
    assert (
        "column 'plan' has categories that the model was not trained on, for 3 of 150 customers:"
        " 'silver' (2), 'Silver' (1)\n"
    ) in capsys.readouterr().err


def test_the_reference_predicts_where_the_compiled_model_is_not_accepted(
    options: Options, table: pd.DataFrame, model: Model, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    spark(Path(options.input), table)
    monkeypatch.setattr("churn.serve.parity.difference", lambda *_: "3 of 9 rows differ")
    run.run(replace(options, workers=2, few_rows=0))
    assert "scikit-learn predicts, several times slower: 3 of 9 rows" in capsys.readouterr().err
    np.testing.assert_array_equal(read(Path(options.output))["probability"], model.scores(table))


def test_two_at_once_are_refused(options: Options, table: pd.DataFrame) -> None:
    spark(Path(options.input), table)
    folder = unfinished.Folder(options.output)
    with folder.locked():
        assert "another churn predict is writing there" in refusal(options)
    run.run(options)


def test_what_reads_the_output_reads_nothing_else(options: Options, table: pd.DataFrame) -> None:
    spoilt = table.astype({"age": object})
    spoilt.loc[3, "age"] = "old"
    Path(options.input).mkdir()
    spoilt.astype({"age": "str"}).to_parquet(Path(options.input) / "a.parquet")
    run.run(replace(options, bad_rows="quarantine"))
    assert pq.read_table(options.output).num_rows == 149


def test_the_reasons_of_each_prediction_stand_beside_it(
    options: Options, table: pd.DataFrame, model: Model
) -> None:
    Path(options.input).mkdir()
    table.iloc[:100].to_csv(Path(options.input) / "a.csv")
    run.run(replace(options, reasons=2))

    found = pd.read_csv(Path(options.output) / "a.00000.csv")
    assert list(found)[3:7] == ["reason_1", "reason_1_effect", "reason_2", "reason_2_effect"]
    values = Explainer(model).explain(model.inputs(table.iloc[:64])).values
    np.testing.assert_allclose(found["reason_1_effect"].abs(), np.abs(values).max(axis=1))
    places = [model.card.inputs.index(name) for name in found["reason_1"]]
    np.testing.assert_allclose(found["reason_1_effect"], values[range(64), places])
    assert (found["reason_1_effect"].abs() >= found["reason_2_effect"].abs()).all()
    run.run(replace(options, reasons=2, resume=True))
    again = replace(options, reasons=1, resume=True)
    assert "holds the output of another run (it has --reasons 2)" in refusal(again)
    many = replace(options, reasons=10, output=options.output + "2")
    assert refusal(many) == "10 reasons: the model has 9 columns, and each is one reason"
    assert not Path(many.output).exists()


@pytest.mark.slow
def test_processes_give_the_same_reasons(options: Options, table: pd.DataFrame) -> None:
    spark(Path(options.input), table)
    both = []
    for workers in (1, 2):
        output = f"{options.output}{workers}"
        run.run(replace(options, reasons=3, workers=workers, few_rows=20, output=output))
        both.append(read(Path(output)).drop(columns="time"))
    pd.testing.assert_frame_equal(*both, check_exact=True)
    assert both[0]["reason_3"].notna().any()


def test_a_model_without_reasons_is_said_before_processes_start(
    options: Options, table: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object) -> None:
        raise ExplanationError("no reasons for a stranger")

    def started(*_: object) -> None:
        raise AssertionError("a process was started")

    Path(options.input).mkdir()
    table.to_csv(Path(options.input) / "a.csv", index=False)
    monkeypatch.setattr(run, "Top", none)
    monkeypatch.setattr(run, "Pool", started)
    several = replace(options, reasons=2, workers=2, few_rows=20)
    with pytest.raises(ExplanationError, match="no reasons for a stranger"):
        run.run(several)
    assert not Path(options.output).exists()
