"""The command that predicts for tables: a small file, or any number of rows."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import click

from churn.cli.group import cli
from churn.core.paths import Workspace


def _required(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """Refuse a call without an option that params.yaml does not say either."""
    if value is None and not context.params.get("skip_if_not_set_up"):
        raise click.MissingParameter(ctx=context, param=option)
    return value


@cli.command()
@click.option(
    "--skip-if-not-set-up",
    is_flag=True,
    is_eager=True,
    help="Take model, input, output, bad rows and reasons from params.yaml; do nothing if"
    " batch.input is null.",
)
@click.option(
    "--model",
    callback=_required,
    metavar="URI",
    help="A folder (build/model), runs:/… or models:/…, such as models:/churn-predictor@champion."
    "  [required]",
)
@click.option(
    "--input",
    "source",
    callback=_required,
    metavar="PATH",
    help="Customers, CSV or Parquet: a file, a folder, a pattern in quotes, or an address of one of"
    " these, such as s3://bucket/customers.  [required]",
)
@click.option(
    "--output",
    callback=_required,
    metavar="PATH",
    help="A folder or its address: one file for each file of the input. Or one file, .csv or"
    " .parquet, for a table that fits into memory.  [required]",
)
@click.option(
    "--bad-rows",
    type=click.Choice(["refuse", "quarantine"]),
    help="Stop at a row that cannot be read, or write it to _bad_rows in the output and go on."
    "  [default: refuse]",
)
@click.option(
    "--reasons",
    type=click.IntRange(min=0),
    metavar="N",
    help="Add the N columns with most effect on each prediction, and their SHAP values"
    " (docs/explaining.md).  [default: 0]",
)
@click.option("--resume", is_flag=True, help="Go on with a run that was interrupted.")
@click.option("--overwrite", is_flag=True, help="Replace what an earlier run has written.")
@click.option(
    "--engine",
    type=click.Choice(["local", "spark"]),
    default="local",
    show_default=True,
    help="Where to predict. With spark, input and output are tables of its catalog, or paths that"
    " it knows; the output has the input's partitions (docs/scale.md).",
)
@click.option(
    "--master",
    metavar="URL",
    help="Spark's cluster, such as spark://host:7077.  [default: what Spark is configured with,"
    " else this machine]",
)
def predict(
    skip_if_not_set_up: bool,
    model: str | None,
    source: str | None,
    output: str | None,
    bad_rows: Literal["refuse", "quarantine"] | None,
    reasons: int | None,
    resume: bool,
    overwrite: bool,
    engine: Literal["local", "spark"],
    master: str | None,
) -> None:
    """Predict for customers: id, and what the model answers.

    That is probability and 0 or 1; with other tasks a number and its interval, or a class.

    Into a folder: any number of rows, read and written in parts, by all cores, with the version and
    the time of the run in each row. Only whole parts are ever there, and _SUCCESS when all are.
    """
    if skip_if_not_set_up:
        from churn.core import params

        settings = params.load(Workspace().params)
        if settings.batch.input is None:
            click.echo("batch.input is null: nothing to predict for (docs/batch.md)")
            return
        model = model or f"models:/{settings.release.model}@champion"
        source = source or _of_today(settings.batch.input)
        output = output or _of_today(settings.batch.output)
        bad_rows = bad_rows or settings.batch.bad_rows
        reasons = settings.batch.reasons if reasons is None else reasons
    assert model is not None and source is not None and output is not None
    if engine == "spark":
        if resume:
            raise click.UsageError(
                "--engine spark has no --resume: run it again; with --overwrite if it had begun to"
                " replace partitions"
            )
        if reasons:
            raise click.UsageError(
                "--engine spark gives no reasons: leave out --reasons, or set batch.reasons to 0"
            )
        _predict_with_spark(model, source, output, bad_rows or "refuse", overwrite, master)
        return
    if master is not None:
        raise click.UsageError("--master requires --engine spark")
    if _is_file(output):
        needs_folder = bad_rows == "quarantine" or resume
        _predict_at_once(model, source, output, reasons or 0, needs_folder)
        return
    from churn.batch import processes

    if processes.cores() > 1:
        processes.context()  # before the next line, which imports for seconds as well
    from churn.batch import run

    options = run.Options(
        model, source, output, bad_rows or "refuse", resume, overwrite, reasons=reasons or 0
    )
    click.echo("\n".join(run.described(run.run(options), output)))


def _predict_with_spark(
    model: str,
    source: str,
    output: str,
    bad_rows: Literal["refuse", "quarantine"],
    overwrite: bool,
    master: str | None,
) -> None:
    from churn.spark import run

    options = run.Options(model, source, output, bad_rows, overwrite, master)
    click.echo("\n".join(run.described(run.run(options), output)))


def _of_today(address: str) -> str:
    return address.replace("{date}", datetime.now(UTC).date().isoformat())


def _is_file(output: str) -> bool:
    """Tell a file from a folder: a file's name has an ending."""
    from churn.core.addresses import is_address

    if output.endswith("/") or (not is_address(output) and Path(output).is_dir()):
        return False
    return Path(output).suffix[1:2].isalpha()


def _predict_at_once(
    model: str, source: str, output: str, reasons: int, needs_folder: bool
) -> None:
    """Predict for a table that fits into memory, into one file."""
    from churn.core.addresses import is_address
    from churn.core.errors import DataError
    from churn.data.table import require_known_suffix
    from churn.model import prediction
    from churn.registry.loading import load_model

    if needs_folder or is_address(source) or is_address(output):
        raise DataError(
            f"{output}: one file is for a table on this machine, whose rows are all good; name a"
            " folder, such as " + f"{output.rpartition('.')[0]}/"
        )
    try:
        require_known_suffix(Path(output))
    except DataError as error:
        raise DataError(f"{error}; for a folder, write {output}/") from error
    loaded = load_model(model, Path())
    if reasons:
        from churn.explanation import table

        count = table.predict(loaded, Path(source), Path(output), reasons)
    else:
        count = prediction.predict(loaded, Path(source), Path(output))
    click.echo(f"{output}: {count:,} customers")
