"""`churn predict` and `churn monitor` with Spark on this machine, by one session.

The bits, partitions, bad rows, refusals, and what the monitor finds.
"""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from churn.cli.main import main
from churn.core.paths import Workspace
from churn.data import synthesize
from churn.model import artifact
from churn.model.artifact import Model
from tests.conftest import PARAMS
from tests.unit.monitor import logs
from tests.unit.releases import Candidates
from tests.unit.spark import cluster
from tests.unit.spark.answers import assert_same, by_day, expected, read_csvs
from tests.unit.spark.conftest import Spark

pytestmark = pytest.mark.long

CHAMPION = "models:/churn-predictor@champion"
COLUMNS = ["customer_id", "probability", "prediction", "version", "time"]


def test_a_version_of_the_registry(
    spark: Spark, released: Candidates, customers: pd.DataFrame, tmp_path: Path
) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    by_day(customers.drop(columns="churned"), source)
    command = ("--model", CHAMPION, "--input", source, "--output", target)
    done = spark.predict(*command, folder=tmp_path)
    assert done.code == 0, done.err
    assert done.out == f"{target}: 600 customers, by version 1\n"

    found = pd.read_parquet(target)
    assert list(found) == [*COLUMNS, "shop.day"]
    assert set(found["version"]) == {"1"}
    assert str(found["time"].dt.tz) == "UTC" and found["time"].nunique() == 1
    assert_same(
        found, expected(artifact.load(released.roots[0] / "build/candidate/model"), customers)
    )
    names = sorted(path.name for path in target.iterdir() if not path.name.startswith("."))
    assert names == ["_SUCCESS", "shop.day=01", "shop.day=02"]

    # The second day again; the first is not in the input, and stays.
    first = {path: path.read_bytes() for path in (target / "shop.day=01").glob("*.parquet")}
    second = {path.name for path in (target / "shop.day=02").glob("*.parquet")}
    shutil.rmtree(source / "shop.day=01")
    refused = spark.predict(*command, folder=tmp_path)
    assert refused.code == 2
    assert refused.reason == (
        f"Error: {target}: has predictions for shop.day=02 already; --overwrite replaces the"
        " partitions that the input has"
    )
    again = spark.predict(*command, "--overwrite", folder=tmp_path)
    assert again.code == 0, again.err
    assert {path: path.read_bytes() for path in (target / "shop.day=01").glob("*.parquet")} == first
    assert not second & {path.name for path in (target / "shop.day=02").glob("*.parquet")}
    columns = ["customer_id", "probability", "prediction", "version", "shop.day"]
    pd.testing.assert_frame_equal(
        pd.read_parquet(target)[columns].sort_values("customer_id", ignore_index=True),
        found[columns].sort_values("customer_id", ignore_index=True),
    )


def test_a_day_by_params(
    spark: Spark, released: Candidates, customers: pd.DataFrame, tmp_path: Path
) -> None:
    document = yaml.safe_load(PARAMS.read_text())
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(document))
    done = spark.predict("--skip-if-not-set-up", folder=tmp_path)
    assert (done.code, done.out) == (
        0,
        "batch.input is null: nothing to predict for (docs/batch.md)\n",
    )
    document["batch"] = {
        "input": f"{tmp_path}/in/day={{date}}",
        "output": f"{tmp_path}/scored/day={{date}}.csv",
        "bad_rows": "quarantine",
    }
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(document))
    broken = customers.astype({"age": object})
    broken.loc[4, "age"] = "old"
    today = datetime.now(UTC).date()
    for day in (today, today + timedelta(days=1)):  # midnight may come
        (tmp_path / f"in/day={day}").mkdir(parents=True)
        broken.to_csv(tmp_path / f"in/day={day}/customers.csv", index=False)
    done = spark.predict("--skip-if-not-set-up", folder=tmp_path)
    assert done.code == 0, done.err
    [output] = (tmp_path / "scored").iterdir()
    assert len(read_csvs(output / "_bad_rows")) == 1
    found = pd.concat(pd.read_csv(path) for path in output.glob("part-*.csv"))
    assert list(found) == COLUMNS and len(found) == 599
    assert datetime.fromisoformat(found["time"].iloc[0]).tzinfo is not None


