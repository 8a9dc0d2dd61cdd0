"""Commands that move versions of the registered model, and look at them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from churn.cli.group import COMMIT, FOLDER, Group, cli
from churn.core.paths import Workspace


@cli.command()
@click.argument("folder", type=FOLDER, required=False)
@COMMIT
@click.option("--digest", metavar="DIGEST", help="Of the manifest that FOLDER has to have.")
@click.option(
    "--until",
    type=click.Choice(["staging", "integration", "production"]),
    default="production",
    show_default=True,
    help="The last step. The same command without it goes on from there.",
)
@click.option("--why", default="released", help="For the audit trail.")
@click.option(
    "--embedded",
    is_flag=True,
    help="Only where there is no server and everything is committed; else say so and do nothing.",
)
@click.option(
    "--confirm",
    is_flag=True,
    help="Release nothing: only note that the commit has the model in Production, if it has.",
)
def release(
    folder: Path | None,
    commit: str,
    digest: str | None,
    until: str,
    why: str,
    embedded: bool,
    confirm: bool,
) -> None:
    """Bring the candidate in FOLDER into Production.

    Verifies it, checks it against Production, registers it, moves it to Staging, tests it as it is
    served, moves it to Production, and looks whether it works there; if not, the version from
    before is put back. Without FOLDER: what is here is run, judged and packed first. Started again,
    it goes on where it was killed.

    Exit code 0: it is in Production, or as far as --until says. 1: a gate or a test has stopped it.
    2: an error.
    """
    from churn.tracking.local_store import reason_not_to_release

    if confirm:
        if folder is not None or until != "production" or embedded:
            raise click.UsageError("--confirm goes with no FOLDER, --until or --embedded")
        from churn.deploy import commands

        commands.confirm(Path(), commit)
        return
    if embedded and (reason := reason_not_to_release(Path())):
        click.echo(f"not released: {reason}")
        return
    # skops looks for each of SciPy's functions in all modules, in the order in which they were
    # loaded: without this in hundreds of MLflow's first, which takes a second.
    import scipy.special  # noqa: F401

    from churn.deploy import commands

    raise SystemExit(commands.release(Path(), folder, commit, until, why, embedded, digest))


@cli.command()
@click.argument("folder", type=FOLDER, default=Workspace().candidate)
@COMMIT
def register(folder: Path, commit: str) -> None:
    """Register the candidate in FOLDER, or find its version."""
    from churn.deploy import commands

    raise SystemExit(commands.release(Path(), folder, commit, "registered", "registered", False))


@cli.command()
@click.argument("version", type=click.IntRange(1))
@click.option(
    "--to", type=click.Choice(["staging", "production"]), required=True, help="Where it goes."
)
@click.option("--why", default="by hand", help="For the audit trail.")
def promote(version: int, to: str, why: str) -> None:
    """Move VERSION to Staging or Production by hand.

    Its files have to be those of its manifest. Into Production goes only what has passed the
    integration tests, and never an older commit's model.
    """
    from churn.deploy import commands

    commands.promote(Path(), version, to, why)


@cli.command()
@click.option(
    "--to",
    "version",
    default="previous",
    show_default=True,
    metavar="VERSION",
    help="Number of the version, or previous.",
)
@click.option("--why", default="by hand", help="For the audit trail.")
def rollback(version: str, why: str) -> None:
    """Put an earlier version back into Production.

    One that was there before. What was rolled back is not released again by itself.
    """
    from churn.deploy import commands

    if version != "previous" and not version.isdecimal():
        raise click.BadParameter("a number, or previous", param_hint="--to")
    commands.rollback(Path(), None if version == "previous" else int(version), why)


@cli.command()
@click.option(
    "--source",
    metavar="URI",
    default="sqlite:///mlflow.db",
    show_default=True,
    help="The MLflow that has the versions.",
)
def migrate(source: str) -> None:
    """Copy all versions to another MLflow, such as a server.

    To the one that MLFLOW_TRACKING_URI names, with their runs, files, numbers, aliases and audit
    trail. The source stays as it is. Started again, it copies what is missing.
    """
    from churn.deploy import commands

    commands.migrate(Path(), source)


@cli.command()
@click.option("--markdown", is_flag=True, help="For the summary of a workflow's run.")
def status(markdown: bool) -> None:
    """Show what is in Production, and where it comes from."""
    from churn.deploy import commands

    commands.status(Path(), markdown)


@cli.command()
def history() -> None:
    """Show who moved which version, when and why."""
    from churn.deploy import commands

    commands.history(Path())


@cli.group(cls=Group)
def setup() -> None:
    """Set up what is around the project."""


@setup.command()
@click.option(
    "--plan",
    type=click.Choice(["free", "pro", "team", "enterprise"]),
    help="Of who owns the repository, where GitHub does not say.",
)
@click.option(
    "--reviewer",
    "reviewers",
    metavar="NAME",
    multiple=True,
    help="A user, or organisation/team, who is asked before Production; may be given again.",
)
@click.option("--registry", metavar="URI", help="MLflow server that is the registry.")
@click.option("--alone", is_flag=True, help="There is nobody else to approve a pull request.")
@click.option("--apply", is_flag=True, help="Run the calls, instead of printing them.")
def github(
    plan: Any, reviewers: tuple[str, ...], registry: str | None, alone: bool, apply: bool
) -> None:
    """Print the calls that set the repository on GitHub, or run them.

    Rules of the default branch, environments that only it can use, and variables. Needs `gh`,
    logged in as an administrator of the repository. Given again, it changes nothing;
    reviewers stay until others are named.
    """
    from churn.deploy import setup_github

    setup_github.run(
        Path(), plan, reviewers, registry, alone, apply, click.echo, partial(click.echo, err=True)
    )
