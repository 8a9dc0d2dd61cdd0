"""The runs of the experiment as a table."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from mlflow.entities import Run
from rich import box
from rich.console import Console
from rich.table import Table

from churn import tracking
from churn.errors import ParamsError
from churn.evaluation.metric_names import SMALLER_IS_BETTER

_SHOWN = ("test_roc_auc", "test_average_precision", "test_log_loss", "test_cost")


def show(root: Path, metric: str, limit: int) -> None:
    """Print the finished runs, best first.

    Parameters
    ----------
    root : Path
        Folder of the local MLflow store.
    metric : str
        Metric that orders, as it is called in MLflow (``test_roc_auc``).
    limit : int
        Most rows.

    Raises
    ------
    ParamsError
        If no run has that metric.
    TrackingError
        If MLflow cannot be reached.
    """
    ascending = metric.partition("_")[2] in SMALLER_IS_BETTER  # test_log_loss: log_loss
    found = tracking.search(tracking.connect(root), metric, limit, ascending)
    if not found:
        Console().print("no runs yet: `dvc repro` or `churn track` logs one")
        return
    known = sorted({name for run in found for name in run.data.metrics})
    if metric not in known:
        raise ParamsError(f"--metric {metric}: no run has it (valid: {', '.join(known)})")
    table = Table(box=box.SIMPLE_HEAD)
    columns = list(dict.fromkeys([metric, *_SHOWN]))
    for name in ("run", "name", "started", *columns, "checks", "commit"):
        table.add_column(name, justify="right" if name in columns else "left", no_wrap=True)
    for run in found:
        values = [run.data.metrics.get(name) for name in columns]
        cells = ["" if value is None else f"{value:.4f}" for value in values]
        table.add_row(*_who(run), *cells, run.data.tags.get("checks", ""), _commit(run))
    # A table that is cut off is worth nothing in a file or a pipe.
    console = Console()
    console = console if console.is_terminal else Console(width=200)
    console.print(table)


def _who(run: Run) -> tuple[str, str, str]:
    started = datetime.fromtimestamp(run.info.start_time / 1000).astimezone()
    return run.info.run_id, tracking.run_name(run), f"{started:%Y-%m-%d %H:%M}"


def _commit(run: Run) -> str:
    commit = run.data.tags.get("git_commit", "")[:8]
    return f"{commit}+" if run.data.tags.get("git_dirty") == "true" else commit
