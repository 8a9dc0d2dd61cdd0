"""Print the runs of the experiment as a table."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from mlflow.entities import Run
from rich import box
from rich.console import Console
from rich.table import Table

from churn.core import params, rounding
from churn.core.errors import ParamsError
from churn.core.params import METRICS
from churn.core.paths import Workspace
from churn.evaluation.metric_names import SHOWN, SMALLER_IS_BETTER
from churn.registry.working_copy import working_copy
from churn.tracking import connection, runs

_MOST_METRICS = 4
_UNLIMITED = 10_000  # characters


def show(root: Path, metric: str | None, limit: int, console: Console | None = None) -> None:
    """Print the finished runs, best first.

    Parameters
    ----------
    root : Path
        Folder of the local MLflow store.
    metric : str or None
        Metric to sort by, as named in MLflow (``test_roc_auc``). None for the first one of the
        task of params.yaml.
    limit : int
        Maximum number of rows.
    console : rich.console.Console, optional
        Defaults to standard output. A narrow terminal gets fewer columns, but always the run's id
        and the metric to sort by.

    Raises
    ------
    ParamsError
        If no run has that metric.
    TrackingError
        If MLflow cannot be reached.
    """
    shown = _of_task(root)
    metric = shown[0] if metric is None else metric
    ascending = metric.partition("_")[2] in SMALLER_IS_BETTER  # test_log_loss: log_loss
    with working_copy(root):
        found = runs.search(connection.connect(root), metric, limit, ascending)
    if not found:
        (console or Console()).print("no runs yet: `dvc repro` or `churn track` logs one")
        return
    known = sorted({name for run in found for name in run.data.metrics})
    if metric not in known:
        raise ParamsError(f"--metric {metric}: no run has it (valid: {', '.join(known)})")
    _print(_columns(found, [metric, *shown]), metric, console or Console())


def _of_task(root: Path) -> list[str]:
    """Return the metrics that are shown, as MLflow names them; without params.yaml of binary."""
    file = Workspace(root).params
    known = METRICS[params.load(file).task if file.exists() else "binary"]
    # Of the other columns, none has a _ in its name.
    return [f"test_{name}" for name in SHOWN if name in known][:_MOST_METRICS]


def _columns(found: list[Run], names: list[str]) -> dict[str, list[str]]:
    """Return the cells of each column by its heading, from left to right."""
    metrics = {name: [_metric(run, name) for run in found] for name in names}
    return {
        "run": [run.info.run_id for run in found],
        "name": [runs.run_name(run) for run in found],
        "started": [_started(run) for run in found],
        **metrics,
        "checks": [run.data.tags.get("checks", "") for run in found],
        "commit": [_commit(run) for run in found],
    }


def _print(columns: dict[str, list[str]], metric: str, console: Console) -> None:
    """Print the columns that fit into a terminal, or all of them into a file or a pipe."""
    metrics = [name for name in columns if "_" in name and name != metric]
    droppable = ["name", *reversed(metrics), "commit", "checks", "started"]
    left_out: list[str] = []
    table = _table(columns)
    while console.is_terminal and _width(table, console) > console.width and droppable:
        left_out.append(droppable.pop(0))
        shown = {name: cells for name, cells in columns.items() if name not in left_out}
        table = _table(shown)
    # Let the terminal wrap the line: a truncated run id is useless.
    console.width = max(console.width, _width(table, console))
    console.print(table)
    if left_out:
        named = ", ".join(name for name in columns if name in left_out)
        console.print(f"  A wider terminal also shows: {named}")


def _table(columns: dict[str, list[str]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for name in columns:
        table.add_column(name, justify="right" if "_" in name else "left", no_wrap=True)
    for row in zip(*columns.values(), strict=True):
        table.add_row(*row)
    return table


def _width(table: Table, console: Console) -> int:
    """Return the width of a table without truncation."""
    return console.measure(table, options=console.options.update(max_width=_UNLIMITED)).maximum


def _metric(run: Run, name: str) -> str:
    value = run.data.metrics.get(name)
    return "" if value is None else rounding.shown(value, 4)


def _started(run: Run) -> str:
    started = datetime.fromtimestamp(run.info.start_time / 1000, UTC)
    return f"{started:%Y-%m-%d %H:%MZ}"  # UTC, as everywhere


def _commit(run: Run) -> str:
    commit = run.data.tags.get("git_commit", "")[:8]
    return f"{commit}+" if run.data.tags.get("git_dirty") == "true" else commit
