"""`churn canary promote --when-due` asks what `churn canary status` says."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from churn.cli.main import main
from churn.data.split import hash_share
from churn.deploy import canary
from churn.registry import Canary
from tests.unit.releases import Candidates

pytestmark = pytest.mark.long

COUNT, SHARE = 6000, 0.5


@pytest.fixture
def root(released: Candidates, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a repository in which version 2 is tried for half of the customers."""
    released.release(2, until="integration")
    root = released.roots[1]
    canary.start(root, released.registry, 2, Canary(SHARE, shadow=False), "me", "to see")
    monkeypatch.chdir(root)
    configure(root)
    return root


def configure(root: Path, hours: float = 0, log: str | None = "log", **monitor: str) -> None:
    document = yaml.safe_load((root / "params.yaml").read_text())
    document["release"]["canary"] = {"share": SHARE, "hours": hours, "customers": 2000}
    document["serve"] = {"log": log}
    document["monitor"] = monitor
    (root / "params.yaml").write_text(yaml.safe_dump(document))


def predictions(count: int = COUNT, right: float = 0.9) -> pd.DataFrame:
    """Return what both have predicted for customers of whom every fifth churns."""
    draw = np.random.default_rng(0)
    ids = pd.Series([f"C{i}" for i in range(count)])
    its = hash_share(ids, "2") < SHARE
    churned = np.arange(count) % 5 == 0
    is_right = draw.random(count) < np.where(its, right, 0.9)
    prediction = np.where(is_right, churned, ~churned).astype(np.int8)
    return pd.DataFrame(
        {
            "request_id": "r" + ids,
            "time": pd.Timestamp.now("UTC").as_unit("us"),
            "row": np.zeros(count, np.int32),
            "customer_id": ids,
            "probability": np.where(prediction, 0.8, 0.1),
            "prediction": prediction,
            "version": np.where(its, "2", "1"),
            "role": np.where(its, "challenger", "champion"),
            "latency_ms": np.float32(2),
            "scoring_ms": np.float32(1),
        }
    )


def write(root: Path, rows: pd.DataFrame) -> None:
    shutil.rmtree(root / "log", ignore_errors=True)
    folder = root / "log" / f"day={datetime.now(UTC):%Y-%m-%d}"
    folder.mkdir(parents=True)
    rows.to_parquet(folder / "a.parquet", index=False)


def write_labels(root: Path, **columns: str) -> None:
    ids = [f"C{i}" for i in range(COUNT)]
    labels = pd.DataFrame({"customer_id": ids, "churned": (np.arange(COUNT) % 5 == 0).astype(int)})
    labels.assign(**columns).to_csv(root / "labels.csv", index=False)


def run(capsys: pytest.CaptureFixture[str], *command: str) -> tuple[int, list[str]]:
    """Return a command's exit code, and the lines that it has printed."""
    code = 0
    try:
        main(["canary", *command])
    except SystemExit as ended:
        code = int(ended.code or 0)
    return code, capsys.readouterr().out.splitlines()


def require_not_promoted(
    capsys: pytest.CaptureFixture[str], code: int, reason: str, *options: str
) -> None:
    """Run both commands: they say the same, and nothing is promoted."""
    found, [line] = run(capsys, "promote", "--when-due", *options)
    assert (found, line.startswith("not promoted: version 2: ")) == (code, True), line
    assert reason in line
    status, lines = run(capsys, "status", *options)
    assert status == 0
    word = "not fit for" if code else "not yet ready for"
    said = line.removeprefix("not promoted: version 2: ")
    assert lines[-1] == f"{word} Production: {said}"


def test_a_trial_is_promoted_only_if_nothing_speaks_against_it(
    root: Path, released: Candidates, capsys: pytest.CaptureFixture[str]
) -> None:
    good = predictions()
    its = good["role"] == "challenger"

    require_not_promoted(capsys, 1, "it has predicted for 0 customers, and 2,000 are needed")

    write(root, good)
    configure(root, hours=24)
    require_not_promoted(capsys, 0, "the trial lasts until ")
    configure(root)

    write(root, predictions(3000))
    require_not_promoted(capsys, 1, "customers, and 2,000 are needed (release.canary.customers)")

    failed = good.assign(role=good["role"].where(~its | (good.index % 20 > 0), "fallback"))
    write(root, failed)
    require_not_promoted(capsys, 1, "it has not predicted for ")

    slow = good.assign(scoring_ms=np.where(its, 900, 1).astype(np.float32))
    write(root, slow)
    require_not_promoted(capsys, 1, "5 of 100 predictions take more than 900 ms")

    write(root, predictions(right=0.5))
    write_labels(root)
    require_not_promoted(capsys, 1, "its cost is worse by ", "--labels", "labels.csv")
    configure(root, labels="labels.csv")
    require_not_promoted(capsys, 1, "its cost is worse by ")  # an automatic promotion finds them
    configure(root, labels="labels.csv", date="known")
    write_labels(root, known="2020-02-02")  # of an earlier time: they say nothing of the trial
    _, lines = run(capsys, "status")
    assert "with --labels: cost and log loss" in lines
    configure(root)
    write_labels(root)

    assert released.production is not None
    assert released.production.number == 1
    write(root, good)
    _, lines = run(capsys, "status", "--labels", "labels.csv")
    assert lines[-1].startswith("ready for Production: nothing speaks against it after ")
    code, lines = run(capsys, "promote", "--when-due", "--labels", "labels.csv")
    assert (code, lines[-1]) == (0, "version 2 is in Production")
    assert released.production is not None
    assert released.production.tags["smoke"] == "passed"

    code, [line] = run(capsys, "promote", "--when-due")
    assert (code, line.startswith("not promoted: no version is being tried")) == (0, True)


def test_without_a_log_nothing_is_promoted(
    root: Path, released: Candidates, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(root, log=None)
    assert run(capsys, "promote", "--when-due")[0] == 2
    canary.stop(released.registry, "churn serve", "it could not answer 9 of 90 requests")
    configure(root)
    code, [line] = run(capsys, "promote", "--when-due")
    assert (code, "it could not answer 9 of 90" in line) == (0, True)
    assert run(capsys, "promote")[0] == 2  # by hand as well
    assert run(capsys, "promote", "--labels", "labels.csv")[0] == 2
    assert released.production is not None
    assert released.production.number == 1
