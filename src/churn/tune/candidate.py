"""Cross-validate one candidate, fold after fold, on the training rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from churn.core.errors import ParamsError
from churn.core.params import Decision, Params
from churn.data.split import hash_share
from churn.evaluation import tasks
from churn.evaluation.tasks import Scored, Task
from churn.model import estimator, out_of_fold
from churn.model.outputs import Rule
from churn.stages import train

GoOn = Callable[[int, float], bool]
CHOOSING_SHARE = 0.5  # of the rows; docs/adr/0019 has the reason


@dataclass(frozen=True)
class Rows:
    """The training rows, as each candidate is fitted to them.

    Attributes
    ----------
    X : DataFrame, shape (n_customers, n_columns)
    y : ndarray, shape (n_customers,)
        Labels.
    ids : Series of str, shape (n_customers,)
    chooses : ndarray of bool, shape (n_customers,)
        The rows by which candidates are ranked. The others only compare the winner.
    """

    X: pd.DataFrame
    y: np.ndarray
    ids: pd.Series
    chooses: np.ndarray

    @classmethod
    def of(cls, table: pd.DataFrame, settings: Params) -> Rows:
        """Take from the training rows what a model is fitted to.

        Raises
        ------
        ArtifactError
            If a column is missing.
        """
        ids = table[settings.data.id]
        # Another seed asks other customers.
        chooses = hash_share(ids, f"tune {settings.tune.seed}") < CHOOSING_SHARE
        return cls(*train.inputs_and_labels(table, settings.data), ids, chooses)


@dataclass(frozen=True)
class Evaluated:
    """The out-of-fold predictions of a candidate, of all folds or of the first ones.

    Attributes
    ----------
    predictions : DataFrame, shape (n_predicted, n_scores + 1)
        Scores and ``fold``; the index is the position of the row.
    values : list of float or None
        The metric after each fold, of the choosing rows that were predicted so far; None if it is
        undefined.
    rule : float or tuple of float
        The candidate's threshold, or what its task has instead; chosen by the choosing rows.
    whole : bool
        Whether all folds were predicted.
    """

    predictions: pd.DataFrame
    values: list[float | None]
    rule: Rule
    whole: bool


class UnfitError(Exception):
    """The candidate's values contradict each other, or do not fit these rows."""


def always(_: int, __: float) -> bool:
    """Go on to the last fold."""
    return True


def evaluate(
    rows: Rows, settings: Params, hyperparameters: Mapping[str, Any], go_on: GoOn = always
) -> Evaluated:
    """Predict the training rows out of fold by the pipeline with other hyperparameters.

    Parameters
    ----------
    rows : Rows
    settings : Params
    hyperparameters : mapping of str to value
        Replace those of `settings.model`; the others stay.
    go_on : callable, optional
        Called after each fold but the last, with the number of folds and the metric's value. False
        ends the evaluation.

    Returns
    -------
    Evaluated

    Raises
    ------
    UnfitError
        If scikit-learn rejects the hyperparameters.
    DataError
        If a class has too few customers for the folds.
    """
    tune, decision = settings.tune, settings.decision
    given = {**settings.model.hyperparameters, **hyperparameters}
    model = settings.model.model_copy(update={"hyperparameters": given})
    parts: list[pd.DataFrame] = []
    values: list[float | None] = []
    task = tasks.of_params(settings)
    chosen: Rule | None = None
    try:
        pipeline = estimator.build(task.output, settings.data, settings.features, model)
        of_folds = out_of_fold.by_fold(
            task.output, pipeline, rows.X, rows.y, rows.ids, tune.folds, decision.max_rows
        )
        for number, part in enumerate(of_folds, 1):
            parts.append(part)
            found = pd.concat(parts)
            by = found[rows.chooses[found.index]]
            y, scores = rows.y[by.index], task.output.scores(by)
            chosen = rule_of(task, y, scores, decision)
            value = measured(task, y, Scored(scores, chosen))[tune.metric]
            values.append(value)
            if number < tune.folds and value is not None and not go_on(number, value):
                break
    except (ParamsError, ValueError, TypeError, OverflowError) as error:
        raise UnfitError(str(error).strip().splitlines()[0]) from error
    assert chosen is not None  # by_fold yields, or raises
    return Evaluated(found, values, chosen, len(values) == tune.folds)


def rule_of(task: Task, y: np.ndarray, scores: np.ndarray, decision: Decision) -> Rule:
    """Return the rule that `churn train` would choose by these predictions."""
    if (fixed := task.output.fallback(decision)) is not None:
        return fixed
    return task.output.choose(y, scores, decision) if len(y) else 0.0


def measured(task: Task, y: np.ndarray, scored: Scored) -> dict[str, float | None]:
    """Compute every metric as the comparison of two models does; None if it is undefined."""
    if not len(y):
        return dict.fromkeys(task.metrics)
    found = task.weighted(y, scored).metrics(np.ones((len(y), 1)))
    return {name: float(v[0]) if np.isfinite(v[0]) else None for name, v in found.items()}
