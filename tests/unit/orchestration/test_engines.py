"""The three jobs, each run by Prefect, Dagster and Airflow themselves, with the real commands.

Customers are predicted for; those who were served have changed, which is an alarm; and there is no
repository for a pull request, which is an error.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pandas as pd
import pytest
import yaml

from churn.data import synthesize
from churn.model import artifact
from tests import warm
from tests.conftest import ROOT
from tests.unit.monitor import logs
from tests.unit.releases import Candidates

pytestmark = pytest.mark.long

_HERE = Path(__file__).resolve().parent
_POSTED = ("monitor raises an alarm", "retrain has failed")
_ALARM = "churn monitor: The customers have changed (version 1)"
_ERROR = "churn retrain: git ls-remote: fatal: 'origin' does not appear to be a git repository"


def python_of(engine: str) -> Path:
    """Return the engine's Python; skip where it is not installed."""
    found = ROOT / f".venv-{engine}" / "bin" / "python"
    if not found.exists():
        pytest.skip(f"{engine} is not here; install it: make orchestration")
    return found


@pytest.fixture
def alerts() -> Iterator[tuple[str, list[str]]]:
    """Return the address of a webhook, and the texts that were posted there."""
    texts: list[str] = []

    class Webhook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            texts.append(json.loads(body)["text"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Webhook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", texts
    server.shutdown()
    server.server_close()


@pytest.fixture
def project(released: Candidates, customers: pd.DataFrame) -> Path:
    """Return a project with version 1 in Production, customers to predict for, and a log."""
    root = released.roots[0]
    shutil.copytree(ROOT / "orchestration", root / "orchestration")
    jobs = root / "orchestration/jobs.py"
    text = jobs.read_text()
    assert "RETRY_DELAY_S = 300" in text
    jobs.write_text(text.replace("RETRY_DELAY_S = 300", "RETRY_DELAY_S = 0"))
    document = yaml.safe_load((root / "params.yaml").read_text())
    document["batch"]["input"] = "customers.csv"
    document["monitor"]["log"] = "log"
    (root / "params.yaml").write_text(yaml.safe_dump(document))
    customers[:50].to_csv(root / "customers.csv", index=False)
    model = artifact.load(root / "build/candidate/model")
    pool = next(synthesize.customers(1600, 1)).to_pandas()
    pool["age"] += 20
    for ago in range(4):
        day = datetime.now(UTC).date() - timedelta(days=ago)
        logs.write(root / "log", day, pool[400 * ago : 400 * ago + 400], model)
    return root


def environment(project: Path, home: Path) -> dict[str, str]:
    """Return the variables under which an engine runs: nothing of it is kept beyond `home`."""
    programs = warm.programs() if warm.is_possible() else Path(sys.executable).parent
    kept = {k: v for k, v in os.environ.items() if "proxy" not in k.lower()}
    return kept | {
        "HOME": str(home),
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": f"{project / 'orchestration'}{os.pathsep}{ROOT / 'src'}",
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(project / "orchestration"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }


@pytest.mark.parametrize(
    "engine",
    [
        pytest.param("prefect", marks=pytest.mark.exhaustive),
        "dagster",
        pytest.param("airflow", marks=pytest.mark.exhaustive),
    ],
)
def test_the_jobs_run_and_a_failure_says_why(
    engine: str, project: Path, alerts: tuple[str, list[str]], tmp_path: Path
) -> None:
    python, (address, texts), home = python_of(engine), alerts, tmp_path / engine
    home.mkdir()
    done = subprocess.run(
        [python, _HERE / f"run_{engine}.py"],
        cwd=home,
        env=environment(project, home) | {"CHURN_ALERT_URL": address},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout
    print(done.stdout)
    [line] = [line for line in done.stdout.splitlines() if line.startswith('{"batch"')]
    assert json.loads(line) == {"batch": True, "monitor": False, "retrain": False}
    [day] = (project / "scored").iterdir()
    assert len(pd.read_csv(day / "customers.csv")) == 50
    assert len(texts) == 2, texts
    for text, what, reason in zip(texts, _POSTED, (_ALARM, _ERROR), strict=True):
        assert text.endswith(f"{what}; the reason is in its run")
        assert reason in done.stdout
    # An alarm stays one, and is not tried again; an error may pass.
    commands = ("predict", "monitor", "retrain")
    begun = [done.stdout.count(f"churn {name} --skip-if-not-set-up") for name in commands]
    assert begun == [1, 1, 3]


def test_dagster_finds_the_file_as_the_page_says(project: Path, tmp_path: Path) -> None:
    python = python_of("dagster")
    without = {k: v for k, v in environment(project, tmp_path).items() if k != "PYTHONPATH"}
    command = [python.with_name("dagster"), "definitions", "validate", "-d", "orchestration"]
    done = subprocess.run(
        [*command, "-f", "orchestration/dagster_definitions.py"],
        cwd=project, env=without, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
