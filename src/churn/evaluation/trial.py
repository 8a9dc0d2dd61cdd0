"""How two versions compare on a trial: what they predict, and with labels which costs less."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from churn.core.params import Decision, MetricName
from churn.core.params.table import Label
from churn.evaluation import tasks, trial_rows
from churn.evaluation.tasks import Task
from churn.evaluation.tasks.contrast import Contrast, Scale
from churn.evaluation.trial_differences import Differences, Groups, Pairs
from churn.evaluation.trial_differences import Interval as Interval
from churn.evaluation.trial_differences import Word as Word
from churn.evaluation.trial_rows import Tried as Tried


@dataclass(frozen=True)
class Side:
    """One version on a trial.

    Attributes
    ----------
    customers : int
        Whom it has predicted for.
    predicted : float
        Share of them that it predicts to churn, in [0, 1]; of numbers the mean prediction. NaN if
        there are none.
    probability : float
        Mean of its probabilities; NaN if there are none.
    requests : int
        Requests by which it is measured how long its predictions take.
    p95_ms : float
        Milliseconds that 95 of 100 of them take at most; NaN if there are none.
    classes : mapping of str to float
        Of several classes, the share of the customers that is predicted to be each.
    """

    customers: int
    predicted: float
    probability: float
    requests: int
    p95_ms: float
    classes: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """A trial so far.

    Attributes
    ----------
    champion, challenger : Side
    failures : int
        Customers for whom the challenger could not predict.
    predicted : Interval or None
        Difference of the shares that are predicted to churn, or of the mean predictions; None if
        one side has no customers.
    cost, log_loss : Interval or None
        Of the customers with a label; None without labels. Log loss is that of probabilities
        clipped to [0.01, 0.99], of several classes to at least 0.01.
    absolute_error : Interval or None
        Of numbers, clipped (`churn.evaluation.tasks.clipped`).
    classes : mapping of str to Interval
        Of several classes, the difference of the shares predicted for each; all intervals hold
        together.
    """

    champion: Side
    challenger: Side
    failures: int
    predicted: Interval | None
    cost: Interval | None
    log_loss: Interval | None
    absolute_error: Interval | None = None
    classes: Mapping[str, Interval] = field(default_factory=dict)

    @property
    def losses(self) -> dict[str, Interval]:
        """What the labels say, by name; the cost first."""
        found = {
            "cost": self.cost,
            "log loss": self.log_loss,
            "absolute error": self.absolute_error,
        }
        return {name: interval for name, interval in found.items() if interval is not None}


def compare(
    log: pd.DataFrame,
    labels: pd.Series | None,
    tried: Tried,
    decision: Decision,
    margins: Mapping[MetricName, float],
    classes: Sequence[Label] = (),
    scale: Scale | None = None,
) -> Comparison:
    """Compare what both versions have predicted.

    In the shadow both have predicted for the same customers, and their losses are compared customer
    by customer. Otherwise a hash has divided the customers, and two groups of different ones are
    compared. Each customer counts once, with the first prediction.

    Parameters
    ----------
    log : DataFrame
        ``request_id``, ``time``, ``row``, ``customer_id``, ``role``, ``scoring_ms`` and the columns
        of an answer (`churn.model.outputs.Output.answered`) of the trial, in order of time
        (`churn.serve.log_reading.read`).
    labels : Series, or None
        What became of customers, by id, as `churn.data.targets.encoded` returns it.
    tried : Tried
    decision : Decision
        The costs.
    margins : mapping of str to float
        By metric, by how much it may be worse.
    classes : sequence, optional
        Those of `data.classes`.
    scale : Scale, optional
        What a champion that predicts numbers gives (`churn.evaluation.tasks.Task.scale`).
    """
    task = tasks.of(decision, classes)
    contrasts = task.contrasts(margins, scale)
    is_shadow = tried.shadow
    own = log if is_shadow else trial_rows.assigned(log, tried)
    its_role = "shadow" if is_shadow else "challenger"
    trial = trial_rows.first_of_each(own)
    times = trial_rows.times(own, ("champion", its_role))
    differences = _differences(trial, tried)
    known = None if differences is None or labels is None else differences.labelled(labels)
    losses = _intervals(known, contrasts.losses)
    predicted = None
    if differences is not None and contrasts.predicted is not None:
        predicted = differences.of(contrasts.predicted)
    return Comparison(
        _side(task, trial, times, "champion"),
        _side(task, trial, times, its_role),
        trial_rows.not_shadowed(trial, tried)
        if is_shadow
        else int((trial["role"] == "fallback").sum()),
        predicted,
        losses.get("cost"),
        losses.get("log_loss"),
        losses.get("absolute_error"),
        _intervals(differences, contrasts.classes),
    )


def _differences(trial: pd.DataFrame, tried: Tried) -> Differences | None:
    if tried.shadow:
        return Pairs.of_trial(trial)
    groups = trial[trial["role"].isin(["champion", "challenger"])]
    if groups["role"].nunique() < 2 or tried.share == 1:
        return None
    return Groups(groups, tried.share)


def _intervals(found: Differences | None, contrasts: Sequence[Contrast]) -> dict[str, Interval]:
    if found is None:
        return {}
    each = {contrast.name: found.of(contrast) for contrast in contrasts}
    return {name: interval for name, interval in each.items() if interval is not None}


def _side(task: Task, trial: pd.DataFrame, times: pd.DataFrame, role: str) -> Side:
    rows, taken = trial[trial["role"] == role], times[times["role"] == role]["scoring_ms"]
    if rows.empty:
        return Side(0, np.nan, np.nan, 0, np.nan)
    its = task.summary(rows)
    return Side(
        len(rows),
        its.predicted,
        its.probability,
        int(taken.notna().sum()),
        float(taken.quantile(0.95)),
        its.classes or {},
    )
