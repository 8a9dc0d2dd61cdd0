"""Stage `evaluate`: predict for both sides of the split; metrics, slices and plots."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from churn.core import params
from churn.core.errors import ExplanationError
from churn.core.files import atomic, read_parquet, write_json, write_parquet
from churn.core.params import Params
from churn.core.paths import SIDES, Workspace
from churn.core.progress import Advance, announce, bar, silent
from churn.evaluation import curves, metrics, pictures, reference
from churn.evaluation.importance import permutation_importance
from churn.evaluation.results import Metrics, SliceMetrics, Slices
from churn.evaluation.slices import slices
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


def write(workspace: Workspace, settings: Params, model: Model) -> None:
    """Evaluate `model` on the prepared rows and write the results to the workspace."""
    frames = {side: read_parquet(workspace.split(side), "prepare") for side in SIDES}
    steps = 2 + len(settings.data.inputs) + 2
    with threads.limited(len(frames["train"])), bar("evaluating", steps) as advance:
        scored = {}
        for side, frame in frames.items():
            scored[side] = model.probability(frame)
            advance(f"{side} rows scored")
        measured = measure(frames, scored, model.card.threshold, settings)
        measured_slices = measure_slices(frames, scored, model.card.threshold, settings)
        described = reference.describe(
            frames["train"],
            frames["test"],
            frames["test"][settings.data.target].to_numpy(),
            scored["test"],
            model.card.threshold,
            model.card,
            settings.evaluation.slices,
            settings.decision,
        )
        plots = plot_points(frames["test"], scored["test"], model, settings, advance)
        for side, frame in frames.items():
            predictions = frame[[settings.data.id]].assign(probability=scored[side])
            write_parquet(workspace.predictions(side), predictions)
        with atomic(workspace.plot_images) as fresh:
            pictures.draw(plots, fresh, model.card.threshold)
        advance("pictures drawn")
    for name, points in plots.items():
        write_json(workspace.plots / f"{name}.json", points)
    write_json(workspace.slices, measured_slices)
    write_json(workspace.reference, described)
    write_json(workspace.machine, machine.describe())
    write_json(workspace.metrics, measured)


def measure(
    frames: dict[str, pd.DataFrame],
    scored: dict[str, np.ndarray],
    threshold: float,
    settings: Params,
) -> Metrics:
    """Compute the metrics of both sides."""
    sides, undefined = {}, {}
    for side, frame in frames.items():
        y = frame[settings.data.target].to_numpy()
        measured = metrics.measure(y, scored[side], threshold, settings.decision)
        sides[side] = metrics.require_all(measured, f"{side} rows")
        if measured.undefined:
            undefined[side] = measured.undefined
    found = Metrics(threshold=threshold, train=sides["train"], test=sides["test"])
    return found.model_copy(update={"undefined": undefined}) if undefined else found


def measure_slices(
    frames: dict[str, pd.DataFrame],
    scored: dict[str, np.ndarray],
    threshold: float,
    settings: Params,
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
            measured = metrics.measure(
                y[members], scored[side][members], threshold, settings.decision
            )
            found = SliceMetrics(
                column=column,
                slice=name,
                rows=n,
                churned=int(y[members].sum()),
                metrics=measured.values,
            )
            undefined = measured.undefined
            yield found.model_copy(update={"undefined": undefined}) if undefined else found

    return Slices(train=list(of_side("train")), test=list(of_side("test")))


def plot_points(
    test: pd.DataFrame,
    probability: np.ndarray,
    model: Model,
    settings: Params,
    advance: Advance = silent,
) -> dict[str, curves.Points]:
    """Compute the points of every plot on the held-out rows."""
    y, cut = test[settings.data.target].to_numpy(), model.card.threshold
    importance = permutation_importance(
        model, test, y, settings.evaluation.importance, settings.model.seed, advance
    )
    reasons = _reasons(model, test, settings.model.seed)
    advance("reasons found")
    return {
        "roc": curves.roc(y, probability),
        "precision_recall": curves.precision_recall(y, probability),
        "calibration": curves.calibration(y, probability),
        "confusion": curves.confusion(y, probability, cut),
        "score_histogram": curves.score_histogram(y, probability),
        "importance": list(importance),
        "reasons": reasons,
    }


def _reasons(model: Model, test: pd.DataFrame, seed: int) -> curves.Points:
    """Return what the model goes by; nothing, if that cannot be told: its metrics still can."""
    try:
        return list(overall(model, test, seed))
    except ExplanationError as error:
        announce(f"no picture of what the model goes by: {error}")
        return []
