"""The command that sets the project up for another table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from churn.cli.group import cli
from churn.core.paths import Workspace
from churn.core.progress import announce

if TYPE_CHECKING:
    from churn.core.params import TaskName


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--target", metavar="NAME", help="Column that is predicted, such as who churned.")
@click.option("--positive", metavar="VALUE", help="Of two values the one that means churned.")
@click.option(
    "--task",
    type=click.Choice(["binary", "regression", "multiclass"]),
    help="What is predicted: one of two values, a number, or one of several classes.",
)
@click.option("--id", "ids", metavar="NAME", help="Column of the customers' ids; null for none.")
@click.option("--drop", multiple=True, metavar="NAME", help="Column to leave out. Repeatable.")
@click.option(
    "--missing", multiple=True, metavar="WORD", help="Word for a missing cell. Repeatable."
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="How the file is written, such as data.csv.decimal=, or data.csv.date=%d.%m.%Y."
    " Repeatable.",
)
@click.option("--yes", is_flag=True, help="Take what was understood, and ask nothing.")
def init(
    file: Path,
    target: str | None,
    positive: str | None,
    task: TaskName | None,
    ids: str | None,
    drop: tuple[str, ...],
    missing: tuple[str, ...],
    settings: tuple[str, ...],
    yes: bool,
) -> None:
    """Set the project up for the table in FILE, CSV or Parquet.

    Reads it, shows what it understood, and asks where it is not sure. Then it trains a first model
    in a temporary folder, chooses limits by it, and only then changes something: the table goes
    into data/, params.yaml gets the columns and limits, each with a comment why, and dvc repro
    makes the first candidate.

    FILE itself stays where it is, and data/ gets a copy; only from within this folder it is moved,
    because git would take it into the next commit. What is in data/ is removed if DVC can bring it
    back, else nothing begins. If it is interrupted, run it again. Exit code 2: the file cannot be
    used, or something has to be named.
    """
    from churn.init import reading, run
    from churn.init.table import Wishes

    csv = reading.csv_settings(settings)
    wishes = Wishes(ids, target, positive, task, missing, drop, csv)
    run.run(Workspace().root, file, wishes, yes, announce)