def test_bad_rows_are_set_apart_with_the_reason(
    spark: Spark, planned: pd.DataFrame, model: Model, stored: Path, tmp_path: Path
) -> None:
    customers = planned.drop(columns="churned")
    broken = customers.astype({"age": object, "customer_id": object})
    broken.loc[4, "age"] = "old"
    broken.loc[5, ["customer_id", "plan"]] = [None, 'a "b",\nc']
    for day, part in (("1", broken[:300]), ("2", customers[300:])):
        (tmp_path / f"in/day={day}").mkdir(parents=True)
        part.to_csv(tmp_path / f"in/day={day}/customers.csv", index=False)
    target = tmp_path / "out"
    command = ("--model", stored, "--input", tmp_path / "in", "--output", target)

    refused = spark.predict(*command, folder=tmp_path)
    assert refused.code == 2 and refused.out == ""
    assert "(--bad-rows quarantine predicts for the others)" in refused.reason
    assert not list(target.rglob("part-*")) and not (target / "_unfinished").exists()

    done = spark.predict(*command, "--bad-rows", "quarantine", folder=tmp_path)
    assert done.code == 0, done.err
    first, second = done.out.splitlines()
    assert first.startswith(f"{target}: 598 customers, by version ")
    assert second == "2 bad rows, with the reasons, in _bad_rows/"
    assert_same(pd.read_parquet(target), expected(model, customers.drop([4, 5])))
    bad = read_csvs(target / "_bad_rows/day=1")
    assert list(bad) == ["reason", "customer_id", *model.card.inputs, "time"]
    assert bad["reason"].tolist() == [
        "column 'age' (customer_id C00000005): is 'old', which is not a number; correct the cell,"
        " or, if it means a missing number, add it to data.missing in params.yaml",
        "column 'customer_id': is missing; every customer needs one",
    ]
    assert bad["plan"].tolist()[1] == 'a "b",\nc'
    assert bad["total_orders"].tolist() == customers["total_orders"][4:6].tolist()
    assert not (target / "_bad_rows/day=2").exists()

    # Corrected: no bad rows are left of that day, and nothing else has changed.
    customers[:300].to_csv(tmp_path / "in/day=1/customers.csv", index=False)
    done = spark.predict(*command, "--overwrite", folder=tmp_path)
    assert done.code == 0, done.err
    assert not list((target / "_bad_rows").rglob("part-*"))
    assert_same(pd.read_parquet(target), expected(model, customers))


def test_input_that_is_refused_leaves_the_output_as_it_was(
    spark: Spark, planned: pd.DataFrame, model: Model, stored: Path, tmp_path: Path
) -> None:
    customers = planned.drop(columns="churned")
    customers.to_parquet(tmp_path / "good.parquet", index=False)
    customers.drop(columns="age").to_parquet(tmp_path / "narrow.parquet", index=False)
    customers.head(0).to_parquet(tmp_path / "none.parquet", index=False)
    cell = customers.astype({"age": object})
    cell.loc[4, "age"] = "old"
    cell.to_csv(tmp_path / "cell.csv", index=False)
    text = customers.head(3).to_csv(index=False)
    (tmp_path / "ragged.csv").write_text(text + "1,2\n")
    (tmp_path / "other").mkdir()
    customers.to_parquet(tmp_path / "other" / "customers.parquet", index=False)
    out = tmp_path / "out"

    def predict(source: str, target: Path, *more: str) -> tuple[int, str, str]:
        where = ("--input", source, "--output", target)
        return spark.predict("--model", stored, *where, *more, folder=tmp_path)

    good = f"{tmp_path}/good.parquet"
    assert predict(good, out)[0] == 0
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    refused = {
        f"{tmp_path}/narrow.parquet": "column 'age' is missing",
        f"{tmp_path}/none.parquet": "no customers in it",
        f"{tmp_path}/cell.csv": "column 'age' (customer_id C00000005): is 'old', which is not a",
        f"{tmp_path}/ragged.csv": "ragged.csv. [MALFORMED_CSV_RECORD] Malformed CSV record: 1,2",
        "./absent": "no CSV or Parquet files there",
        f"file://key:secret@host{good}?token=secret": "file://host",
        "absent": "no such table; a path has a slash, as in ./absent",
    }
    for source, reason in refused.items():
        code, said, err = predict(source, out, "--overwrite")
        assert (code, said) == (2, ""), source
        [line] = err.splitlines()
        assert line.startswith("Error: ") and reason in line and "secret" not in err, err
    code, _, err = predict(good, out)
    assert code == 2 and "holds predictions; --overwrite replaces them" in err
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    code, _, err = predict(good, tmp_path / "other", "--overwrite")
    assert code == 2 and "which churn predict has not written" in err
    code, _, err = predict(f"{tmp_path}/other", tmp_path / "other/out")
    assert code == 2 and "is in the input" in err
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["customers.parquet"]
    assert predict(good, out, "--overwrite")[0] == 0
    assert_same(pd.read_parquet(out), expected(model, customers))
    assert not set(before) & set(out.rglob("part-*"))


