"""Command `margins`: check that this table is large enough for the margins of params.yaml."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from churn.core import params
from churn.core.document import update
from churn.core.files import read_json, read_parquet
from churn.core.params import Params
from churn.core.paths import Workspace
from churn.data import split
from churn.evaluation import tasks
from churn.evaluation.comparison import compare
from churn.evaluation.metric_names import TITLES
from churn.evaluation.results import Metrics
from churn.evaluation.sensitivity import CORRELATION, Sensitivity
from churn.evaluation.tasks import Scored
from churn.model import out_of_fold, outputs

_RIVALS, _RESAMPLES = 5, 1000
_DIGITS = 2  # significant ones of a margin


@dataclass(frozen=True)
class MarginCheck:
    """A margin, and how sensitive a comparison on this table is.

    Attributes
    ----------
    metric : str
    margin : float
        From params.yaml.
    half_widths : tuple of float
        Of the interval of the difference to each rival, in this metric.
    rows : int
        Customers that were compared.
    """

    metric: str
    margin: float
    half_widths: tuple[float, ...]
    rows: int

    @property
    def sensitivity(self) -> Sensitivity:
        """Of a comparison on this table, in this metric."""
        return Sensitivity(float(np.mean(self.half_widths)))

    def of_rivals(self, n: int) -> MarginCheck:
        """Return what `measure` finds with the first `n` of these rivals."""
        return replace(self, half_widths=self.half_widths[:n])

    @property
    def supported(self) -> float:
        """The margin that this table supports, rounded up to two significant digits."""
        wanted = self.sensitivity.supported
        if wanted == 0:
            return 0.0
        step = 10.0 ** (np.floor(np.log10(wanted)) - _DIGITS + 1)
        return float(f"{np.ceil(wanted / step) * step:.{_DIGITS}g}")


def measure(workspace: Workspace, settings: Params, rivals: int = _RIVALS) -> list[MarginCheck]:
    """Compare the model with synthetic rivals of equal quality, on all predictions on unseen rows.

    Parameters
    ----------
    workspace : Workspace
        In which the stages up to `evaluate` have run.
    settings : Params
    rivals : int, default=5
        More rivals take longer and give more precise results.

    Returns
    -------
    list of MarginCheck
        One per key of `gates.margins`, in its order.

    Raises
    ------
    ArtifactError
        If a stage has not run.
    """
    task = tasks.of_params(settings)
    rows, scores = unseen(workspace, settings)
    y = rows[settings.data.target].to_numpy()
    rule = read_json(workspace.metrics, "evaluate", Metrics).rule
    rng = np.random.default_rng(settings.comparison.seed)
    widths: dict[str, list[float]] = {metric: [] for metric in settings.gates.margins}
    for _ in range(rivals):
        differences = compare(
            task,
            y,
            Scored(scores, rule),
            Scored(task.rival(y, scores, CORRELATION, rng), rule),
            settings.comparison.seed,
            _RESAMPLES,
        )
        for difference in differences:
            lower, upper = difference.lower, difference.upper
            if difference.metric in widths and lower is not None and upper is not None:
                widths[difference.metric].append((upper - lower) / 2)
    return [
        MarginCheck(metric, margin, tuple(widths[metric]), len(rows))
        for metric, margin in settings.gates.margins.items()
        if widths[metric]
    ]


def unseen(workspace: Workspace, settings: Params) -> tuple[pd.DataFrame, np.ndarray]:
    """Return held-out customers and training rows with held-out and out-of-fold predictions."""
    ids = settings.data.id
    test, train = (read_parquet(workspace.split(side), "prepare") for side in ("test", "train"))
    held_out = read_parquet(workspace.predictions("test"), "evaluate").set_index(ids)
    folds = out_of_fold.by_customer(read_parquet(workspace.out_of_fold, "train"), train[ids])
    output = outputs.of(settings.task, settings.data.classes)
    scored = pd.concat([held_out, folds])[list(output.scored)]
    rows = pd.concat([test, train]).set_index(ids, drop=False).loc[scored.index]
    share = settings.comparison.max_rows / len(rows)  # as `churn compare` does
    is_sampled = split.hash_share(rows[ids], "comparison") < share
    return rows[is_sampled], output.scores(scored[is_sampled])


def too_small(checks: list[MarginCheck]) -> list[str]:
    """Write a message for each margin that is too small for this table, with one it supports."""
    return [
        f"gates.margins.{check.metric}: {check.margin:g} is too small for this table: an equally"
        f" good model would fail it in {check.sensitivity.fails(check.margin):.0%} of cases;"
        f" this table supports {check.supported:g}"
        for check in checks
        if not check.sensitivity.supports(check.margin)
    ]


def show(checks: list[MarginCheck], console: Console) -> None:
    """Print each margin beside what this table supports."""
    table = Table(box=None, pad_edge=False)
    for title in ("metric", "margin", "noticed in 4 of 5", "equal models fail", "supported"):
        table.add_column(title, justify="left" if title == "metric" else "right")
    for check in checks:
        table.add_row(
            TITLES[check.metric],
            f"{check.margin:g}",
            f"{check.sensitivity.noticed:.2g}",
            f"{check.sensitivity.fails(check.margin):.1%}",
            f"{check.supported:g}",
        )
    console.print(table)
    rows = max((check.rows for check in checks), default=0)
    console.print(
        f"On {rows:,} customers, for two equally good models whose scores correlate at"
        f" {CORRELATION:g}, as models of different families or with different features do."
    )


def run(root: Path, write: bool, console: Console | None = None) -> None:
    """Print what this table supports; with `write`, widen the margins in params.yaml to it.

    Raises
    ------
    ParamsError, ArtifactError
        If params.yaml or a stage's output is invalid.
    """
    workspace, console = Workspace(root), console or Console()
    settings = params.load(workspace.params)
    checks = measure(workspace, settings)
    show(checks, console)
    for message in too_small(checks):
        console.print(message, soft_wrap=True)
    wider = {
        check.metric: check.supported
        for check in checks
        if not check.sensitivity.supports(check.margin)
    }
    if write and wider:
        update(workspace.params, ("gates", "margins"), wider)
        console.print(f"params.yaml: {len(wider)} of {len(checks)} margins are wider now")
