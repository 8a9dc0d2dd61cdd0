"""Which candidate to try next, and whether to go on with it: Optuna, asked anew each time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from churn.core.errors import ParamsError
from churn.core.params import Params, Scalar, TuneParams
from churn.evaluation.metric_names import SMALLER_IS_BETTER
from churn.tune import space
from churn.tune.candidate import Rows, UnfitError, always, evaluate
from churn.tune.records import CURRENT, Records, Trial

# Until so many candidates have been predicted on all folds, none is ended early; nor any before so
# many folds, because chance would end good ones.
_WHOLE_FIRST, _FOLDS_FIRST = 5, 2
_STATES = {
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}
optuna.logging.set_verbosity(optuna.logging.WARNING)


def evaluate_current(rows: Rows, settings: Params, records: Records) -> Trial:
    """Return how the current parameters do, evaluated if that is not recorded yet.

    Raises
    ------
    ParamsError
        If scikit-learn rejects them, or the metric is undefined for them.
    """
    if known := records.current():
        return known
    try:
        found = evaluate(rows, settings, {}, always)
    except UnfitError as error:
        raise ParamsError(f"model: {settings.model.family} fails: {error}") from error
    if found.values[-1] is None:
        raise ParamsError(
            f"tune.metric: {settings.tune.metric} is undefined for the current parameters; choose"
            " another"
        )
    current = settings.model.hyperparameters
    searched = {name: current[name] for name in settings.tune.space if name in current}
    trial = Trial(
        number=CURRENT,
        state="complete",
        suggested=searched,
        hyperparameters=searched,
        values=found.values,
        rule=found.rule,
    )
    records.write(trial, found.predictions)
    return trial


def candidates(rows: Rows, settings: Params, records: Records, current: Trial) -> Iterator[Trial]:
    """Try candidates until there are `tune.trials`, or `tune.timeout_s` is over.

    A candidate depends on the seed and on the candidates before it, and on nothing else. So a
    search that goes on after it was killed tries what it would have tried.

    Parameters
    ----------
    rows : Rows
    settings : Params
    records : Records
        With the candidates that are there already; new ones are added.
    current : Trial
        How the current parameters do. Optuna learns from it if it lies in the space.

    Yields
    ------
    Trial
        Each new candidate.
    """
    tune, trials = settings.tune, records.trials()
    end = time.monotonic() + (tune.timeout_s or float("inf"))
    while len(trials) < tune.trials and time.monotonic() < end:
        asked = _ask(tune, trials, current)
        tried = space.rounded(asked.params, tune.space)
        again = next((trial for trial in trials if trial.hyperparameters == tried), None)
        trial = _try(rows, settings, records, len(trials), asked, again)
        trials.append(trial)
        yield trial


def _ask(tune: TuneParams, trials: Sequence[Trial], current: Trial) -> optuna.Trial:
    """Ask for the next candidate, by all that is known."""
    spaces = space.distributions(tune.space)
    # A generator of its own for each candidate: then nothing has to be remembered.
    seed = int(np.random.SeedSequence([tune.seed, len(trials)]).generate_state(1)[0])
    study = optuna.create_study(
        direction="minimize" if tune.metric in SMALLER_IS_BETTER else "maximize",
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.MedianPruner(_WHOLE_FIRST, n_warmup_steps=_FOLDS_FIRST),
    )
    try:
        study.add_trial(_known(current, spaces))
    except ValueError:  # it has other values than the space, or lacks some
        pass
    study.add_trials([_known(trial, spaces) for trial in trials])
    return study.ask(spaces)


def _known(trial: Trial, spaces: Mapping[str, BaseDistribution]) -> FrozenTrial:
    """Make Optuna's record of a candidate."""
    values = {n: v for n, v in enumerate(trial.values, 1) if v is not None}
    return create_trial(
        state=_STATES[trial.state],
        value=trial.value,
        params=dict(trial.suggested),
        distributions=dict(spaces),
        intermediate_values=values,
    )


def _try(
    rows: Rows,
    settings: Params,
    records: Records,
    number: int,
    asked: optuna.Trial,
    again: Trial | None,
) -> Trial:
    """Evaluate a candidate and record it; one that was tried before is copied."""
    suggested: dict[str, Scalar] = dict(asked.params)
    if again:
        trial = again.model_copy(update={"number": number, "suggested": suggested})
        records.write(trial, None if again.state == "failed" else records.predictions(again))
        return trial
    tried = space.rounded(suggested, settings.tune.space)

    def go_on(fold: int, value: float) -> bool:
        asked.report(value, fold)
        return not asked.should_prune()

    try:
        found = evaluate(rows, settings, tried, go_on)
    except UnfitError as error:
        trial = Trial(
            number=number,
            state="failed",
            suggested=suggested,
            hyperparameters=tried,
            reason=str(error),
        )
        records.write(trial, None)
        return trial
    # Whole without a value: the metric is undefined, so there is nothing to rank it by.
    is_ranked = found.values[-1] is not None
    trial = Trial(
        number=number,
        state=("complete" if found.whole else "pruned") if is_ranked else "failed",
        suggested=suggested,
        hyperparameters=tried,
        values=found.values,
        rule=found.rule,
        reason="" if is_ranked else f"{settings.tune.metric} is undefined",
    )
    records.write(trial, found.predictions)
    return trial
