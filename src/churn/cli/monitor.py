"""The command that watches the deployed model."""

from __future__ import annotations

import os
import re
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click

from churn.cli.group import FILE, FOLDER, cli


class _Since(click.ParamType[int]):
    """A number of days, as ``7d``."""

    name = "days"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        """Return the number of days."""
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"(\d{1,4})d", str(value).strip())
        if found is None or not int(found[1]):
            self.fail(f"{value!r} is no number of days; write it as 7d", param, ctx)
        return int(found[1])


class _Day(click.ParamType[date]):
    """A day in UTC, as ``2026-11-30``."""

    name = "date"

    def convert(self, value: Any, param: Any, ctx: Any) -> date:
        """Return the day."""
        if isinstance(value, date):
            return value
        try:
            return datetime.strptime(str(value), "%Y-%m-%d").date()
        except ValueError:
            self.fail(f"{value!r} is no day; write it as 2026-11-30", param, ctx)


@cli.command()
@click.option(
    "--since",
    "days",
    type=_Since(),
    default="7d",
    show_default=True,
    help="Days of the log, the last one among them.",
)
@click.option(
    "--until",
    type=_Day(),
    help="Last day, in UTC.  [default: yesterday; today if the log began today]",
)
@click.option(
    "--log", metavar="ADDRESS", help="The prediction log.  [default: monitor.log, or serve.log]"
)
@click.option(
    "--input",
    "table",
    type=FILE,
    help="Measure the customers of this CSV or Parquet file instead of the log's.",
)
@click.option(
    "--labels",
    metavar="ADDRESS",
    help="What became of customers: id and target, as in params.yaml.  [default: monitor.labels]",
)
@click.option("--metrics", metavar="URL|FILE", help="A server's /metrics, for errors.")
@click.option(
    "--version",
    type=click.IntRange(1),
    help="Watch this version.  [default: that in Production]",
)
@click.option(
    "--output",
    type=FOLDER,
    default=Path("build/monitor"),
    show_default=True,
    help="Folder for monitor.json, .html, .md and .prom.",
)
@click.option("--log-to-mlflow", is_flag=True, help="Note the result on the version.")
@click.option("--issues", is_flag=True, help="Keep one issue on GitHub for each kind of alarm.")
@click.option("--skip-if-not-set-up", is_flag=True, help="Do nothing if monitor.log is null.")
@click.option(
    "--engine",
    type=click.Choice(["local", "spark"]),
    default="local",
    show_default=True,
    help="Where the log is counted; the counts are the same (docs/scale.md).",
)
@click.option("--master", metavar="URL", help="Spark's cluster, as for `churn predict`.")
def monitor(
    days: int,
    until: date | None,
    log: str | None,
    table: Path | None,
    labels: str | None,
    metrics: str | None,
    version: int | None,
    output: Path,
    log_to_mlflow: bool,
    issues: bool,
    skip_if_not_set_up: bool,
    engine: str,
    master: str | None,
) -> None:
    """Watch the version in Production.

    Compares the customers that it saw with its training rows, its predictions with those for
    held-out customers, and with labels its metrics with what those promised. Exit code 0: nothing
    has changed that matters. 1: an alarm. 2: an error, or nothing can be said yet.
    """
    from churn.core import params
    from churn.core.paths import Workspace
    from churn.monitor import reporting, run

    settings = params.load(Workspace().params)
    if skip_if_not_set_up and settings.monitor.log is None:
        click.echo("monitor.log is null: nothing to watch (docs/monitoring.md)")
        return
    options = run.Options(Path(), version, days, until, log, table, labels, metrics)
    if engine == "spark":
        if table is not None:
            raise click.UsageError("--engine spark counts the log, not --input")
        from churn.spark.counting import SparkCounter
        from churn.spark.session import session

        with session(master) as spark:
            found = run.run(options, settings, SparkCounter(spark))
    elif master is not None:
        raise click.UsageError("--master requires --engine spark")
    else:
        found = run.run(options, settings)
    reporting.write(found, output)
    reporting.write_workflow_output(found.report, os.environ)
    if issues:
        reporting.keep_issues(found.report, os.environ, click.echo)
    if log_to_mlflow:
        reporting.note(found.report, output, Path(), settings)
    raise SystemExit(reporting.show(found.report, output))
