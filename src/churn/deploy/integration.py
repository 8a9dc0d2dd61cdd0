"""Running the integration tests (tests/integration) against a version as it is served."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from churn.core import process
from churn.core.errors import ArtifactError
from churn.core.files import Shape, read_json, read_parquet
from churn.core.params import Params
from churn.core.paths import Workspace
from churn.data.dates import with_timestamps
from churn.model import artifact

TESTS = Path("tests/integration")
_ROUNDING = 1e-12


class ServingReport(Shape):
    """What the tests write; `start_s` and `p95_ms` are null where not measured."""

    passed: int
    failed: list[str]
    skipped: list[str]
    start_s: float | None
    p95_ms: float | None


@dataclass(frozen=True)
class Findings:
    """What the tests have found.

    Attributes
    ----------
    passed : bool
        Whether every test ran and passed.
    summary : str
        In one line: how many, how fast; or which failed.
    output : str
        What pytest printed.
    """

    passed: bool
    summary: str
    output: str


def run(root: Path, model: Path, workspace: Workspace, settings: Params) -> Findings:
    """Serve a model with `mlflow models serve`, and test it as its callers see it.

    Parameters
    ----------
    root : Path
        The repository, whose tests are run.
    model : Path
        Folder of a version's verified files, as MLflow holds them.
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
        command = [sys.executable, "-m", "pytest", str(TESTS)]
        command += ["--model-uri", str(model.resolve())]
        command += ["--rows", str(rows), "--serving-report", str(report)]
        # Where the server does not start, each test would say why.
        command += ["--quiet", "--maxfail=5", "-p", "no:cacheprovider"]
        done = process.run(
            command,
            root,
            # Without the user's own options for pytest, which may leave tests out. What is served
            # stays as it was verified: Python writes nothing beside it.
            environment=process.without_credentials()
            | {
                "PATH": process.path_with_this_python(),
                "PYTEST_ADDOPTS": "",
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            merge_output=True,
        )
        if not report.exists():
            last = process.error_line(done.stdout, last=True)
            return Findings(False, f"the integration tests did not run: {last}", done.stdout)
        found = read_json(report, "release", ServingReport)
    return Findings(*_told(found, done.returncode), done.stdout)


def _told(report: ServingReport, code: int) -> tuple[bool, str]:
    """Judge the tests' own report; what was skipped has not passed."""
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
    """Return held-out customers with what the candidate's model says of them offline.

    All at once, as the server is asked about them: linear algebra adds up in another order where
    it has another number of rows, and then the last digit of a probability is another one. The
    server has to repeat each digit.

    Returns
    -------
    DataFrame
        The raw columns, ``probability`` and ``prediction``; no id and no label. Dates are points
        in time, by which the integration tests know them.

    Raises
    ------
    ArtifactError
        If the model says otherwise than the candidate's predictions do.
    """
    n_rows = settings.release.parity_rows
    rows = read_parquet(workspace.split("test"), "prepare").head(n_rows)
    said = read_parquet(workspace.predictions("test"), "evaluate").head(n_rows)
    predicted = artifact.load(workspace.model).predict(rows)
    if not (
        said[settings.data.id].equals(rows[settings.data.id])
        and np.allclose(said["probability"], predicted["probability"], rtol=0, atol=_ROUNDING)
    ):
        raise ArtifactError(
            f"{workspace.predictions('test')}: not what the model says of the held-out customers;"
            " run `dvc repro` again"
        )
    raw = rows[list(settings.data.inputs)]
    return with_timestamps(raw, settings.data.dates).join(predicted)