@pytest.mark.exhaustive
def test_tables_by_name(
    spark: Spark, planned: pd.DataFrame, model: Model, stored: Path, tmp_path: Path
) -> None:
    customers = planned.drop(columns="churned")
    customers.assign(age=np.where(customers.index == 4, np.inf, customers["age"])).to_parquet(
        tmp_path / "customers.parquet", index=False
    )
    spark.sql(
        "create table customers using parquet partitioned by (day) as"
        " select *, date'2026-01-01' + cast(age > 40 as int) as day"
        f" from parquet.`{tmp_path}/customers.parquet`"
    )
    command = ("--model", stored, "--input", "customers", "--output", "scored")
    quarantine = (*command, "--bad-rows", "quarantine")
    good = expected(model, customers.drop(4))
    refused = spark.predict(*command, folder=tmp_path)
    assert (
        refused.code == 2
        and "(customer_id C00000005): is 'inf', which is infinite" in refused.reason
    )
    for more in ((), ("--overwrite",)):
        done = spark.predict(*quarantine, *more, folder=tmp_path)
        assert done.code == 0, done.err
        assert "1 bad rows, with the reasons, in scored_bad_rows" in done.out
        assert_same(pd.DataFrame(spark.sql("select * from scored")), good)
    bad = spark.sql("select * from scored_bad_rows order by time")
    assert [row["customer_id"] for row in bad] == ["C00000005"] * 2
    assert bad[1]["time"] == spark.sql("select distinct time from scored")[0]["time"]
    refused = spark.predict(*quarantine, folder=tmp_path)
    assert refused.code == 2
    assert "scored: has predictions for day=" in refused.reason
    described = spark.sql("describe scored")
    assert [row["col_name"] for row in described[:6]] == [*COLUMNS, "day"]
    assert described[6]["col_name"] == "# Partition Information"


def test_a_changed_model_is_refused_before_spark_starts(
    released: Candidates, customers: pd.DataFrame, tmp_path: Path
) -> None:
    cluster.require()
    stored = [path for path in tmp_path.rglob("pipeline.skops") if "artifacts" in path.parts]
    assert stored
    for path in stored:
        path.write_bytes(path.read_bytes() + b" ")
    # With no Java there: who gets as far as Spark says that.
    done = cluster.predict(
        "--model", CHAMPION, "--input", "./in", "--output", "./out", JAVA_HOME=str(tmp_path)
    )
    assert done.returncode == 2
    assert "its files were changed" in done.stderr and "Java" not in done.stderr
    assert not (tmp_path / "out").exists()


def report(folder: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(folder, "monitor.json").read_text())
    return found


def test_the_monitor_finds_to_the_digit_what_it_finds_without_spark(
    spark: Spark, released: Candidates, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = released.roots[0]
    monkeypatch.chdir(root)
    model = artifact.load(Workspace().candidate / "model")
    pool = next(synthesize.customers(3000, 1)).to_pandas()
    log = Path("log")
    for number in range(3):
        day = logs.FIRST + timedelta(days=number)
        customers = pool.iloc[900 * number : 900 * number + 800]
        logs.write(log, day, customers, model)
        # Asked for again with other answers, which come after the first in the order of files.
        older = customers.head(300).assign(age=customers["age"] + 20)
        logs.write(log, day, older, model, role="later")
        logs.write(log, day, customers.head(50), model, version="2")
        nameless = customers.head(40).assign(customer_id=pd.NA)
        logs.write(log, day, nameless, model, role="nameless")
    pool[["customer_id", "churned"]].head(1000).to_csv("labels.csv", index=False)

    command = ("monitor", "--log", "log", "--labels", "labels.csv", "--until", "2026-03-03")
    with pytest.raises(SystemExit) as here:
        main([*command, "--output", "here"])
    there = spark.churn(*command, "--engine", "spark", "--output", "there", folder=root)
    assert there.code == here.value.code, there.err
    found = report("there")
    assert found == report("here")
    assert [window["customers"] for window in found["windows"]] == [840] * 3
    assert [window["rows"] for window in found["windows"]] == [1140] * 3
    assert found["other_versions"] == {"2": 150}
    performance = found["performance"]
    assert (performance["labelled"], performance["unmatched"]) == (900, 100)
    refused = spark.churn("monitor", "--engine", "spark", "--input", "labels.csv", folder=root)
    assert refused.code == 2 and refused.reason.endswith("counts the log, not --input")
