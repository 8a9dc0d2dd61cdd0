"""`churn predict` into a folder: from the registry, killed in the middle, and by params.yaml."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from churn.data import synthesize
from churn.model import artifact
from tests.conftest import PARAMS
from tests.unit.releases import Candidates

pytestmark = pytest.mark.long

CHAMPION = "models:/churn-predictor@champion"


def run(*arguments: str) -> int:
    from churn.cli.main import main

    try:
        main(list(arguments))
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def predict(source: str, output: str, *more: str, model: str = CHAMPION) -> int:
    return run("predict", "--model", model, "--input", source, "--output", output, *more)


@pytest.mark.slow
def test_the_champion_predicts_for_a_folder_with_its_version_in_each_row(
    released: Candidates, customers: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("in/day=1").mkdir(parents=True)
    customers[:100].to_parquet("in/day=1/a.parquet")
    customers[100:].to_parquet("in/day=1/b.parquet")

    assert predict("in", "scored") == 0

    said = capsys.readouterr().out
    assert said.startswith("scored: 600 customers in 2 files, by version 1 (")
    found = pd.concat(pd.read_parquet(f"scored/day=1/{name}.parquet") for name in "ab")
    model = artifact.load(released.roots[0] / "build/candidate/model")
    np.testing.assert_array_equal(found["probability"], model.scores(customers))
    assert set(found["version"]) == {"1"}
    assert sorted(path.name for path in Path("scored").iterdir()) == [
        "_SUCCESS",
        "_run.json",
        "day=1",
    ]

    assert predict("in", "scored") == 2
    assert "Error: scored: not empty" in capsys.readouterr().err
    assert predict("in", "more", model="models:/churn-predictor@nobody") == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "alias nobody not found" in line
    assert predict("nothing", "more") == 2
    assert capsys.readouterr().err == "Error: nothing: cannot be read (not there)\n"
    assert not Path("more").exists()


@pytest.mark.slow
def test_params_say_what_is_predicted_regularly(
    released: Candidates, customers: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    document = yaml.safe_load(PARAMS.read_text())
    Path("params.yaml").write_text(yaml.safe_dump(document))
    assert run("predict", "--skip-if-not-set-up") == 0
    assert (
        capsys.readouterr().out == "batch.input is null: nothing to predict for (docs/batch.md)\n"
    )

    customers[:9].assign(age="x").to_csv("customers.csv", index=False)
    document["batch"] = {"input": "*.csv", "output": "out/day={date}", "bad_rows": "quarantine"}
    Path("params.yaml").write_text(yaml.safe_dump(document))
    assert run("predict", "--skip-if-not-set-up", "--resume") == 0
    assert "9 bad rows, with the reasons, in _bad_rows/" in capsys.readouterr().out
    [day] = Path("out").iterdir()
    assert day.name in {f"day={datetime.now(UTC).date() - timedelta(days=n)}" for n in (0, 1)}


def test_one_file_is_predicted_as_before_and_says_what_needs_a_folder(
    stored: Path, planned: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    planned[:5].to_csv(tmp_path / "in.csv", index=False)
    source, output = str(tmp_path / "in.csv"), str(tmp_path / "out.csv")
    assert predict(source, output, model=str(stored)) == 0
    assert list(pd.read_csv(output)) == ["customer_id", "probability", "prediction"]
    for more in (["--resume"], ["--bad-rows", "quarantine"]):
        assert predict(source, output, *more, model=str(stored)) == 2
        assert f"name a folder, such as {tmp_path}/out/" in capsys.readouterr().err
    assert predict(source, "s3://bucket/out.parquet", model=str(stored)) == 2
    assert "name a folder, such as s3://bucket/out/" in capsys.readouterr().err
    assert predict(source, "out.xlsx", model=str(stored)) == 2
    assert "must end in .csv or .parquet; for a folder, write out.xlsx/" in capsys.readouterr().err
    assert predict(source, "out.a", model="models:/none/1") == 2  # before a model is looked for
    assert "for a folder, write out.a/" in capsys.readouterr().err


@pytest.fixture
def short() -> Iterator[Path]:
    """Return a folder for temporary files whose name is short, as that of a socket has to be."""
    with TemporaryDirectory(prefix="t-") as name:
        yield Path(name)


@pytest.mark.slow
def test_a_run_that_is_killed_leaves_whole_parts_and_goes_on(
    tmp_path: Path, short: Path, stored: Path
) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    rows = [chunk.to_pandas() for chunk in synthesize.customers(1000, seed=5)]
    table = pd.concat(rows).assign(plan="gold")
    big = pd.concat([table] * 4)  # of 260 files: more than are predicted without processes
    for i in range(60):
        big.to_parquet(source / f"part-{i:03}.parquet")
    command = [sys.executable, "-m", "churn", "predict", "--model", str(stored)]
    command += ["--input", str(source), "--output", str(out)]
    parts = out / "_unfinished/parts"

    here: dict[str, Any] = {"cwd": tmp_path, "env": os.environ | {"TMPDIR": str(short)}}
    with subprocess.Popen(command, stderr=subprocess.PIPE, **here) as process:
        until = time.monotonic() + 240
        while not (parts.is_dir() and len(list(parts.iterdir())) >= 3):
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < until
            time.sleep(0.01)
        others = children(process.pid)
        process.send_signal(signal.SIGKILL)
    there = {path.name for path in parts.iterdir()}
    assert 3 <= len(there) < 60
    whole = [pd.read_parquet(path) for path in (out / "_unfinished/data").iterdir()]
    assert {len(part) for part in whole} == {4000}
    assert not list(out.glob("*.parquet"))
    assert len(others) >= 3
    until = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in others) and time.monotonic() < until:
        time.sleep(0.1)
    assert [pid for pid in others if Path(f"/proc/{pid}").exists()] == []

    left = list(short.glob("churn-*"))
    assert len(left) == 1  # with customers
    done = subprocess.run([*command, "--resume"], capture_output=True, text=True, **here)
    assert done.returncode == 0, done.stderr
    assert not list(short.glob("churn-*"))
    assert "out: 240,000 customers in 60 files" in done.stdout
    command[command.index(str(out))] = str(tmp_path / "whole")
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    for i in range(60):
        one, other = (
            pd.read_parquet(tmp_path / name / f"part-{i:03}.parquet").drop(columns="time")
            for name in ("out", "whole")
        )
        pd.testing.assert_frame_equal(one, other)


def children(pid: int) -> list[int]:
    """Return the processes below a process."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    found = [child for child, parent in parents.items() if parent == pid]
    return found + [below for child in found for below in children(child)]
