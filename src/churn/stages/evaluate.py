"""Stage `evaluate`: predict for both sides of the split; metrics, slices and plots."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from churn.core import params
from churn.core.errors import ExplanationError
from churn.core.files import atomic, read_parquet, write_json, write_parquet
from churn.core.params import Params
from churn.core.paths import SIDES, Workspace
from churn.core.progress import Advance, announce, bar, silent
from churn.evaluation import curves, pictures, reference, tasks
from churn.evaluation.importance import permutation_importance
from churn.evaluation.metric_names import TITLES
from churn.evaluation.results import Metrics, SliceMetrics, Slices
from churn.evaluation.slices import slices
from churn.evaluation.tasks import Scored, Task
from churn.explanation.overall import overall
from churn.model import artifact, threads
from churn.model.artifact import Model
from churn.provenance import machine
from churn.stages import margins


def run(workspace: Workspace) -> None:
    """Evaluate the trained model; write predictions, metrics, slices and plots.

    Raises
    ------
    ParamsError, ArtifactError, DataError
        If params.yaml or an earlier stage's output is invalid, or a metric is undefined.
    """
    settings = params.load(workspace.params)
    write(workspace, settings, artifact.load(workspace.model))
    for warning in margins.too_small(margins.measure(workspace, settings, rivals=1)):
        announce(warning)


def write(workspace: Workspace, settings: Params, model: Model, *, with_plots: bool = True) -> None:
    """Evaluate `model` on the prepared rows and write the results to the workspace.

    The plots, with the importance of columns and the reasons, take the most time; without them
    there is all that a limit depends on.
    """
    frames = {side: read_parquet(workspace.split(side), "prepare") for side in SIDES}
    steps = 3 + (len(settings.data.inputs) + 1 if with_plots else 0)
    with threads.limited(len(frames["train"])), bar("evaluating", steps) as advance:
        scored = {}
        for side, frame in frames.items():
            scored[side] = Scored(model.scores(frame), model.card.rule)
            advance(f"{side} rows scored")
        task = tasks.of_params(settings)
        measured = measure(task, frames, scored, settings.data.target)
        measured_slices = measure_slices(task, frames, scored, settings)
        described = reference.describe(
            frames["train"],
            frames["test"],
            task,
            frames["test"][settings.data.target].to_numpy(),
            scored["test"],
            model.card,
            settings.evaluation.slices,
        )
        plots = {}
        if with_plots:
            plots = plot_points(task, frames["test"], scored["test"], model, settings, advance)
        for side, frame in frames.items():
            predictions = frame[[settings.data.id]].assign(
                **task.output.columns(scored[side].scores)
            )
            write_parquet(workspace.predictions(side), predictions)
        with atomic(workspace.plot_images) as fresh:
            pictures.draw(plots, fresh, measured, TITLES[task.quality])
        advance("pictures drawn")
    for name, points in plots.items():
        write_json(workspace.plots / f"{name}.json", points)
    write_json(workspace.slices, measured_slices)
    write_json(workspace.reference, described)
    write_json(workspace.machine, machine.describe())
    write_json(workspace.metrics, measured)


def measure(
    task: Task, frames: dict[str, pd.DataFrame], scored: dict[str, Scored], target: str
) -> Metrics:
    """Compute the metrics of both sides."""
    sides, undefined = {}, {}
    for side, frame in frames.items():
        measured = task.measure(frame[target].to_numpy(), scored[side])
        sides[side] = task.require_all(measured, f"{side} rows")
        if measured.undefined:
            undefined[side] = measured.undefined
    learned = task.output.learned(scored["train"].rule)
    found = Metrics(**learned, train=sides["train"], test=sides["test"])
    return found.model_copy(update={"undefined": undefined}) if undefined else found


def measure_slices(
    task: Task, frames: dict[str, pd.DataFrame], scored: dict[str, Scored], settings: Params
) -> Slices:
    """Compute the metrics of each slice of both sides."""
    chosen = settings.evaluation.slices

    def of_side(side: str) -> Iterator[SliceMetrics]:
        y = frames[side][settings.data.target].to_numpy()
        for column, name, members in slices(frames["train"], frames[side], chosen):
            n = int(members.sum())
            if n < chosen.min_rows:
                why = f"fewer than {chosen.min_rows} rows"
                yield SliceMetrics(column=column, slice=name, rows=n, skipped=why)
                continue
            measured = task.measure(y[members], scored[side].of(members))
            found = SliceMetrics(
                column=column,
                slice=name,
                rows=n,
                metrics=measured.values,
            ).model_copy(update=task.of_labels(y[members]))
            undefined = measured.undefined
            yield found.model_copy(update={"undefined": undefined}) if undefined else found

    return Slices(train=list(of_side("train")), test=list(of_side("test")))


def plot_points(
    task: Task,
    test: pd.DataFrame,
    scored: Scored,
    model: Model,
    settings: Params,
    advance: Advance = silent,
) -> dict[str, curves.Points]:
    """Compute the points of every plot on the held-out rows."""
    y = test[settings.data.target].to_numpy()
    importance = permutation_importance(
        task, model, test, y, settings.evaluation.importance, settings.model.seed, advance
    )
    reasons = _reasons(model, test, settings.model.seed)
    advance("reasons found")
    return task.plots(y, scored) | {"importance": list(importance), "reasons": reasons}


def _reasons(model: Model, test: pd.DataFrame, seed: int) -> curves.Points:
    """Return what the model goes by; nothing, if that cannot be told: its metrics still can."""
    try:
        return list(overall(model, test, seed))
    except ExplanationError as error:
        announce(f"no picture of what the model goes by: {error}")
        return []
