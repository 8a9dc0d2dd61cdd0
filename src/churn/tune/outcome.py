"""Compare the best candidate of a search with the current parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from churn.core.errors import ParamsError
from churn.core.params import Params
from churn.evaluation import tasks
from churn.evaluation.comparison import compare
from churn.evaluation.differences import Difference, by_metric
from churn.evaluation.metric_names import SMALLER_IS_BETTER
from churn.evaluation.tasks import Scored, Task
from churn.tune.records import Trial


@dataclass(frozen=True)
class Outcome:
    """What a search has found.

    Attributes
    ----------
    metric : str
        By which the winner was chosen.
    folds : int
    tried : int
        Number of different candidates.
    complete, pruned, failed : int
        The same by what became of them.
    family : str
        Of the model.
    current, winner : dict of str to value
        All hyperparameters.
    chosen_by, compared_on : int
        Training rows that chose the winner, and those that compare it.
    optimistic : float
        Winner minus current in `metric`, on the rows that chose: too good, because the best was
        chosen.
    differences : tuple of Difference
        Winner against current in each metric, on the rows that had no part in the choice.
    """

    metric: str
    folds: int
    tried: int
    complete: int
    pruned: int
    failed: int
    family: str
    current: dict[str, object]
    winner: dict[str, object]
    chosen_by: int
    compared_on: int
    optimistic: float
    differences: tuple[Difference, ...]

    @property
    def difference(self) -> Difference:
        """The difference in the metric by which the winner was chosen."""
        return by_metric(self.differences)[self.metric]

    @property
    def word(self) -> str:
        """better, inconclusive, identical or worse.

        Inconclusive if there is no interval, or in place of better if the winner did worse on the
        rows that chose it: then there is nothing to propose.
        """
        word = self.difference.word or "inconclusive"
        return "inconclusive" if word == "better" and not self.improves else word

    @property
    def improves(self) -> bool:
        """Whether the winner did better than the current parameters on the rows that chose."""
        return self.optimistic < 0 if self.metric in SMALLER_IS_BETTER else self.optimistic > 0


def best(trials: Sequence[Trial], metric: str) -> Trial | None:
    """Return the candidate with the best value, of equal ones the first; None if none has one."""
    ranked = [trial for trial in trials if trial.value is not None]
    sign = -1 if metric in SMALLER_IS_BETTER else 1
    return max(ranked, key=lambda trial: sign * (trial.value or 0.0), default=None)


def winner_of(trials: Sequence[Trial], metric: str) -> Trial:
    """Return the best candidate.

    Raises
    ------
    ParamsError
        If no candidate was predicted on all folds, with the reason.
    """
    if found := best(trials, metric):
        return found
    reason = next((trial.reason for trial in trials if trial.reason), "there was no time")
    raise ParamsError(f"tune: none of {len(trials)} candidates could be fitted: {reason}")


def judge(
    y: np.ndarray,
    chooses: np.ndarray,
    current: tuple[Trial, pd.DataFrame],
    winner: tuple[Trial, pd.DataFrame],
    trials: Sequence[Trial],
    settings: Params,
) -> Outcome:
    """Compare the winner with the current parameters on the rows that had no part in the choice.

    The best of many candidates looks better than it is on the rows that chose it, and the more so,
    the more were tried. On other rows it is one candidate like any other, however many were tried,
    in whatever order and for whatever reason, so that one ordinary interval is right.

    Parameters
    ----------
    y : ndarray of int, shape (n_customers,)
        Labels of all training rows.
    chooses : ndarray of bool, shape (n_customers,)
        The rows that chose the winner.
    current, winner : tuple of Trial and DataFrame
        With their out-of-fold predictions (`churn.tune.candidate.Evaluated`), of all folds.
    trials : sequence of Trial
        All that were tried.
    settings : Params

    Returns
    -------
    Outcome

    Notes
    -----
    Intervals that hold for all candidates at once, by the largest of their correlated t values
    (White 2000; Hansen 2005), are as wide with 40 candidates, and too narrow for a search that
    proposes candidates because of earlier ones: docs/adr/0019 has the simulation.

    Source: Cox, D. R. (1975), A note on data-splitting for the evaluation of significance levels,
    Biometrika 62 (2); Varma, S. and Simon, R. (2006), Bias in error estimation when using
    cross-validation for model selection, BMC Bioinformatics 7:91.
    """
    order = current[1].index
    compares = order[~chooses[order]]
    task = tasks.of_params(settings)
    differences = compare(
        task,
        y[compares],
        _scored(task, *current, compares),
        _scored(task, *winner, compares),
        settings.comparison.seed,
        settings.comparison.resamples,
    )
    different = {str(sorted(trial.hyperparameters.items())): trial.state for trial in trials}
    states = list(different.values())
    return Outcome(
        metric=settings.tune.metric,
        folds=settings.tune.folds,
        tried=len(states),
        complete=states.count("complete"),
        pruned=states.count("pruned"),
        failed=states.count("failed"),
        family=settings.model.family,
        current=dict(settings.model.hyperparameters),
        winner={**settings.model.hyperparameters, **winner[0].hyperparameters},
        chosen_by=len(order) - len(compares),
        compared_on=len(compares),
        optimistic=(winner[0].value or 0.0) - (current[0].value or 0.0),
        differences=tuple(differences),
    )


def _scored(task: Task, trial: Trial, predictions: pd.DataFrame, rows: pd.Index) -> Scored:
    return Scored(task.output.scores(predictions.loc[rows]), trial.rule or 0.0)
