"""Measure a candidate against a baseline: metrics, slices, curves, and drift of training rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import cast

import pandas as pd

from churn.core.files import read_parquet
from churn.core.params import DataParams, Limits, SlicesParams
from churn.data import targets
from churn.data.dates import days_before_newest
from churn.evaluation import tasks
from churn.evaluation.comparison import compare
from churn.evaluation.differences import Difference
from churn.evaluation.drift import drift
from churn.evaluation.many_looks import corrected
from churn.evaluation.slices import slices
from churn.evaluation.tasks import Scored, Task
from churn.review.baseline import Baseline
from churn.review.comparison import (
    Compared,
    ComparedSlice,
    Curve,
    DataChange,
    Everyone,
    Found,
    Points,
)
from churn.review.exam import Candidate
from churn.review.pair import Pair


def compared(
    entry: Found,
    alone: Pair,
    everyone: Pair | str,
    train: pd.DataFrame,
    data: DataParams,
    judging: Limits,
) -> Compared:
    """Compare two models by one set of limits, which set slices, costs and the bootstrap.

    On held-out customers alone, and on `everyone` if training rows could be added, else it says
    why not. The training rows `train` define the bounds of slices.
    """
    task = tasks.of(judging.decision, data.classes)
    held_out = alone.at_most(judging.comparison.max_rows, data.id)
    pairs, reason = [held_out], None
    if isinstance(everyone, str):
        reason = everyone
    else:
        pairs.append(everyone.at_most(judging.comparison.max_rows, data.id))
    most = pairs[-1]
    # Corrected together for multiple comparisons, because either could call a metric worse.
    metrics = _differences(task, pairs, data.target, judging)
    return Compared(
        **asdict(entry),
        limits=judging.whose,
        rows=len(held_out.rows),
        threshold=_threshold(task, alone.baseline),
        metrics=metrics[0],
        everyone=None
        if reason
        else Everyone(
            rows=len(most.rows),
            held_out=int(most.rows[data.id].isin(alone.rows[data.id]).sum()),
            metrics=metrics[1],
            slices=_slices(task, most, train, data.target, judging),
        ),
        alone=reason,
        same_threshold=_same_rule(task, most, data.target, judging),
        slices=_slices(task, held_out, train, data.target, judging),
        curves=_curves(held_out, data.target, task),
    )


def _threshold(task: Task, scored: Scored) -> float | None:
    return task.output.learned(scored.rule).get("threshold")


def _same_rule(task: Task, pair: Pair, target: str, judging: Limits) -> list[Difference] | None:
    """Compare by the baseline's rule; None if it is the candidate's as well, or changes nothing."""
    rule = pair.baseline.rule
    if rule == pair.candidate.rule or not task.at_rule:
        return None
    moved = replace(pair, candidate=replace(pair.candidate, rule=rule))
    [differences] = _differences(task, [moved], target, judging)
    return [difference for difference in differences if difference.metric in task.at_rule]


def _slices(
    task: Task, pair: Pair, train: pd.DataFrame, target: str, judging: Limits
) -> list[ComparedSlice]:
    wanted = _existing_columns(judging.evaluation.slices, train, pair.rows)
    groups = [
        (column, name, members)
        for column, name, members in slices(train, pair.rows, wanted)
        if members.sum() >= wanted.min_rows
    ]
    parts = _differences(task, [pair.subset(members) for *_, members in groups], target, judging)
    return [
        ComparedSlice(column=column, slice=name, rows=int(members.sum()), metrics=part)
        for (column, name, members), part in zip(groups, parts, strict=True)
    ]


def _existing_columns(wanted: SlicesParams, *frames: pd.DataFrame) -> SlicesParams:
    """Leave out columns that a table lacks: main's limits may name columns of main's table only."""
    existing = {
        kind: tuple(name for name in getattr(wanted, kind) if all(name in f for f in frames))
        for kind in ("numeric", "categorical")
    }
    return wanted.model_copy(update=existing)


def _differences(
    task: Task, pairs: Sequence[Pair], target: str, judging: Limits
) -> list[list[Difference]]:
    """Compare each pair, and correct all together for multiple comparisons."""
    return corrected(
        [
            compare(
                task,
                pair.rows[target].to_numpy(),
                pair.baseline,
                pair.candidate,
                judging.comparison.seed,
                judging.comparison.resamples,
            )
            for pair in pairs
        ]
    )


def _curves(pair: Pair, target: str, task: Task) -> dict[str, Curve]:
    y = pair.rows[target].to_numpy()
    before, now = (task.compared(y, scored) for scored in (pair.baseline, pair.candidate))
    # The points of these curves are numbers.
    return {name: Curve(cast(Points, before[name]), cast(Points, now[name])) for name in before}


def data_change(found: Baseline, candidate: Candidate) -> DataChange | None:
    """Describe how the training rows differ from the baseline's; None if they do not."""
    if found.workspace is None:
        return None
    file = found.workspace.split("train")
    if file.read_bytes() == candidate.workspace.split("train").read_bytes():
        return None
    before, after = read_parquet(file, "prepare"), candidate.train
    data, card = candidate.settings.data, found.card()
    # A date column that was not a date before is compared as categories.
    dates = [name for name in data.dates if name in card.dates]
    new_dates = [name for name in data.dates if name not in dates]
    columns = drift(
        days_before_newest(before, before, dates),
        days_before_newest(after, before, dates),
        numeric=(*data.numeric, *dates),
        categorical=(*data.categorical, *new_dates),
    )
    label_rate, target = None, None
    its, ours = (card.task, card.classes), (candidate.settings.task, data.classes)
    if data.target in before and its == ours:
        was, now = before[data.target], after[data.target]
        if data.positive is None:
            target = targets.compared(was, now, data)
        else:
            label_rate = round(float(was.mean()), 4), round(float(now.mean()), 4)
    return DataChange(
        rows=(len(before), len(after)),
        columns=columns,
        gone=[column for column in card.inputs if column not in after],
        new=[column for column in data.inputs if column not in before],
        label_rate=label_rate,
        target=target,
    )
