"""`churn predict --engine spark`: real Spark, on this machine and on a cluster of two workers."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from churn.model import artifact
from churn.model.artifact import Model
from churn.registry.loading import load_model
from tests.conftest import ROOT
from tests.unit.releases import Candidates
from tests.unit.spark import cluster

pytestmark = pytest.mark.long

PRODUCTION = "models:/churn-predictor/Production"


@pytest.fixture(autouse=True)
def _spark() -> None:
    cluster.require()


def bits(column: pd.Series) -> list[int]:
    return np.asarray(column, dtype=np.float64).view(np.int64).tolist()


def expected(model: Model, customers: pd.DataFrame) -> pd.DataFrame:
    """Return the answers of this machine's scikit-learn, by id."""
    answers = pd.concat([customers[["customer_id"]], model.predict(customers)], axis=1)
    return answers.set_index("customer_id").sort_index()


def assert_same(found: pd.DataFrame, wanted: pd.DataFrame) -> None:
    by_id = found.set_index("customer_id").sort_index()
    assert by_id.index.tolist() == wanted.index.tolist()
    assert bits(by_id["probability"]) == bits(wanted["probability"])
    assert by_id["prediction"].tolist() == wanted["prediction"].tolist()


def parts(customers: pd.DataFrame, count: int) -> list[pd.DataFrame]:
    size = -(-len(customers) // count)
    return [customers.iloc[i : i + size] for i in range(0, len(customers), size)]


def by_day(customers: pd.DataFrame, folder: Path) -> None:
    """Write a folder as Spark does: two days, two files each."""
    for number, part in enumerate(parts(customers, 4)):
        file = folder / f"shop.day=0{number // 2 + 1}" / f"part-{number}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        part.to_parquet(file, index=False)
    (folder / "_SUCCESS").touch()


def test_a_version_of_the_registry_on_this_machine(
    released: Candidates, customers: pd.DataFrame, tmp_path: Path
) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    by_day(customers.drop(columns="churned"), source)
    command = ("--master", "local[2]", "--model", PRODUCTION, "--input", source, "--output", target)
    done = cluster.predict(*command)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{target}: 600 customers, version 1\n"

    found = pd.read_parquet(target)
    assert list(found) == [
        "customer_id",
        "probability",
        "prediction",
        "version",
        "time",
        "shop.day",
    ]
    assert set(found["version"]) == {"1"}
    assert str(found["time"].dt.tz) == "UTC" and found["time"].nunique() == 1
    assert_same(found, expected(load_model(PRODUCTION, tmp_path), customers))
    assert sorted(path.name for path in target.glob("shop.day=*")) == ["shop.day=01", "shop.day=02"]

    # The second day again, corrected; the first is not in the input, and stays.
    first = {path: path.read_bytes() for path in (target / "shop.day=01").glob("*.parquet")}
    second = {path.name for path in (target / "shop.day=02").glob("*.parquet")}
    shutil.rmtree(source / "shop.day=01")
    again = cluster.predict(*command)
    assert again.returncode == 0, again.stderr
    assert {path: path.read_bytes() for path in (target / "shop.day=01").glob("*.parquet")} == first
    assert not second & {path.name for path in (target / "shop.day=02").glob("*.parquet")}
    rerun = pd.read_parquet(target)
    order = ["customer_id"]
    columns = ["customer_id", "probability", "prediction", "version", "shop.day"]
    pd.testing.assert_frame_equal(
        rerun[columns].sort_values(order, ignore_index=True),
        found[columns].sort_values(order, ignore_index=True),
    )


def test_a_cluster_of_two_workers(planned: pd.DataFrame, model: Model, tmp_path: Path) -> None:
    artifact.save(model, tmp_path / "model")
    source, target = tmp_path / "in", tmp_path / "out.csv"
    source.mkdir()
    customers = planned.drop(columns="churned")
    # An empty cell, a comma, a quotation mark and a line's end, as CSV writes them.
    customers.loc[3:5, "plan"] = ['a "b", c', "d\ne", "never seen"]
    customers.loc[6, "age"] = np.nan
    for number, part in enumerate(parts(customers, 8)):
        part.to_csv(source / f"part-{number}.csv", index=False)

    with cluster.standalone(tmp_path) as master:
        done = cluster.run(
            cluster.PROGRAMS / "spark-submit", "--master", master, "--executor-memory", "500m",
            "--conf", "spark.executor.cores=1", "--conf", "spark.sql.files.openCostInBytes=64m",
            "--conf", "spark.scheduler.minRegisteredResourcesRatio=1.0",
            ROOT / "src/churn/cli/predict_job.py",
            "--model", tmp_path / "model", "--input", source, "--output", target,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"{target}: 600 customers" in done.stdout
    for number in (1, 2):
        assert list((tmp_path / f"worker-{number}").glob("app-*/*/stderr")), "it had no executor"

    files = target.glob("part-*.csv")
    found = pd.concat([pd.read_csv(path, converters={"probability": float}) for path in files])
    assert list(found) == ["customer_id", "probability", "prediction", "version", "time"]
    assert_same(found, expected(model, customers))


def test_a_changed_model_is_refused_before_spark_starts(
    released: Candidates, customers: pd.DataFrame, tmp_path: Path
) -> None:
    stored = [path for path in tmp_path.rglob("pipeline.skops") if "artifacts" in path.parts]
    assert stored
    for path in stored:
        path.write_bytes(path.read_bytes() + b" ")
    # With no Java there: who gets as far as Spark says that.
    done = cluster.predict(
        "--model", PRODUCTION, "--input", "./in", "--output", "./out", JAVA_HOME=str(tmp_path)
    )
    assert done.returncode == 2
    assert "its files were changed" in done.stderr and "Java" not in done.stderr
    assert not (tmp_path / "out").exists()
