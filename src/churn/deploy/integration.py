"""Run the integration tests (tests/integration) against a served version."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from churn.core import process
from churn.core.errors import ArtifactError
from churn.core.files import Shape, read_json, read_parquet
from churn.core.params import Params
from churn.core.paths import Workspace
from churn.data.dates import with_timestamps

TESTS = Path("tests/integration")
_ROUNDING = 1e-12


class ServingReport(Shape):
    """The tests' report; `start_s` and `p95_ms` are null if not measured."""

    passed: int
    failed: list[str]
    skipped: list[str]
    start_s: float | None
    p95_ms: float | None


@dataclass(frozen=True)
class Findings:
    """The result of the tests.

    Attributes
    ----------
    passed : bool
        Whether every test ran and passed.
    summary : str
        One line: number of tests and latency, or what failed.
    output : str
        What pytest printed.
    """

    passed: bool
    summary: str
    output: str


def run(root: Path, model: Path, workspace: Workspace, settings: Params) -> Findings:
    """Serve a model with `churn serve` and with `mlflow models serve`, and test both through HTTP.

    Parameters
    ----------
    root : Path
        The repository with the tests.
    model : Path
        Folder of a version's verified files, as MLflow holds them.
    workspace : Workspace
        With held-out customers and the candidate's predictions.
    settings : Params

    Returns
    -------
    Findings
        Not passed if the tests did not run at all.

    Raises
    ------
    ArtifactError
        If the tests are missing, or the predictions are not the model's.
    """
    if not (root / TESTS).is_dir():
        raise ArtifactError(f"{root / TESTS}: missing; a release needs its integration tests")
    with tempfile.TemporaryDirectory(prefix="churn-integration-") as folder:
        rows, report = Path(folder) / "rows.parquet", Path(folder) / "report.json"
        parity_rows(workspace, settings).to_parquet(rows, index=False)
        command = [sys.executable, "-m", "pytest", str(TESTS)]
        command += ["--model-uri", str(model.resolve())]
        command += ["--rows", str(rows), "--serving-report", str(report)]
        # If the server does not start, every test fails with the same error.
        command += ["--quiet", "--maxfail=5", "-p", "no:cacheprovider"]
        done = process.run(
            command,
            root,
            # PYTEST_ADDOPTS of the user may deselect tests. Bytecode would be written next to the
            # verified files.
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
    return Findings(*_summary(found, done.returncode), done.stdout)


def _summary(report: ServingReport, code: int) -> tuple[bool, str]:
    """Return whether all tests passed, and a summary; a skipped test has not passed."""
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
        f"{report.passed} integration tests passed; the slower server answered after"
        f" {report.start_s:.1f} s, 95 of 100 requests within {report.p95_ms:.0f} ms"
    )


def parity_rows(workspace: Workspace, settings: Params) -> pd.DataFrame:
    """Return held-out customers with offline predictions, which the server must repeat exactly.

    They are predicted as one batch of the same size as the request: linear algebra sums in another
    order for another number of rows, which changes the last digit.

    Returns
    -------
    DataFrame
        The raw columns and the answers, without id and label. Dates are
        timestamps, by which the integration tests recognise them.

    Raises
    ------
    ArtifactError
        If the candidate's predictions are not the model's.
    """
    # The served tests import this module for their report, and skops takes more than a second.
    from churn.model import artifact

    n_rows = settings.release.parity_rows
    rows = read_parquet(workspace.split("test"), "prepare").head(n_rows)
    stored = read_parquet(workspace.predictions("test"), "evaluate").head(n_rows)
    model = artifact.load(workspace.model)
    predicted = model.predict(rows)
    if not (
        stored[settings.data.id].equals(rows[settings.data.id])
        and model.output.agree(stored, predicted, _ROUNDING)
    ):
        raise ArtifactError(
            f"{workspace.predictions('test')}: not the model's predictions for held-out customers;"
            " run `dvc repro` again"
        )
    raw = rows[list(settings.data.inputs)]
    return with_timestamps(raw, settings.data.dates).join(predicted)
