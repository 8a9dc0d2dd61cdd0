"""Commands that move and show versions of the registered model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from churn.cli.group import BY_HAND, COMMIT, FOLDER, Group, cli
from churn.core.paths import Workspace


@cli.command()
@click.argument("folder", type=FOLDER, required=False)
@COMMIT
@click.option("--digest", metavar="DIGEST", help="Expected digest of the manifest in FOLDER.")
@click.option(
    "--until",
    type=click.Choice(["staging", "integration", "canary", "production"]),
    default="production",
    show_default=True,
    help="The last step; the same command without --until goes on from there.",
)
@click.option("--why", default="released", show_default=True, help="Reason, for the audit trail.")
@click.option(
    "--embedded",
    is_flag=True,
    help="Do nothing if the registry is a server or a branch, or something is not committed.",
)
@click.option(
    "--confirm",
    is_flag=True,
    help="Release nothing: if the commit's model is in Production already, note the commit there.",
)
def release(
    folder: Path | None,
    commit: str,
    digest: str | None,
    until: Any,
    why: str,
    embedded: bool,
    confirm: bool,
) -> None:
    """Bring the candidate in FOLDER into Production.

    Verifies it, compares it with Production, registers it, moves it to Staging, runs the
    integration tests, moves it to Production, and runs the smoke test; if that fails, the previous
    version is put back. If params.yaml says so (release.canary), it is tried on a part of the
    customers instead of being moved, and churn canary promote goes on from there. Without FOLDER,
    the work tree is run, judged and packed first. After an interruption, the same command
    continues.

    Exit code 0: it is in Production, on trial, or where --until says. 1: a gate or a test has
    failed. 2: an error.
    """
    from churn.tracking.local_store import reason_not_to_release

    if confirm:
        if folder is not None or until != "production" or embedded:
            raise click.UsageError("--confirm excludes FOLDER, --until and --embedded")
        from churn.deploy import commands

        commands.confirm(Path(), commit)
        return
    if embedded and (reason := reason_not_to_release(Path())):
        click.echo(f"not released: {reason}")
        return
    # skops searches loaded modules in order for SciPy's functions. Without this import it searches
    # hundreds of MLflow's modules first, which takes a second.
    import scipy.special  # noqa: F401

    from churn.deploy import commands

    raise SystemExit(commands.release(Path(), folder, commit, until, why, embedded, digest))


@cli.command()
@click.argument("folder", type=FOLDER, default=Workspace().candidate)
@COMMIT
def register(folder: Path, commit: str) -> None:
    """Register the candidate in FOLDER, by default build/candidate.

    A candidate that has a version already is not registered again.
    """
    from churn.deploy import commands

    raise SystemExit(commands.release(Path(), folder, commit, "registered", "registered", False))


@cli.command()
@click.argument("version", type=click.IntRange(1))
@click.option(
    "--to",
    type=click.Choice(["staging", "production"]),
    required=True,
    help="The stage to move it to.",
)
@BY_HAND
def promote(version: int, to: str, why: str) -> None:
    """Move VERSION to Staging or Production manually.

    Its files must match its manifest. Production requires passed integration tests, and a commit
    that is not older than the current version's.
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
    help="Version number, or previous.",
)
@BY_HAND
def rollback(version: str, why: str) -> None:
    """Put an earlier version back into Production.

    Only a version that was in Production before. The one that is rolled back is not released again
    automatically.
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
    help="Tracking URI of the store to copy from.",
)
def migrate(source: str) -> None:
    """Copy all versions to another MLflow store, such as a server.

    The destination is MLFLOW_TRACKING_URI. Runs, files, version numbers, aliases and the audit
    trail are copied; the source does not change. Run again, it copies what is missing.
    """
    from churn.deploy import commands

    commands.migrate(Path(), source)


@cli.command()
@click.option("--markdown", is_flag=True, help="Write Markdown, for the summary of a workflow run.")
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
    """Set up services that the project uses."""


@setup.command()
@click.option(
    "--plan",
    type=click.Choice(["free", "pro", "team", "enterprise"]),
    help="Plan of the repository's owner, if GitHub does not return it.",
)
@click.option(
    "--reviewer",
    "reviewers",
    metavar="NAME",
    multiple=True,
    help="User or organisation/team who must approve deployments to Production; repeatable.",
)
@click.option("--registry", metavar="URI", help="URL of the registry's MLflow server.")
@click.option("--alone", is_flag=True, help="There is nobody else to approve a pull request.")
@click.option(
    "--retrain",
    is_flag=True,
    help="Let workflows open pull requests, as retrain.yml does without a token of its own.",
)
@click.option("--apply", is_flag=True, help="Run the calls instead of printing them.")
def github(
    plan: Any,
    reviewers: tuple[str, ...],
    registry: str | None,
    alone: bool,
    retrain: bool,
    apply: bool,
) -> None:
    """Print the calls that set up the repository on GitHub, or run them.

    They set rules for the default branch, environments that only that branch may use, and
    variables. Needs `gh`, logged in as an administrator of the repository. Idempotent;
    reviewers stay until others are named.
    """
    from churn.deploy import setup_github

    setup_github.run(Path(), plan, reviewers, registry, alone, retrain, apply)
