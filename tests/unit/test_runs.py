"""The runs of the experiment as a table."""

from __future__ import annotations

from pathlib import Path

import pytest

from churn import runs, tracking
from churn.errors import ParamsError


def listed(capsys: pytest.CaptureFixture[str], metric: str, limit: int = 20) -> list[list[str]]:
    """Return the cells of each line below the table's head."""
    runs.show(Path(), metric, limit)
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]
    return lines[2:]


@pytest.fixture
def logged(store: Path) -> list[str]:
    """Log three runs, and return their ids."""
    experiment = tracking.connect(store)
    tags = {"git_commit": "0123456789", "git_dirty": "true", "checks": "26/27"}
    return [
        tracking.log_metrics(experiment, {"test_roc_auc": auc, "test_cost": cost}, tags).run_id
        for auc, cost in ((0.7, 0.5), (0.9, 0.6), (0.8, 0.4))
    ]


def test_the_best_run_comes_first(logged: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    a, b, c = logged
    assert [row[0] for row in listed(capsys, "test_roc_auc")] == [b, c, a]
    assert [row[0] for row in listed(capsys, "test_cost")] == [c, a, b]  # the cheapest
    assert [row[0] for row in listed(capsys, "test_roc_auc", limit=2)] == [b, c]


def test_a_row_shows_metrics_checks_and_commit(
    logged: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    best = listed(capsys, "test_roc_auc", limit=1)[0]
    assert best[-4:] == ["0.9000", "0.6000", "26/27", "01234567+"]


def test_an_unknown_metric_is_refused_with_the_known_ones(
    logged: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ParamsError, match=r"no run has it \(valid: test_cost, test_roc_auc\)"):
        listed(capsys, "test_auc")


def test_without_runs_the_way_to_one_is_shown(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs.show(store, "test_roc_auc", 20)
    assert "no runs yet" in capsys.readouterr().out
