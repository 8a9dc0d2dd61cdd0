"""Commands of the deployed model at work."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from churn.cli.group import BY_HAND, FOLDER, Group, cli

if TYPE_CHECKING:
    from churn.core.params import Params

_DIGITS = 6  # of a number that people read
_LOG = click.option("--log", metavar="ADDRESS", help="The prediction log.  [default: serve.log]")
_LABELS = click.option(
    "--labels",
    metavar="ADDRESS",
    help="What became of customers: id and target, as in params.yaml.  [default: monitor.labels]",
)


@cli.command()
@click.option(
    "--model",
    "uri",
    metavar="URI",
    help="Serve this model: a folder, or an address such as models:/churn-predictor/3 or"
    " runs:/<id>/model.  [default: Production, and what comes after it]",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="Port to listen on; 0 for a free one.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="Processes that answer.",
)
@click.option(
    "--store",
    type=FOLDER,
    default=Path("served"),
    show_default=True,
    help="Folder of the local copy, from which it starts if the registry is away.",
)
@click.option("--no-log", is_flag=True, help="Do not log predictions (serve.log).")
@click.option(
    "--insecure", is_flag=True, help="Let other machines ask, although CHURN_API_KEYS is not set."
)
@click.option("--example", is_flag=True, help="Print a request to try, and end.")
def serve(
    uri: str | None,
    host: str,
    port: int,
    workers: int,
    store: Path,
    no_log: bool,
    insecure: bool,
    example: bool,
) -> None:
    """Serve the model in Production, and follow the registry.

    Speaks MLflow's scoring protocol (/invocations) and the Open Inference Protocol (/v2). A new
    version in Production is verified, loaded and swapped in between two requests; a rollback as
    well. SIGTERM and Ctrl-C finish the requests that are there.
    """
    import logging

    from churn.core import params
    from churn.core.paths import Workspace
    from churn.serve import supervisor

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    overrides = {"serve.log": None} if no_log else {}
    settings = params.load(Workspace().params, overrides)
    if example:
        click.echo(_request(settings, f"http://{host}:{port}"))
        return
    options = supervisor.Options(Path(), store, uri, host, port, workers, insecure)
    raise SystemExit(supervisor.run(options, settings, click.echo))


def _request(settings: Params, url: str) -> str:
    """Return a command that asks about a customer."""
    import json
    import shlex

    from churn.core.files import read_parquet
    from churn.core.paths import Workspace
    from churn.core.rounding import significant
    from churn.data.typical import typical

    rows = read_parquet(Workspace().split("test"), "prepare")
    [middle] = typical(rows, settings.data).to_dict(orient="records")
    customer = {
        name: significant(cell, _DIGITS) if isinstance(cell, float) else cell
        for name, cell in middle.items()
    }
    body = json.dumps({"dataframe_records": [customer]})
    kind = "Content-Type: application/json"
    return f"curl {url}/invocations --header {shlex.quote(kind)} --data {shlex.quote(body)}"


@cli.group(cls=Group)
def canary() -> None:
    """Try a version on a part of the customers."""


@canary.command()
@click.argument("version", type=click.IntRange(1))
@click.option(
    "--share",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.1,
    show_default=True,
    help="Part of the customers for whom it predicts.",
)
@click.option("--shadow", is_flag=True, help="Predict, and let Production's version answer.")
@BY_HAND
def start(version: int, share: float, shadow: bool, why: str) -> None:
    """Begin the trial of VERSION.

    It must have passed the integration tests. Which customers it predicts for is decided by a hash
    of their ids, so a customer always meets the same version.
    """
    from churn.deploy import commands

    commands.start_canary(Path(), version, share, shadow, why)


@canary.command()
@_LOG
@_LABELS
def status(log: str | None, labels: str | None) -> None:
    """Show how the trial goes.

    What both versions predict, with labels which is better, and whether the version is fit for
    Production. Look as often as you like: the intervals hold at every moment.
    """
    from churn.serve import trial

    trial.show(Path(), log, labels, click.echo)


@canary.command()
@BY_HAND
@click.option(
    "--when-due",
    is_flag=True,
    help="Only if the trial has lasted release.canary.hours, and churn canary status says that the"
    " version is ready.",
)
@_LOG
@_LABELS
def promote(why: str, when_due: bool, log: str | None, labels: str | None) -> None:
    """Move the version that is tried to Production.

    Runs the integration tests before, and the smoke test afterwards; if that fails, the previous
    version is put back. By hand, you have decided; --when-due lets the trial decide.

    Exit code 0: it is in Production; with --when-due also if there is no trial, or it still lasts.
    1: the trial speaks against it, or a test has failed. 2: an error.
    """
    from churn.deploy import commands

    if when_due:
        raise SystemExit(_promote_when_due(why, log, labels))
    if log or labels:
        raise click.UsageError("--log and --labels need --when-due")
    raise SystemExit(commands.promote_canary(Path(), why))


def _promote_when_due(why: str, log: str | None, labels: str | None) -> int:
    from churn.core import params
    from churn.core.errors import NoTrialError
    from churn.core.paths import Workspace
    from churn.deploy import commands
    from churn.serve import trial

    try:
        seen = trial.look(Path(), log, labels, params.load(Workspace().params))
    except NoTrialError as error:
        click.echo(f"not promoted: {error}")
        return 0
    outcome, reason = seen.standing.outcome, seen.standing.reason
    if outcome == "promote":
        click.echo(f"version {seen.version}: {reason}")
        return commands.promote_canary(Path(), why, seen.version)
    click.echo(f"not promoted: version {seen.version}: {reason}")
    return 1 if outcome == "block" else 0


@canary.command()
@BY_HAND
def stop(why: str) -> None:
    """End the trial; Production's version answers everybody."""
    from churn.deploy import commands

    commands.stop_canary(Path(), why)
