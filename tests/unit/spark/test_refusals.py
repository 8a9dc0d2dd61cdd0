"""What is found before Spark works: other answers, changed bytes, no Java, tables and paths."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple, cast

import pytest

from churn.cli.main import main
from churn.core.errors import ChurnError, DataError
from churn.core.params import Params
from churn.model import artifact
from churn.model.artifact import Model
from churn.provenance.candidate import model_digest
from churn.spark import outputs, session, shipped, tables
from churn.spark.files import Folder
from churn.spark.output_folder import FolderOutput
from churn.spark.run import Options, fetch
from churn.spark.session import said
from tests.binary import OUTPUT
from tests.unit.spark import cluster
from tests.unit.spark.hadoop import Files


class Narrow(NamedTuple):
    """Stands for a frame of which columns only are asked."""

    columns: list[str]


@pytest.mark.slow
def test_an_executor_with_other_answers_is_refused(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact.save(model, tmp_path / "model")
    packed, _ = shipped.pack(tmp_path / "model", "7", None)
    monkeypatch.setattr(shipped, "_loaded", {})
    assert shipped.load(packed).version == "7"
    assert shipped.load(packed) is shipped.load(packed)
    monkeypatch.setattr(shipped, "_loaded", {})
    other = shipped.Shipped(**{**vars(packed), "answers": "0" * 64})
    with pytest.raises(ChurnError, match="gives other answers than the driver; it has Python"):
        shipped.load(other)


@pytest.mark.slow
def test_bytes_that_were_changed_on_the_way_are_refused(model: Model, tmp_path: Path) -> None:
    artifact.save(model, tmp_path / "model")
    packed, _ = shipped.pack(tmp_path / "model", "7", None)
    card = packed.files["model.json"]
    changed = {**packed.files, "model.json": card.replace(b'"threshold":', b'"threshold": ')}
    with pytest.raises(ChurnError, match="is to be served"):
        shipped.load(shipped.Shipped(**{**vars(packed), "answers": "", "files": changed}))


@pytest.mark.long
def test_without_java(model: Model, tmp_path: Path) -> None:
    cluster.require()
    artifact.save(model, tmp_path / "model")
    where = ("--input", "./in", "--output", "./out", "--model", tmp_path / "model")
    done = cluster.predict(*where, JAVA_HOME=str(tmp_path))
    assert done.returncode == 2
    assert "Java did not start; Spark needs Java 17 or later" in done.stderr.splitlines()[-1]


@pytest.mark.slow
def test_the_code_that_is_shipped_runs_from_where_it_is_packed(tmp_path: Path) -> None:
    packed = session.code(tmp_path)
    program = "import churn.spark.scoring as found; print(found.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(packed)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == f"{packed}/churn/spark/scoring.py", done.stderr


def test_without_spark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with pytest.raises(ChurnError, match="`make spark` installs it"), session.session(None):
        pass


@pytest.mark.parametrize(
    ("name", "by_name"),
    [
        ("customers", True),
        ("shop.customers", True),
        ("main.shop.customers", True),
        ("./customers", False),
        ("customers.csv", False),
        ("customers.csv.gz", False),
        ("a.parquet", False),
        ("s3a://bucket/customers", False),
        ("a.b.c.d", False),
    ],
)
def test_a_name_is_a_table_or_a_path(name: str, by_name: bool) -> None:
    assert tables.is_table(name) is by_name


@pytest.mark.parametrize(
    ("source", "target", "is_apart"),
    [
        ("data/in", "./data/in/scored", False),
        ("./data/in/scored", "data/in", False),
        ("data/in", "data/other/../in", False),
        ("data/in", "link/scored", False),
        ("data/in", "data/in2", True),
        ("s3a://bucket/in", "s3a://bucket/in/scored/", False),
        ("s3a://bucket/in", "./in/scored", True),
        ("shop.customers", "shop.customers", False),
        ("shop.customers", "shop.customers_scored", True),
        ("data", "./data/scored", True),
    ],
)
def test_an_output_is_apart_from_its_input_by_whatever_name(
    source: str, target: str, is_apart: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/in").mkdir(parents=True)
    (tmp_path / "link").symlink_to("data/in")
    if is_apart:
        tables.require_apart(source, target)
        return
    with pytest.raises(DataError, match="is in the input, or around it"):
        tables.require_apart(source, target)


@pytest.mark.parametrize("scheme", ["file:", "file://"])
def test_a_local_address_is_a_path(scheme: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is in the input, or around it"):
        tables.require_apart(f"{tmp_path}/in", f"{scheme}{tmp_path}/in/scored")


@pytest.mark.slow
def test_the_model_that_is_shipped_is_the_one_of_the_folder(
    stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    packed, model = fetch(str(stored), tmp_path)
    assert packed.version == packed.digest[:12] == model_digest(stored)[:12]
    assert packed.files["model.json"] == (stored / "model.json").read_bytes()
    assert packed.sample == "" and model.version == packed.version


def test_no_message_has_the_secrets_of_an_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Params
) -> None:
    monkeypatch.chdir(tmp_path)
    address, shown = "s3a://key:secret@bucket/in?token=secret", "s3a://bucket/in"
    files, frame = Files(), cast("Any", Narrow(columns=["age"]))
    found = tables.Table(frame, (), ())
    monkeypatch.setattr(tables, "partitions_of", lambda spark, name: [])
    monkeypatch.setattr(outputs, "partitions_of", lambda spark, name: ["day"])
    monkeypatch.setattr(tables, "listed", lambda spark, path: None)
    output = FolderOutput(files.spark, address, "in", found)
    monkeypatch.setattr(output, "_there", lambda: frame)
    files.before_rename = lambda path, target: False

    def read() -> None:
        tables.read(files.spark, address, settings.data, OUTPUT.answered)

    def read_narrow() -> None:
        monkeypatch.setattr(tables, "_folder", lambda *_: frame)
        tables.read(files.spark, address, settings.data, OUTPUT.answered)

    for refused, reason in (
        (lambda: tables.require_apart(address, address), "is in the input"),
        (read, "no CSV or Parquet files there"),
        (read_narrow, "column 'customer_id' is missing"),
        (lambda: output.require_free(["id"], False), "holds something else"),
        (lambda: output.require_free(["age"], False), "is partitioned by day"),
        (lambda: Folder(files.spark, address).move("a", "b"), "cannot be written"),
        (lambda: Folder(cast("Any", None), address), "lets nobody move files"),
    ):
        with pytest.raises(ChurnError, match=re.escape(shown) + f".*{reason}") as error:
            refused()
        assert "secret" not in str(error.value) and "key" not in str(error.value)
    assert Options(model="m", input=address, output="out").shown == shown
    assert session._in_one_line(f"Wrong FS: {address}") == f"Spark: Wrong FS: {shown}"


def test_the_reason_is_found_in_java_s_words() -> None:
    text = (
        "Job aborted due to stage failure: Task 0 in stage 1.0 failed\n"
        "Traceback (most recent call last):\n"
        '  File "x.py", line 1, in load\n'
        "churn.core.errors.ChurnError: the executor on a gives other answers\n\n"
        "\tat org.apache.spark.api.python.BasePythonRunner\n"
    )
    assert said(text) == "the executor on a gives other answers"
    assert said("ModuleNotFoundError: No module named 'treelite'").endswith("'treelite'")
    java = (
        "An error occurred while calling o1.collect.\n: org.apache.spark.SparkException:"
        " [FAILED_READ_FILE.NO_HINT] Error while reading file a.csv.\n\tat org.apache\n"
        "Caused by: org.apache.spark.SparkException: [MALFORMED_RECORD] Malformed records.\n"
    )
    assert said(java) == (
        "[FAILED_READ_FILE.NO_HINT] Error while reading file a.csv. [MALFORMED_RECORD] Malformed"
        " records."
    )
    assert said(" \n") == "no reason given"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--engine", "spark", "--resume"), "--engine spark has no --resume"),
        (("--engine", "spark", "--reasons", "3"), "--engine spark gives no reasons"),
        (("--master", "local[2]"), "--master requires --engine spark"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    options: tuple[str, ...], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--model", "build/model", "--input", "./in", "--output", "./out")
    with pytest.raises(SystemExit) as end:
        main(["predict", *where, *options])
    assert end.value.code == 2
    assert reason in capsys.readouterr().err.splitlines()[-1]
