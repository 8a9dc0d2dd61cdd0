"""Train a first model in a temporary folder, and choose the limits by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from churn.core import params
from churn.core.files import read_json, scratch
from churn.core.paths import Workspace
from churn.core.progress import Say
from churn.evaluation.results import Metrics
from churn.init import check_limits, limits
from churn.init.decisions import Decision, written
from churn.model import artifact
from churn.stages import evaluate, prepare, train


@dataclass(frozen=True)
class Trial:
    """What a first model has shown.

    Attributes
    ----------
    decisions : tuple of Decision
        The limits.
    guessing : tuple of str
        Metrics in which it is no better than guessing.
    """

    decisions: tuple[Decision, ...]
    guessing: tuple[str, ...]


def run(text: str, decisions: Sequence[Decision], table: Path, say: Say) -> Trial:
    """Train and evaluate with the decisions so far; nothing but a temporary folder changes.

    Parameters
    ----------
    text : str
        A valid params.yaml.
    decisions : sequence of Decision
    table : Path
        The table's file, wherever it is.
    say : callable
        Called with the name of each step.

    Raises
    ------
    ChurnError
        As in the stages: what cannot be used is found here.
    """
    with scratch("churn-init-") as folder:
        workspace = Workspace(folder)
        workspace.params.write_text(written(text, decisions), encoding="utf-8")
        settings = params.load(workspace.params)
        say("a first model, in a temporary folder, to choose the limits by")
        prepare.write(workspace, settings, table)
        train.write(workspace, settings)
        evaluate.write(workspace, settings, artifact.load(workspace.model), with_plots=False)
        minima = list(limits.of_minima(workspace, settings))
        margins, checks = limits.of_margins(workspace, settings), check_limits.decide
        metrics = read_json(workspace.metrics, "evaluate", Metrics)
        return Trial(
            (*margins, *minima, *checks(workspace, settings)),
            tuple(limits.learns_nothing(minima, metrics)),
        )
