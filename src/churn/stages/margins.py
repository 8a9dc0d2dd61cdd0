"""Command `margins`: what the exam of this table can tell, beside each margin of params.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from ruamel.yaml import YAML

from churn.core import params
from churn.core.files import atomic, read_json, read_parquet
from churn.core.params import Params
from churn.core.paths import Workspace
from churn.data import split
from churn.evaluation.comparison import Scored, compare
from churn.evaluation.metric_names import TITLES
from churn.evaluation.results import Metrics
from churn.evaluation.sensitivity import CORRELATION, Sensitivity, rival
from churn.model import out_of_fold

_RIVALS, _RESAMPLES = 5, 1000
_DIGITS = 2  # significant ones of a margin


@dataclass(frozen=True)
class Line:
    """One margin, and what this table says about it.

    Attributes
    ----------
    metric : str
    margin : float
    can : Sensitivity
    rows : int
        Customers that were compared.
    """

    metric: str
    margin: float
    can: Sensitivity
    rows: int

    @property
    def supported(self) -> float:
        """The margin that this table supports, rounded up to two significant digits."""
        wanted = self.can.supported
        if wanted == 0:
            return 0.0
        step = 10.0 ** (np.floor(np.log10(wanted)) - _DIGITS + 1)
        return float(f"{np.ceil(wanted / step) * step:.{_DIGITS}g}")


def measure(workspace: Workspace, settings: Params, rivals: int = _RIVALS) -> list[Line]:
    """Compare the model with made-up rivals that are as good, on all that it was not trained on.

    Parameters
    ----------
    workspace : Workspace
        In which the stages up to `evaluate` have run.
    settings : Params
    rivals : int, default=5
        Each takes a moment; with more of them the figures move less.

    Returns
    -------
    list of Line
        One for each of `gates.margins`, in its order.

    Raises
    ------
    ArtifactError
        If a stage has not run.
    """
    rows, probability = _unseen(workspace, settings)
    y = rows[settings.data.target].to_numpy()
    cut = read_json(workspace.metrics, "evaluate", Metrics).threshold
    rng = np.random.default_rng(settings.comparison.seed)
    widths: dict[str, list[float]] = {metric: [] for metric in settings.gates.margins}
    for _ in range(rivals):
        other = rival(y, probability, CORRELATION, rng)
        found = compare(
            y,
            Scored(probability, cut),
            Scored(other, cut),
            settings.decision,
            settings.comparison.seed,
            _RESAMPLES,
        )
        for one in found:
            if one.metric in widths and one.lower is not None and one.upper is not None:
                widths[one.metric].append((one.upper - one.lower) / 2)
    return [
        Line(metric, margin, Sensitivity(float(np.mean(widths[metric]))), len(rows))
        for metric, margin in settings.gates.margins.items()
        if widths[metric]
    ]


def _unseen(workspace: Workspace, settings: Params) -> tuple[pd.DataFrame, np.ndarray]:
    """Return held-out customers and training rows, with what was said without having seen them."""
    ids = settings.data.id
    test, train = (read_parquet(workspace.split(side), "prepare") for side in ("test", "train"))
    held_out = read_parquet(workspace.predictions("test"), "evaluate").set_index(ids)
    unseen = out_of_fold.by_customer(read_parquet(workspace.out_of_fold, "train"), train[ids])
    said = pd.concat([held_out["probability"], unseen["probability"]])
    rows = pd.concat([test, train]).set_index(ids, drop=False).loc[said.index]
    share = settings.comparison.max_rows / len(rows)  # as `churn compare` does
    taken = split.hash_share(rows[ids], "comparison") < share
    return rows[taken], said[taken].to_numpy()


def too_small(lines: list[Line]) -> list[str]:
    """Say of each margin that this table does not support which one it would."""
    return [
        f"gates.margins.{line.metric}: {line.margin:g} is too small for this table: a model that is"
        f" just as good would not be seen to keep it in {line.can.fails(line.margin):.0%} of cases;"
        f" this table supports {line.supported:g}"
        for line in lines
        if not line.can.supports(line.margin)
    ]


def show(lines: list[Line], console: Console) -> None:
    """Print the margins with what this table can tell."""
    table = Table(box=None, pad_edge=False)
    for title in ("metric", "margin", "noticed in 4 of 5", "equal models fail", "supported"):
        table.add_column(title, justify="left" if title == "metric" else "right")
    for line in lines:
        table.add_row(
            TITLES[line.metric],
            f"{line.margin:g}",
            f"{line.can.noticed:.2g}",
            f"{line.can.fails(line.margin):.1%}",
            f"{line.supported:g}",
        )
    console.print(table)
    rows = max((line.rows for line in lines), default=0)
    console.print(
        f"On {rows:,} customers, for two models that are equally good and whose scores correlate at"
        f" {CORRELATION:g}, as those of another family or with other features do."
    )


def run(root: Path, write: bool, console: Console | None = None) -> None:
    """Print what this table supports, and write it into params.yaml where that is asked for.

    Raises
    ------
    ParamsError, ArtifactError
        If params.yaml or a stage's output cannot be used.
    """
    workspace, console = Workspace(root), console or Console()
    settings = params.load(workspace.params)
    lines = measure(workspace, settings)
    show(lines, console)
    for line in too_small(lines):
        console.print(line, soft_wrap=True)
    wider = {line.metric: line.supported for line in lines if not line.can.supports(line.margin)}
    if write and wider:
        write_margins(workspace.params, wider)
        console.print(f"params.yaml: {len(wider)} of {len(lines)} margins are wider now")


def write_margins(file: Path, margins: dict[str, float]) -> None:
    """Replace margins in a params.yaml, and keep its comments and layout."""
    # DVC's own, because PyYAML forgets comments.
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    null = "tag:yaml.org,2002:null"
    yaml.representer.add_representer(type(None), lambda r, _: r.represent_scalar(null, "null"))
    document = yaml.load(file)
    document["gates"]["margins"].update(margins)
    with atomic(file) as fresh:
        yaml.dump(document, fresh)
