"""Which served model is asked, as options of pytest; and a report of what was found."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from churn.core.files import write_json
from churn.deploy.integration import ServingReport

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Options:
    """Which model is asked; without `uri` and `url` a small one that the tests make themselves.

    Attributes
    ----------
    uri : str or None
        What MLflow is to serve.
    url : str or None
        Of a server that is there already.
    rows : Path or None
        Parquet file: raw columns, and the offline answers.
    environment : mapping of str to str
        As it was before any test was protected from it.
    folder : Path
        Where pytest was started; an address of MLflow's store may be relative to it.
    """

    uri: str | None
    url: str | None
    rows: Path | None
    environment: Mapping[str, str]
    folder: Path


OPTIONS = pytest.StashKey[Options]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("served model", "tests of a served model (tests/integration)")
    group.addoption(
        "--model-uri",
        metavar="URI",
        help="serve this model of MLflow's and test it, such as models:/churn-predictor/Staging",
    )
    group.addoption(
        "--url",
        help="test the model that is served there, such as http://127.0.0.1:5000; needs --rows",
    )
    group.addoption(
        "--rows",
        metavar="FILE",
        help="Parquet file with customers and their offline answers (default: held-out customers of"
        " the table that params.yaml names)",
    )
    group.addoption(
        "--serving-report",
        metavar="FILE",
        help="write what was found and measured there, as JSON",
    )


def pytest_configure(config: pytest.Config) -> None:
    uri, url, rows = (config.getoption(name) for name in ("--model-uri", "--url", "--rows"))
    if uri and url:
        raise pytest.UsageError("--model-uri and --url: give one of them")
    if url and not rows:
        raise pytest.UsageError("--url needs --rows: customers and their offline predictions")
    if rows and not (uri or url):
        raise pytest.UsageError("--rows needs --model-uri or --url: the model that they are of")
    folder = config.invocation_params.dir
    if rows and not (folder / rows).is_file():
        raise pytest.UsageError(f"--rows: {rows} is not there")
    path = folder / rows if rows else None
    config.stash[OPTIONS] = Options(uri, url, path, dict(os.environ), folder)
    report = config.getoption("--serving-report")
    if report and not hasattr(config, "workerinput"):  # of pytest-xdist's processes the first one
        config.pluginmanager.register(Report(folder / report, config.rootpath))


class Report:
    """Counts the tests of this folder, whether their server came up or not.

    What they measure they say with `record_property`, which also reaches the process that writes
    when pytest-xdist divides the tests among several.
    """

    def __init__(self, target: Path, root: Path) -> None:
        self._target, self._root = target, root
        self._outcomes: dict[str, str] = {}
        self._measured: dict[str, float] = {}
        self._to_run: list[str] = []
        target.unlink(missing_ok=True)  # that of an earlier run would be believed

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._to_run = [item.nodeid for item in session.items if item.path.is_relative_to(HERE)]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or not report.passed:
            self._note(report)
        for name, value in report.user_properties:  # of several servers the slower one
            self._measured[name] = max(value, self._measured.get(name, value))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if not report.passed:
            self._note(report)

    def _note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        file = (self._root / report.nodeid.partition("::")[0]).resolve()
        if file.is_relative_to(HERE) and self._outcomes.get(report.nodeid) != "failed":
            self._outcomes[report.nodeid] = report.outcome

    def pytest_sessionfinish(self) -> None:
        for test in self._to_run:  # where pytest was stopped before it had run them
            self._outcomes.setdefault(test, "skipped")
        report = ServingReport(
            passed=len(self._of("passed")),
            failed=self._of("failed"),
            skipped=self._of("skipped"),
            start_s=self._measured.get("start_s"),
            p95_ms=self._measured.get("p95_ms"),
        )
        write_json(self._target, report)

    def _of(self, outcome: str) -> list[str]:
        return [test for test, found in self._outcomes.items() if found == outcome]
