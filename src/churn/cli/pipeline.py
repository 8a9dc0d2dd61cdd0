"""Commands for the pipeline: stages, experiments, tables, runs and predictions."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from churn.cli.group import FILE, cli
from churn.core.errors import ParamsError
from churn.core.paths import Workspace

if TYPE_CHECKING:
    from churn.core.params import Overrides, Params
    from churn.review.experiment import Experiment

_SETTINGS = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a key of params.yaml, such as data.path=other.csv or"
    " model.hyperparameters.max_depth=4. Repeatable; an empty value is ignored.",
)


@cli.command()
def prepare() -> None:
    """Stage 1: check the customer table and split it."""
    from churn.stages import prepare

    prepare.run(Workspace())


@cli.command()
@_SETTINGS
def train(settings: tuple[str, ...]) -> None:
    """Stage 2: fit the model, choose threshold or interval.

    With --set: an experiment. Prepares, trains and evaluates in a temporary folder, and logs an
    MLflow run; the pipeline's files do not change.
    """
    if not settings:
        from churn.stages import train

        train.run(Workspace())
        return
    from churn.review import experiment

    _show(experiment.train_with(Path(), _with(settings)))


@cli.command()
@click.option("--model", metavar="URI", help="A model: a folder, runs:/… or models:/….")
@_SETTINGS
def evaluate(model: str | None, settings: tuple[str, ...]) -> None:
    """Stage 3: predictions, metrics, slices and plots.

    With --model: evaluates that model on the held-out customers, and logs an MLflow run; the
    pipeline's files do not change. Only then --set is allowed.
    """
    if model is None:
        if settings:
            raise click.UsageError("--set requires --model")
        from churn.stages import evaluate

        evaluate.run(Workspace())
        return
    from churn.review import experiment

    _show(experiment.evaluate_model(Path(), model, _with(settings)))


@cli.command()
def validate() -> None:
    """Stage 4: test data and predictions with deepchecks."""
    from churn.stages import validate

    validate.run(Workspace())


@cli.command()
def track() -> None:
    """Stage 5: log the candidate to MLflow, once."""
    from churn.stages import track

    tracked = track.run(Workspace())
    click.echo(f"MLflow run {tracked.run_id}{'' if tracked.new else ' (tracked before)'}")


@cli.command()
def data() -> None:
    """Get the data that data.dvc names.

    Local changes in data/ are kept.
    """
    from churn.provenance import tracked_data

    if not tracked_data.get(Path()):
        click.echo(
            "data/ holds local changes, which are kept (undo: dvc checkout --force data.dvc)"
        )


@cli.command()
def summary() -> None:
    """Show metrics, checks, and where everything is."""
    from rich.console import Console

    from churn.cli import summary

    summary.show(Workspace(), Console())


@cli.command()
@click.option("--customers", type=click.IntRange(1), required=True, help="Number of customers.")
@click.option("--seed", type=click.IntRange(0), required=True, help="Seed of the random generator.")
@click.option(
    "--drift",
    type=click.FloatRange(0, 24),
    default=0.0,
    show_default=True,
    help="Months of drift in population and behaviour.",
)
@click.option("--output", type=FILE, required=True, help="File to write: .csv or .parquet.")
def synthesize(customers: int, seed: int, drift: float, output: Path) -> None:
    """Generate a table of synthetic customers."""
    from churn.core.progress import bar
    from churn.data import synthesize

    if not math.isfinite(drift):
        raise click.BadParameter("must be a number from 0 to 24", param_hint="--drift")

    with bar("synthesizing", -(-customers // synthesize.CHUNK_ROWS)) as advance:
        synthesize.write(output, customers, seed, drift, advance)
    click.echo(f"{output}: {customers:,} customers")


@cli.command()
@click.option(
    "--metric", help="Metric to sort by, such as test_roc_auc.  [default: the first of the task]"
)
@click.option(
    "--limit", type=click.IntRange(1), default=20, show_default=True, help="Maximum number of rows."
)
def runs(metric: str | None, limit: int) -> None:
    """List the runs of the MLflow experiment, best first."""
    from churn.cli import runs

    runs.show(Path(), metric, limit)


@cli.command()
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a key of tune in params.yaml, such as tune.trials=100. Repeatable; an empty"
    " value is ignored.",
)
@click.option("--write", is_flag=True, help="Write the winner into params.yaml.")
def tune(settings: tuple[str, ...], write: bool) -> None:
    """Search for better hyperparameters.

    Tries candidates from tune.space, cross-validated on the training rows; held-out customers are
    not read. Says whether the best one is better than the current parameters, or that it cannot
    tell. A search that was interrupted goes on where it was. Logs one MLflow run for the search,
    and one below it for each candidate.
    """
    overrides = _overrides(settings)
    for key in overrides:
        if not key.startswith("tune."):
            raise ParamsError(f"--set {key}: not a key of tune; change it in params.yaml")
    from churn.tune import run

    run.run(Path(), overrides, write)


def _with(settings: tuple[str, ...]) -> Params:
    """Read params.yaml with overrides."""
    from churn.core import params

    return params.load(Workspace().params, _overrides(settings))


def _overrides(settings: tuple[str, ...]) -> Overrides:
    """Parse ``key=value`` arguments to dotted keys and YAML values."""
    from churn.core.document import parse

    overrides = {}
    for setting in settings:
        key, separator, value = setting.partition("=")
        if not separator or not key:
            raise ParamsError(f"--set {setting}: write it as KEY=VALUE")
        if not value:
            continue
        try:
            overrides[key] = parse(value)
        except ParamsError as error:
            raise ParamsError(f"--set {setting[:80]}: {error}") from error
    return overrides


def _show(result: Experiment) -> None:
    from rich.console import Console

    from churn.cli.summary import metrics_table

    Console().print(metrics_table(result.threshold, result.sides))
    click.echo(f"MLflow run {result.run.run_id}")
