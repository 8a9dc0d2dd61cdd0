"""Commands of the deployed model at work."""

from __future__ import annotations

from pathlib import Path

import click

from churn.cli.group import FOLDER, cli


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
@click.option(
    "--insecure", is_flag=True, help="Let other machines ask, although CHURN_API_KEYS is not set."
)
def serve(uri: str | None, host: str, port: int, workers: int, store: Path, insecure: bool) -> None:
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
    settings = params.load(Workspace().params)
    options = supervisor.Options(Path(), store, uri, host, port, workers, insecure)
    raise SystemExit(supervisor.run(options, settings, click.echo))
