"""What `churn init` prints when the pipeline has run."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from churn.core.params import GatesParams
from churn.evaluation.results import Metrics
from churn.init import show
from churn.validation.results import CheckResult, Checks
from tests.conftest import PARAMS


def a_console() -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    return Console(file=file, width=80), file


def check(name: str, status: str, error: str | None = None) -> CheckResult:
    return CheckResult.model_validate(
        {"suite": "model", "check": name, "status": status, "error": error}
    )


def test_the_metrics_with_limits_and_the_checks_are_told() -> None:
    shipped = yaml.safe_load(PARAMS.read_text(encoding="utf-8"))
    gates = GatesParams.model_validate(shipped["gates"])
    values = {"roc_auc": 0.8474, "average_precision": 0.7, "cost": 0.4, "brier": None, "f1": 0.6}
    metrics = Metrics.model_validate({"threshold": 0.1, "train": values, "test": values})
    checks = Checks.of([check("A", "passed"), check("B", "crashed", "no [b]reason[/b]")], {})
    console, file = a_console()
    show.results(metrics, gates, checks, console)
    assert file.getvalue().splitlines() == [
        "",
        "The first candidate, on held-out customers: ROC AUC 0.847, average precision 0.700, Brier"
        " score undefined, cost per customer 0.400",
        "deepchecks: 1 of 2 checks passed",
        "deepchecks: B crashed, which blocks the review: no [b]reason[/b]",
        "`churn summary` shows all metrics, and where pages and pictures are.",
        "",
    ]


@pytest.mark.parametrize(
    ("megabytes", "in_git", "is_told"), [(21, True, True), (21, False, False), (19, True, False)]
)
def test_a_large_table_on_its_way_into_git_is_told(
    megabytes: int, in_git: bool, is_told: bool, tmp_path: Path
) -> None:
    table = tmp_path / "shop.csv"
    with table.open("wb") as file:
        file.truncate(megabytes * 1_000_000)
    console, printed = a_console()
    show.next_steps(table, in_git, console)
    [*_, last] = printed.getvalue().partition("shop.csv: 21 MB, which `dvc push`")
    assert bool(last) == is_told
    assert "git push --set-upstream origin our-customers" in printed.getvalue()
