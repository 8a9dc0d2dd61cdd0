"""What `churn predict --engine spark` refuses: one line, exit code 2, and the output as it was."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from churn.core.errors import ChurnError
from churn.model import artifact
from churn.model.artifact import Model
from churn.spark import session, shipped, tables
from churn.spark.session import said
from tests.conftest import ROOT
from tests.unit.spark import cluster
from tests.unit.spark.test_predict import assert_same, expected


def many(commands: list[dict[str, Any]], folder: Path) -> list[Any]:
    """Run commands in one process, which has one Spark session."""
    cluster.require()
    done = subprocess.run(
        [cluster.PROGRAMS / "python", "-m", "tests.unit.spark.commands"],
        input=json.dumps(commands),
        env=cluster.environment(PYTHONPATH=f"{ROOT / 'src'}:{ROOT}"),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.long
def test_bad_input_is_one_line_and_the_output_stays(
    planned: pd.DataFrame, model: Model, tmp_path: Path
) -> None:
    artifact.save(model, tmp_path / "model")
    customers = planned.drop(columns="churned")
    customers.to_parquet(tmp_path / "good.parquet", index=False)
    customers.drop(columns="age").to_parquet(tmp_path / "narrow.parquet", index=False)
    customers.head(0).to_parquet(tmp_path / "none.parquet", index=False)
    cell = customers.astype({"age": object})
    cell.loc[4, "age"] = "old"
    cell.to_csv(tmp_path / "cell.csv", index=False)
    customers.assign(customer_id=customers["customer_id"].mask(customers.index == 4)).to_csv(
        tmp_path / "id.csv", index=False
    )
    text = customers.head(3).to_csv(index=False)
    (tmp_path / "ragged.csv").write_text(text + "1,2\n")
    (tmp_path / "other").mkdir()
    customers.to_parquet(tmp_path / "other" / "customers.parquet", index=False)

    def command(source: str, target: str = "./out") -> dict[str, Any]:
        where = ["--input", source, "--output", target]
        return {"predict": ["--model", str(tmp_path / "model"), *where]}

    refused = {
        "./narrow.parquet": "column 'age' is missing",
        "./none.parquet": "no customers in it",
        "./cell.csv": "column 'age' (customer_id C00000005): is 'old', which is not a number",
        "./id.csv": "'customer_id' is missing; every customer needs one",
        "./ragged.csv": "ragged.csv. [MALFORMED_CSV_RECORD] Malformed CSV record: 1,2",
        "./absent": "no CSV or Parquet files there",
        "absent": "no such table; a path has a slash, as in ./absent",
    }
    commands = [command("./good.parquet"), *map(command, refused)]
    commands += [command("./good.parquet", "./other"), command("./other", "./other/out")]
    first, *others, on_other, within, again = many([*commands, commands[0]], tmp_path)
    assert first[0] == 0, first
    for (source, reason), (code, out, err) in zip(refused.items(), others, strict=True):
        assert (code, out) == (2, ""), source
        *_, line = err.splitlines()
        assert line.startswith("Error: ") and reason in line, err
    assert on_other[0] == 2 and "holds something else than predictions" in on_other[2]
    assert within[0] == 2 and "is in the input" in within[2]
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["customers.parquet"]
    assert again[:2] == first[:2]
    assert_same(pd.read_parquet(tmp_path / "out"), expected(model, customers))


@pytest.mark.long
def test_tables_by_name(planned: pd.DataFrame, model: Model, tmp_path: Path) -> None:
    artifact.save(model, tmp_path / "model")
    customers = planned.drop(columns="churned")
    customers.to_parquet(tmp_path / "customers.parquet", index=False)
    predict = ["--model", str(tmp_path / "model"), "--input", "customers", "--output", "scored"]
    create = (
        "create table customers using parquet partitioned by (day) as"
        " select *, date'2026-01-01' + cast(age > 40 as int) as day"
        " from parquet.`customers.parquet`"
    )
    found = many(
        [
            {"sql": create},
            {"predict": predict},
            {"sql": "select * from scored"},
            {"sql": "describe scored"},
            {"predict": predict},
            {"sql": "select * from scored"},
        ],
        tmp_path,
    )
    for code, _, err in (found[1], found[4]):
        assert code == 0, err
    first, again = pd.DataFrame(found[2]), pd.DataFrame(found[5])
    assert_same(first, expected(model, customers))
    assert_same(again, expected(model, customers))
    assert {"version", "time", "day"} < set(first)
    assert {"col_name": "# Partition Information"}.items() <= found[3][6].items()


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
