"""A real server, monitor and Prometheus: traffic that drifts fires, other does not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from churn.data import synthesize
from churn.monitor.reporting import JSON, TEXTFILE
from tests.conftest import ROOT
from tests.unit.alerts import promql
from tests.unit.alerts.prometheus import Prometheus, node_exporter, prometheus
from tests.unit.alerts.shipped import by_kind, exposed, expressions
from tests.unit.releases import Candidates
from tests.unit.serve.running import Running, eventually, serving

pytestmark = pytest.mark.long

KEY = "a key for Prometheus"
CUSTOMERS, REQUEST = 2000, 100
QUIET_S = 6
DRIFT = 12  # months: 480 training rows of the small model leave room for much chance
# Those that look back for so long that traffic and failures of before still count, and the speed of
# a machine that other tests share.
SLOW = {"ChurnSlow", "ChurnSlowTail", "ChurnServiceWorse"}


@pytest.fixture
def root(released: Candidates, tmp_path: Path) -> Path:
    """Return the folder in which the server and the monitor run."""
    document = yaml.safe_load((released.roots[0] / "params.yaml").read_text())
    document["serve"] |= {"poll_s": 0.5, "flush_s": 0.5, "log": "log", "drain_s": 5}
    folder = tmp_path / "server"
    folder.mkdir()
    (folder / "params.yaml").write_text(yaml.safe_dump(document))
    return folder


@pytest.fixture
def running(root: Path) -> Iterator[Running]:
    with serving(root, "--workers", "2", environment={"CHURN_API_KEYS": KEY}) as found:
        yield found


def send(running: Running, root: Path, seed: int, drift: float) -> None:
    """Let the server answer new customers, and nobody else be in its log."""
    shutil.rmtree(root / "log", ignore_errors=True)
    before = written(running)
    table = next(synthesize.customers(CUSTOMERS, seed, drift)).to_pandas().drop(columns="churned")
    table["customer_id"] = [f"{seed}-{name}" for name in table["customer_id"]]
    records = json.loads(table.to_json(orient="records"))
    for first in range(0, CUSTOMERS, REQUEST):
        answer = running.ask(records[first : first + REQUEST], headers=authorization())
        assert answer.status_code == 200, answer.text
    eventually(lambda: written(running) == before + CUSTOMERS)


def authorization() -> dict[str, str]:
    return {"Authorization": f"Bearer {KEY}"}


def written(running: Running) -> float:
    text = running.get("/metrics", headers=authorization()).text
    [line] = [one for one in text.splitlines() if one.startswith("churn_log_written_rows_total ")]
    return float(line.split()[1])


def monitor(root: Path) -> tuple[int, dict[str, Any]]:
    """Run `churn monitor`; return its exit code and its report."""
    done = subprocess.run(
        [sys.executable, "-m", "churn", "monitor", "--since", "2d"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.returncode, json.loads((root / "build/monitor" / JSON).read_text())


def newest(found: Prometheus, root: Path) -> None:
    """Wait until Prometheus has evaluated the rules with what the monitor has just written."""
    text = (root / "build/monitor" / TEXTFILE).read_text()
    [line] = [one for one in text.splitlines() if one.startswith("churn_monitor_last_run")]
    name, value = line.split()
    for job in ("churn", "churn-monitor"):
        found.wait_for(f'min_over_time({name}{{job="{job}"}}[3s]) == {float(value)!r}')


@pytest.mark.exhaustive
def test_drift_fires_and_the_same_population_does_not(
    root: Path, running: Running, tmp_path: Path
) -> None:
    key, address = tmp_path / "key", running.url.removeprefix("http://")
    key.write_text(KEY)
    folder = root / "build/monitor"
    send(running, root, seed=31, drift=0)
    assert monitor(root)[0] == 0
    with (
        node_exporter(folder, tmp_path / "exporter.log") as exporter,
        prometheus(
            tmp_path / "prometheus", {"churn": [address], "churn-monitor": [exporter]}, key
        ) as found,
    ):
        newest(found, root)
        stays_quiet(found)
        _everything_is_there(found)

        send(running, root, seed=32, drift=DRIFT)
        code, report = monitor(root)
        assert code == 1
        newest(found, root)
        _alarms_are_told(found, report)

        send(running, root, seed=33, drift=0)
        assert monitor(root)[0] == 0
        newest(found, root)
        stays_quiet(found)

        # Half of a file, as no program of ours writes it.
        whole = (folder / TEXTFILE).read_text()
        (folder / TEXTFILE).write_text(whole[: len(whole) // 2])
        eventually(lambda: "ChurnMonitorDamaged" in found.names(), 60)
        assert found.values('sum(rate(churn_requests_total{job="churn"}[1m]))')[0] > 0
        assert f"{folder.name}/{TEXTFILE} is not shown on /metrics" in running.text
        (folder / TEXTFILE).unlink()

        running.stop()
        eventually(lambda: {"ChurnDown", "ChurnInstanceDown"} <= found.names(), 60)
        eventually(lambda: "ChurnMonitorMissing" in found.names(), 60)


def stays_quiet(found: Prometheus) -> None:
    """Wait until no alert fires, as after a start, and see that it stays so for a while."""
    eventually(lambda: found.names() <= SLOW, 60)
    until = time.monotonic() + QUIET_S
    while time.monotonic() < until:
        assert found.names() <= SLOW
        time.sleep(0.5)


def _alarms_are_told(found: Prometheus, report: dict[str, Any]) -> None:
    """Each kind of alarm fires once for each way to Prometheus, and names what has changed."""
    kinds = {alarm["kind"] for alarm in report["alarms"]}
    assert "data" in kinds
    firing = [one for one in found.firing() if one["labels"]["alertname"] not in SLOW]
    shown = {(one["labels"]["alertname"], one["labels"]["job"]) for one in firing}
    told = {name for kind, name in by_kind().items() if kind in kinds and name not in SLOW}
    assert shown == {(name, job) for name in told for job in ("churn", "churn-monitor")}
    assert len(firing) == len(shown)
    for one in firing:
        kind = one["labels"]["kind"]
        names = sorted(alarm["name"] for alarm in report["alarms"] if alarm["kind"] == kind)
        assert one["annotations"]["description"].split(". ") == [*names, ""]


def _everything_is_there(found: Prometheus) -> None:
    """Prometheus has what the rules and the dashboard name, each number once."""
    there = set(found.get("label/__name__/values"))
    known = exposed()
    named = set().union(*map(promql.metrics, expressions().values()))
    only_when_it_happens = {
        "ALERTS",
        "churn_challenger_failures_total",
        "churn_errors_total",
        "churn_log_dropped_rows_total",
    }
    assert {name for name in named if name in known} - there <= only_when_it_happens
    for expression in expressions().values():
        found.get("query", query=expression)
    # Two workers show one file.
    assert found.values('sum(churn_model_served{job="churn"})') == [2]
    assert found.values('churn_monitor_customers{job="churn"}') == [CUSTOMERS]
    assert found.values('sum(churn_rows_total{job="churn"})') == [CUSTOMERS]
