"""The runs of the experiment as a table."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from churn.cli import runs
from churn.core.errors import ParamsError
from churn.tracking import connection
from churn.tracking.runs import log_metrics


def listed(capsys: pytest.CaptureFixture[str], metric: str, limit: int = 20) -> list[list[str]]:
    """Return the cells of each line below the table's head."""
    runs.show(Path(), metric, limit)
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]
    return lines[2:]


@pytest.fixture
def logged(store: Path) -> list[str]:
    """Log three runs, and return their ids."""
    experiment = connection.connect(store)
    tags = {"git_commit": "0123456789", "git_dirty": "true", "checks": "26/27"}
    return [
        log_metrics(experiment, {"test_roc_auc": auc, "test_cost": cost}, tags).run_id
        for auc, cost in ((0.7, 0.5), (0.9, 0.6), (0.8, 0.4))
    ]


@pytest.mark.slow
def test_the_best_run_comes_first(logged: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    a, b, c = logged
    assert [row[0] for row in listed(capsys, "test_roc_auc")] == [b, c, a]
    assert [row[0] for row in listed(capsys, "test_cost")] == [c, a, b]  # the cheapest
    assert [row[0] for row in listed(capsys, "test_roc_auc", limit=2)] == [b, c]


@pytest.mark.slow
def test_a_row_shows_metrics_checks_and_commit(
    logged: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    best = listed(capsys, "test_roc_auc", limit=1)[0]
    assert best[-4:] == ["0.9000", "0.6000", "26/27", "01234567+"]


@pytest.mark.slow
def test_an_unknown_metric_is_refused_with_the_known_ones(
    logged: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ParamsError, match=r"no run has it \(valid: test_cost, test_roc_auc\)"):
        listed(capsys, "test_auc")


@pytest.mark.slow
@pytest.mark.parametrize(
    "metric",
    ["test roc auc", "test_roc_auc DESC", "a`b", "a'b", 'a"b', "a;b", "a,b", "", "\n", "ä"],
)
def test_what_no_metric_can_be_called_is_refused_with_the_known_ones(
    metric: str, logged: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ParamsError, match=r"no run has it \(valid: test_cost, test_roc_auc\)"):
        listed(capsys, metric)


@pytest.mark.slow
def test_a_metric_with_a_space_orders(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    experiment = connection.connect(store)
    logged = [log_metrics(experiment, {"gain / all": gain}, {}).run_id for gain in (1, 3, 2)]
    assert [row[0] for row in listed(capsys, "gain / all")] == [logged[i] for i in (1, 2, 0)]


@pytest.fixture
def complete(store: Path) -> str:
    """Log one run with everything that a row can show, and return its id."""
    tags = {
        "mlflow.runName": "hist_gradient_boosting-0123abcd",
        "git_commit": "0123456789",
        "git_dirty": "true",
        "checks": "26/27",
    }
    names = ("test_roc_auc", "test_average_precision", "test_brier", "test_cost")
    metrics = {name: 0.1111 * (i + 1) for i, name in enumerate(names)}
    metrics["train_average_precision"] = 0.9876
    return log_metrics(connection.connect(store), metrics, tags).run_id


def shown(width: int, metric: str, terminal: bool = True) -> str:
    out = StringIO()
    console = Console(file=out, width=width, force_terminal=terminal, color_system=None)
    runs.show(Path(), metric, 20, console)
    return out.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("metric", "value"),
    [("test_roc_auc", "0.1111"), ("test_cost", "0.4444"), ("train_average_precision", "0.9876")],
)
def test_a_narrow_terminal_gets_fewer_columns_and_each_of_them_whole(
    metric: str, value: str, complete: str
) -> None:
    said = shown(80, metric)
    assert "…" not in said
    assert max(map(len, said.splitlines())) <= 80
    head, row = (line.split() for line in said.splitlines() if "run " in line or complete in line)
    assert head[0] == "run"
    assert metric in head
    assert row[0] == complete
    assert value in row
    assert "A wider terminal also shows: name, " in said.replace("\n", " ")


@pytest.mark.slow
def test_what_is_left_out_is_what_matters_least(complete: str) -> None:
    def columns(width: int) -> list[str]:
        return shown(width, "test_cost").split("──")[0].split()

    everything = ["test_cost", "test_roc_auc", "test_average_precision", "test_brier"]
    assert columns(200) == ["run", "name", "started", *everything, "checks", "commit"]
    assert columns(150) == ["run", "started", *everything, "checks", "commit"]
    assert columns(105) == ["run", "started", *everything[:2], "checks", "commit"]
    assert columns(80) == ["run", "started", "test_cost", "checks"]
    assert columns(50) == columns(30) == ["run", "test_cost"]
    assert complete in shown(30, "test_cost")


@pytest.mark.slow
def test_a_file_gets_everything_however_long_the_lines_are(complete: str) -> None:
    said = shown(80, "train_average_precision", terminal=False)
    [row] = [line.split() for line in said.splitlines() if complete in line]
    assert row[1] == "hist_gradient_boosting-0123abcd"
    assert row[4:] == ["0.9876", "0.1111", "0.2222", "0.3333", "0.4444", "26/27", "01234567+"]
    assert "wider" not in said


def test_without_runs_the_way_to_one_is_shown(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs.show(store, "test_roc_auc", 20)
    assert "no runs yet" in capsys.readouterr().out
