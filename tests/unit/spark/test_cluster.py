"""`churn predict --engine spark` on a cluster of two workers, and killed at bad moments.

By night: test_session has the same on this machine, and test_output_folder dies at each step.
"""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from churn.model.artifact import Model
from tests.conftest import ROOT
from tests.unit.spark import cluster
from tests.unit.spark.answers import assert_same, by_day, expected, parts, read_csvs
from tests.unit.spark.conftest import Spark

pytestmark = [pytest.mark.long, pytest.mark.exhaustive]

# The driver ends without a word as it is about to move the second partition.
KILLED_WHILE_IT_MOVES = """
import os, signal, sys
from churn.cli.main import main
from churn.spark.files import Folder

move, moved = Folder.move, []

def killed(self, name, other):
    if moved:
        os.kill(os.getpid(), signal.SIGKILL)
    move(self, name, other)
    moved.append(other)

Folder.move = killed
main(sys.argv[1:])
"""


def test_a_cluster_of_two_workers(
    planned: pd.DataFrame, model: Model, stored: Path, tmp_path: Path
) -> None:
    cluster.require()
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
            "--model", stored, "--input", source, "--output", target,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"{target}: 600 customers" in done.stdout
    for number in (1, 2):
        assert list((tmp_path / f"worker-{number}").glob("app-*/*/stderr")), "it had no executor"

    found = read_csvs(target)
    assert list(found) == ["customer_id", "probability", "prediction", "version", "time"]
    assert_same(found, expected(model, customers))


Job = tuple[list[str], Path]  # the words of `churn predict --engine spark`, and its output


@pytest.fixture
def job(planned: pd.DataFrame, stored: Path, tmp_path: Path) -> Job:
    """Return a job on two days of customers."""
    target = tmp_path / "out"
    by_day(planned.drop(columns="churned"), tmp_path / "in")
    words = ("--model", stored, "--input", tmp_path / "in", "--output", target)
    return [*map(str, words)], target


ENGINE = ("predict", "--engine", "spark", "--master", "local[1]")


def test_a_driver_that_is_killed_while_it_predicts_leaves_nothing_that_is_read(job: Job) -> None:
    words, target = job
    with subprocess.Popen(
        [cluster.PROGRAMS / "churn", *ENGINE, *words], env=cluster.environment()
    ) as process:
        end = time.monotonic() + 120
        while not list(target.glob("_unfinished/*/*/new/_temporary")):
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.01)
        process.kill()
    assert {path.name for path in target.iterdir()} == {"_unfinished"}


def test_a_driver_that_is_killed_leaves_nothing_that_passes_as_whole(
    spark: Spark, job: Job, planned: pd.DataFrame, model: Model, tmp_path: Path
) -> None:
    # While it moves partitions, of which the first is whole then.
    words, target = job
    done = cluster.run(cluster.PROGRAMS / "python", "-c", KILLED_WHILE_IT_MOVES, *ENGINE, *words)
    assert done.returncode == -signal.SIGKILL, done.stderr
    moved = pd.read_parquet(target)
    assert set(moved["shop.day"]) == {1} and len(moved) == 300
    assert not (target / "_SUCCESS").exists()

    refused = spark.predict(*words, folder=tmp_path)
    assert refused.code == 2 and "for shop.day=01 already; --overwrite" in refused.reason
    again = spark.predict(*words, "--overwrite", folder=tmp_path)
    assert again.code == 0, again.err
    assert (target / "_SUCCESS").exists() and not (target / "_unfinished").exists()
    assert_same(pd.read_parquet(target), expected(model, planned.drop(columns="churned")))
