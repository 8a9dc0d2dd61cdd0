"""Command `tune`: search for better hyperparameters, and write the best ones on request."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from churn.core import document, params, rounding
from churn.core.errors import ParamsError
from churn.core.files import read_parquet, write_json
from churn.core.params import Overrides, Params
from churn.core.paths import Workspace
from churn.core.progress import Say, announce, bar
from churn.evaluation import tasks
from churn.evaluation.metric_names import TITLES
from churn.evaluation.tasks import Scored
from churn.model import threads
from churn.provenance import search_result
from churn.provenance.search_result import FORMAT, SearchResult, digest_of
from churn.stages.track import git_tags
from churn.tracking import connection, runs
from churn.tracking.runs import Notes
from churn.tune import outcome, records, search, show, space
from churn.tune.candidate import Rows, measured
from churn.tune.outcome import Outcome
from churn.tune.records import Records, Trial


def run(root: Path, overrides: Overrides, write: bool, console: Console | None = None) -> Outcome:
    """Search, print what was found, and with `write` write the winner into params.yaml.

    Parameters
    ----------
    root : Path
        The project's folder.
    overrides : dict of str to value
        Dotted keys of the section `tune` with values that replace those of params.yaml.
    write : bool
        Whether to write the winner, if it did better than the current parameters.
    console : Console, optional
        Defaults to standard output.

    Returns
    -------
    Outcome

    Raises
    ------
    ParamsError, ArtifactError, DataError
        If params.yaml, the space or the training rows are not valid.
    TrackingError
        If MLflow cannot be reached; a candidate that is there already is logged next time.
    """
    workspace, console = Workspace(root), console or Console()
    settings = params.load(workspace.params, overrides)
    found = find(workspace, settings)
    show.show(found, console)
    if write:
        console.print(accept(workspace, found), soft_wrap=True)
    elif found.improves:
        console.print("`churn tune --write` writes it into params.yaml.")
    return found


def find(workspace: Workspace, settings: Params, say: Say = announce) -> Outcome:
    """Search by cross-validation on the training rows, and compare the winner.

    Logs an MLflow run with one below it for each candidate. If it was interrupted, it goes on.
    Changes nothing else than ``build/tune`` and the MLflow store; the held-out customers are not
    read.

    Parameters
    ----------
    workspace : Workspace
        In which `prepare` has run.
    settings : Params
    say : callable, optional
        Called with what the search goes on with.

    Returns
    -------
    Outcome

    Raises
    ------
    ChurnError
        As `run`.
    """
    space.require_valid(settings)
    rows = Rows.of(read_parquet(workspace.split("train"), "prepare"), settings)
    identity = records.identify(workspace, settings)
    experiment_id = connection.connect(workspace.root)
    found = records.open_search(workspace, identity, say)
    notes = _notes(workspace, settings)
    with (
        threads.limited(len(rows.y)),
        runs.parent(experiment_id, identity.digest, notes) as run_id,
        bar("tuning", 1 + settings.tune.trials) as advance,
    ):
        logged = runs.children(experiment_id, run_id)
        current = search.evaluate_current(rows, settings, found)
        advance("current parameters")
        trials = found.trials()[: settings.tune.trials]
        for trial in trials:
            _log(trial, found, rows, settings, logged)
            advance(f"candidate {trial.number + 1}")
        for trial in search.candidates(rows, settings, found, current):
            _log(trial, found, rows, settings, logged)
            trials.append(trial)
            advance(_step(outcome.best(trials, settings.tune.metric), settings))
        judged = _judge(found, rows, current, trials, settings)
        runs.note(_measured(judged), {"verdict": judged.word})
    return judged


def _judge(
    found: Records, rows: Rows, current: Trial, trials: list[Trial], settings: Params
) -> Outcome:
    winner = outcome.winner_of(trials, settings.tune.metric)
    both = ((trial, found.predictions(trial)) for trial in (current, winner))
    return outcome.judge(rows.y, rows.chooses, next(both), next(both), trials, settings)


def _step(best: Trial | None, settings: Params) -> str:
    if best is None or best.value is None:
        return "none fitted yet"
    value = rounding.shown(best.value, 4)
    return f"best {TITLES[settings.tune.metric]} {value}, of candidate {best.number + 1}"


def _notes(workspace: Workspace, settings: Params) -> Notes:
    # What may change while a search goes on is no parameter of its run.
    tune = settings.tune.model_dump(mode="json", exclude={"trials", "timeout_s"})
    used = {"tune": tune, "model": settings.model.model_dump(mode="json")}
    tags = git_tags(workspace.root)
    return Notes(f"tune-{settings.model.family}", params.flatten(used), tags)


def _log(trial: Trial, found: Records, rows: Rows, settings: Params, logged: set[str]) -> None:
    """Log a candidate below the run of the search, unless it is there."""
    name = f"candidate-{trial.number + 1}"
    if name in logged:
        return
    metrics: dict[str, float] = {}
    if trial.state == "complete" and trial.rule is not None:
        predictions = found.predictions(trial)
        by = predictions[rows.chooses[predictions.index]]
        task = tasks.of_params(settings)
        values = measured(task, rows.y[by.index], Scored(task.output.scores(by), trial.rule))
        metrics = {f"cv_{name}": value for name, value in values.items() if value is not None}
        metrics.pop(f"cv_{settings.tune.metric}", None)  # a value for each fold is below
    tags = {"state": trial.state, **({"reason": trial.reason} if trial.reason else {})}
    steps = {f"cv_{settings.tune.metric}": trial.values}
    runs.log_child(Notes(name, dict(trial.hyperparameters), tags, metrics, steps))


def _measured(judged: Outcome) -> dict[str, float]:
    difference = judged.difference
    known = {
        "candidates": float(judged.tried),
        "difference": difference.difference,
        "lower": difference.lower,
        "upper": difference.upper,
    }
    return {name: value for name, value in known.items() if value is not None}


def accept(workspace: Workspace, found: Outcome) -> str:
    """Write the winner into params.yaml, and what the search says of it into reports/tune.json.

    Comments and layout of params.yaml stay. Nothing is written if no candidate did better than the
    current parameters.

    Parameters
    ----------
    workspace : Workspace
    found : Outcome
        Of a search with the params.yaml that is there.

    Returns
    -------
    str
        A sentence that says what was written.

    Raises
    ------
    ParamsError
        If the hyperparameters in params.yaml are no longer those that the search began with.
    """
    if not found.improves:
        return "params.yaml: not changed, no candidate did better than what is there"
    settings = params.load(workspace.params)
    if settings.model.hyperparameters != found.current or settings.model.family != found.family:
        raise ParamsError(
            "params.yaml: model has changed since the search began, so nothing is written; run"
            " `churn tune` again"
        )
    model = settings.model.model_dump(mode="json")
    before = search_result.read(workspace.search, model)
    changed = {
        name: value
        for name, value in found.winner.items()
        if name not in found.current or found.current[name] != value
    }
    difference = found.difference
    result = SearchResult(
        format=FORMAT,
        digest=digest_of(model["family"], found.winner),
        candidates=found.tried,
        earlier=before.candidates + before.earlier if before else 0,
        metric=found.metric,
        optimistic=found.optimistic,
        difference=difference.difference,
        lower=difference.lower,
        upper=difference.upper,
        word=found.word,
        rows=found.compared_on,
    )
    # This first: it belongs to the winner only, so without the other file it says nothing.
    write_json(workspace.search, result)
    document.update(workspace.params, ("model", "hyperparameters"), changed)
    return (
        f"params.yaml: {len(changed)} hyperparameters written, and {workspace.search}; now `dvc"
        " repro`, and commit both"
    )
