"""Print a summary of the pipeline's results, and a comparison."""

from __future__ import annotations

from collections.abc import Mapping

from rich import box
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from churn.core.errors import ArtifactError
from churn.core.files import read_json
from churn.core.params import METRICS, TaskName
from churn.core.paths import Workspace
from churn.data.stats import DataStats
from churn.evaluation.metric_names import TITLES
from churn.evaluation.results import Metrics, Values
from churn.model.card import CARD_FILE, ModelCard
from churn.provenance.candidate import model_digest
from churn.review.comparison import Absent, Comparison, Entry, Incomparable
from churn.review.report.text import interval, number
from churn.tracking.tracked import TrackedRun
from churn.validation.results import Checks


def show(workspace: Workspace, console: Console) -> None:
    """Print metrics, checks, and the locations of the results.

    Raises
    ------
    ArtifactError
        If the pipeline has not run, or one of its files is damaged.
    """
    metrics = read_json(workspace.metrics, "evaluate", Metrics)
    checks = read_json(workspace.checks, "validate", Checks)
    card = read_json(workspace.model / CARD_FILE, "train", ModelCard)
    _require_all(metrics, card.task, workspace)
    stats = read_json(workspace.data_stats, "prepare", DataStats)
    title = f"{card.family}, {stats.rows:,} customers"
    if stats.is_sampled:
        title += f", trained on {stats.train.rows:,} of {stats.training_rows:,}"
    parts: list[RenderableType] = [
        metrics_table(metrics.threshold, metrics.sides),
        *([] if metrics.threshold is None else [Text()]),  # a table without caption ends in one
        _checks_line(checks),
        Text(),
        _places(workspace),
    ]
    console.print(
        Panel(Group(*parts), title=title, box=box.ROUNDED, expand=False, padding=(0, 2, 1, 2))
    )


def _require_all(metrics: Metrics, task: TaskName, workspace: Workspace) -> None:
    for side, values in metrics.sides.items():
        if missing := sorted(set(METRICS[task]) - set(values)):
            raise ArtifactError(
                f"{workspace.metrics}: {side}.{missing[0]} is missing; run `churn evaluate` again"
            )


def metrics_table(threshold: float | None, sides: Mapping[str, Values]) -> Table:
    """Lay out metrics: one row per metric, one column per side."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("metric")
    for side in sides:
        name = "held-out customers" if side == "test" else "training rows"
        table.add_column(name, justify="right", style="bold" if side == "test" else "dim")
    known = {name for values in sides.values() for name in values}
    for key, name in TITLES.items():
        if key in known:
            table.add_row(name, *(number(values[key]) for values in sides.values()))
    if threshold is not None:
        table.caption = f"churn is predicted at a probability of {threshold:g} and above"
    return table


def comparison_tables(report: Comparison) -> list[RenderableType]:
    """Lay out a comparison: one table per baseline, one row per metric."""
    return [_comparison_table(entry) for entry in report.baselines]


def _comparison_table(entry: Entry) -> RenderableType:
    if isinstance(entry, (Absent, Incomparable)):
        reason = entry.absent if isinstance(entry, Absent) else entry.incomparable
        return Text(f"{entry.name}: not compared: {reason}", style="yellow")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    names = ("metric", entry.name, "candidate", "difference", "95% interval", "")
    for name in names:
        table.add_column(name, justify="left" if name in ("metric", "") else "right")
    for metric in entry.most.metrics:
        values = [number(metric.baseline), number(metric.candidate)]
        values += [number(metric.difference, sign=True), interval(metric.lower, metric.upper)]
        word = metric.word or "unknown"
        style = {"better": "green", "worse": "red"}.get(word, "")
        table.add_row(TITLES[metric.metric], *values, Text(word, style=style))
    table.caption = f"on {entry.rows:,} held-out customers that neither was trained on"
    if entry.everyone:
        n = entry.everyone.rows
        table.caption = (
            f"on {n:,} customers, each predicted by a fit that has not seen that customer"
        )
    return table


def _checks_line(checks: Checks) -> Text:
    line = Text(checks.summary)
    line.stylize("green" if 0 < len(checks.checks) == checks.passed else "bold red")
    for check in checks.checks:
        if check.status != "passed":
            details = check.error or check.details or "no reason given"
            line.append(f"\n  {check.check} {check.status}: {details}", style="red")
    return line


def _places(workspace: Workspace) -> Table:
    places = Table.grid(padding=(0, 2))
    places.add_row("checks", str(workspace.checks_page))
    places.add_row("pictures", f"{workspace.plot_images}/")
    file = workspace.tracked_run
    run = read_json(file, "track", TrackedRun) if file.exists() else None
    if run and run.model_digest == model_digest(workspace.model):
        places.add_row("MLflow run", f"{run.run_id}  (look at it with: make ui)")
    places.add_row("change it", "params.yaml, then: dvc repro")
    return places
