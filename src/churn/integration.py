"""Running the integration tests (tests/integration) against a version as it is served."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from churn.errors import ArtifactError
from churn.files import read_json, read_parquet
from churn.model.threshold import decide
from churn.params import Params
from churn.paths import Workspace
from churn.shapes import ServingReport

TESTS = Path("tests/integration")


@dataclass(frozen=True)
class Findings:
    """What the tests have found.

    Attributes
    ----------
    passed : bool
        Whether every test ran and passed.
    told : str
        In one line: how many, how fast; or which failed.
    output : str
        What pytest printed.
    """

    passed: bool
    told: str
    output: str


def run(root: Path, uri: str, workspace: Workspace, settings: Params) -> Findings:
    """Serve a model with `mlflow models serve`, and test it as its callers see it.

    Parameters
    ----------
    root : Path
        The repository, whose tests are run.
    uri : str
        What MLflow serves.
    workspace : Workspace
        With held-out customers, and what the candidate has said of them.
    settings : Params

    Returns
    -------
    Findings
        Not passed where the tests could not be run, either.
    """
    if not (root / TESTS).is_dir():
        raise ArtifactError(f"{root / TESTS}: not there; without integration tests no release")
    with tempfile.TemporaryDirectory(prefix="churn-integration-") as folder:
        rows, report = Path(folder) / "rows.parquet", Path(folder) / "report.json"
        parity_rows(workspace, settings).to_parquet(rows, index=False)
        command = [sys.executable, "-m", "pytest", str(TESTS), "--model-uri", uri]
        command += ["--rows", str(rows), "--serving-report", str(report)]
        command += ["--quiet", "-p", "no:cacheprovider"]
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        done = subprocess.run(
            command,
            cwd=root,
            env=os.environ | {"PATH": path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        if not report.exists():
            last = next(iter(reversed(done.stdout.strip().splitlines())), "pytest said nothing")
            return Findings(False, f"the integration tests did not run: {last}", done.stdout)
        found = read_json(report, "release", ServingReport)
    return Findings(*_told(found, done.returncode), done.stdout)


def _told(found: dict[str, object], code: int) -> tuple[bool, str]:
    """Judge the tests' own report; what was skipped has not passed."""
    report = ServingReport.model_validate(found)
    bad = [*report.failed, *report.skipped]
    if bad or code:
        names = (
            ", ".join(name.rpartition("::")[2] for name in bad[:3]) or f"pytest ended with {code}"
        )
        more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
        return False, f"integration tests failed: {names}{more}"
    if not report.passed or report.p95_ms is None or report.start_s is None:
        return False, "integration tests failed: start and latency were not measured"
    return True, (
        f"{report.passed} integration tests passed; the server answered after"
        f" {report.start_s:.1f} s, 95 of 100 requests within {report.p95_ms:.0f} ms"
    )


def parity_rows(workspace: Workspace, settings: Params) -> pd.DataFrame:
    """Return held-out customers with what the candidate has said of them offline.

    Returns
    -------
    DataFrame
        The raw columns, ``probability`` and ``prediction``; no id and no label.
    """
    test = read_parquet(workspace.split("test"), "prepare")
    predictions = read_parquet(workspace.predictions("test"), "evaluate")
    threshold = float(read_json(workspace.metrics, "evaluate")["threshold"])
    probability = predictions["probability"].to_numpy()
    rows = test[list(settings.data.features)].assign(
        probability=probability, prediction=decide(probability, threshold)
    )
    return rows.head(settings.release.parity_rows)
