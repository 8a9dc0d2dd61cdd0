"""`churn tune` in a real clone: killed, continued, written, reviewed and tracked."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient
from mlflow.entities import Run

from tests.pipeline.conftest import Clone
from tests.pipeline.small import commit, edit, make_small

pytestmark = pytest.mark.long

SPACE = {"max_iter": {"low": 5, "high": 60}, "max_depth": {"low": 1, "high": 4}}


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    """A clone whose model is so small that a search will do better."""
    made = make_small(tmp_path)
    edit(made, {
        "model.hyperparameters": {"max_iter": 2, "max_depth": 1, "learning_rate": 0.1},
        "tune": {"trials": 6, "folds": 3, "seed": 3, "space": SPACE},
    })  # fmt: skip
    made.run("dvc", "repro", "--quiet", "evaluate")
    return made


def candidates(clone: Clone) -> list[Path]:
    return sorted((clone.root / "build/tune").glob("*/0*"))


def runs(clone: Clone) -> list[Run]:
    client = MlflowClient(f"sqlite:///{clone.root}/mlflow.db")
    experiments = [found.experiment_id for found in client.search_experiments()]
    return list(client.search_runs(experiments))


@pytest.mark.exhaustive
def test_a_search_from_a_kill_to_the_review(clone: Clone) -> None:
    before = (clone.root / "params.yaml").read_text()
    (clone.root / "build/test.parquet").unlink()

    # Killed in the middle, without a warning.
    with subprocess.Popen(
        [sys.executable, "-m", "churn", "tune"],
        cwd=clone.root,
        env=clone.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        deadline = time.monotonic() + 120
        while len(candidates(clone)) < 3 and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    there = len(candidates(clone))
    assert 3 <= there < 6
    assert (clone.root / "params.yaml").read_text() == before

    # It goes on, and tells without writing.
    done = clone.run("churn", "tune")
    assert f"which has {there} candidates" in done.stderr
    assert "6 candidates were tried" in done.stdout
    assert "\nbetter: log loss -0." in done.stdout
    assert (clone.root / "params.yaml").read_text() == before

    # On request it writes, and searches no more.
    written = clone.run("churn", "tune", "--write")
    assert "which has 6 candidates" in written.stderr
    assert "hyperparameters written" in written.stdout
    tuned = yaml.safe_load((clone.root / "params.yaml").read_text())["model"]["hyperparameters"]
    assert tuned["max_iter"] > 2
    assert tuned["learning_rate"] == 0.1
    record = json.loads((clone.root / "reports/tune.json").read_text())
    assert (record["candidates"], record["word"]) == (6, "better")
    assert "build/tune" not in clone.git("status", "--short", "--untracked-files=all")

    # Its MLflow runs: one for the search, which was interrupted, and one for each candidate.
    finished = [run.data.tags for run in runs(clone) if run.info.status == "FINISHED"]
    below = [tags for tags in finished if "mlflow.parentRunId" in tags]
    assert sorted(tags["mlflow.runName"] for tags in below) == sorted(
        f"candidate-{n}" for n in range(1, 7)
    )
    [parent] = [tags for tags in finished if "verdict" in tags]
    assert parent["verdict"] == "better"

    # What is reviewed and tracked says how many were tried.
    clone.run("dvc", "repro", "--quiet")
    commit(clone, "tuned")
    review = clone.run("churn", "review", "--baseline", "HEAD^", check=False)
    report = (clone.root / "reports/report.md").read_text()
    assert "**6 candidates were tried** for these hyperparameters" in report, review.stderr
    [candidate] = [run.data.tags for run in runs(clone) if "candidate" in run.data.tags]
    assert candidate["candidates_tried"] == "6"

    # Another space begins anew.
    edit(clone, {"tune.space": {"max_depth": {"choices": [1, 2]}}, "tune.trials": 2})
    done = clone.run("churn", "tune")
    assert "a new search, because of other space" in done.stderr
    assert "2 candidates were tried" in done.stdout
