"""The command that proposes a newer table."""

from __future__ import annotations

import json
from pathlib import Path

import click

from churn.cli.group import FILE, cli
from churn.core.errors import ChurnError
from churn.core.paths import Workspace
from churn.core.progress import announce


@cli.command()
@click.option("--why", metavar="TEXT", help="Reason, for the pull request.")
@click.option("--alarm", type=FILE, help="monitor.json whose alarms are the reason.")
@click.option("--source", metavar="ADDRESS", help="Fetch it from there, not from data.source.")
@click.option(
    "--base", metavar="BRANCH", default="main", show_default=True, help="Branch to propose it to."
)
@click.option("--production", is_flag=True, help="Compare with the model in Production as well.")
@click.option(
    "--no-pull-request", is_flag=True, help="End with a branch here; push nothing, open nothing."
)
@click.option("--skip-if-not-set-up", is_flag=True, help="Do nothing if data.source is null.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
def retrain(
    why: str | None,
    alarm: Path | None,
    source: str | None,
    base: str,
    production: bool,
    no_pull_request: bool,
    skip_if_not_set_up: bool,
    as_json: bool,
) -> None:
    """Open a pull request with the newest table.

    Fetches the table from data.source in params.yaml, and refuses it if it breaks the schema, has
    lost rows, or has another churn rate. Then: dvc add, dvc repro, dvc push, a commit on the branch
    retrain/DATE, the review, and a pull request, or the open one of an earlier run with the newest
    table in it. This folder stays as it is.

    Exit code 0: there is a pull request, or nothing new. 2: refused, or an error. What the gates
    say of the model is in the pull request, and does not count here.
    """
    from churn.retrain import outcome, reason
    from churn.retrain import run as retrain
    from churn.retrain.job import Plan

    try:
        plan = Plan(
            base, source, reason.read(why, alarm), not no_pull_request, production,
            skip_if_not_set_up,
        )  # fmt: skip
        ended = retrain.run(Path(), plan, announce)
    except (ChurnError, OSError) as error:
        outcome.write_note(Workspace(), outcome.refusal(error))
        raise
    outcome.write_note(Workspace(), ended.markdown)
    click.echo(json.dumps(ended.facts, indent=2) if as_json else "\n".join(ended.lines))
