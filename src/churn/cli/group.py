"""The command `churn` itself, and options that its commands share."""

from __future__ import annotations

from pathlib import Path

import click

from churn.core.paths import Workspace

FILE = click.Path(dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)
CANDIDATE = click.option(
    "--output",
    type=FOLDER,
    default=Workspace().candidate,
    show_default=True,
    help="Folder of the packed candidate.",
)
COMMIT = click.option(
    "--commit", metavar="REV", default="HEAD", show_default=True, help="Commit of the model."
)
BY_HAND = click.option(
    "--why", default="by hand", show_default=True, help="Reason, for the audit trail."
)
# Accepted before and after the command's name. It is stored in an object of `main`, because click's
# context no longer exists when `main` handles an error.
_TRACEBACK = click.option(
    "--traceback",
    is_flag=True,
    expose_value=False,
    help="Show the traceback of an error.",
    callback=lambda context, _, given: given and context.ensure_object(set).add("traceback"),
)


class Group(click.Group):
    """Lists its commands in the order of definition; adds `--traceback` to each."""

    def add_command(self, command: click.Command, name: str | None = None) -> None:
        """Add a command with the option `--traceback`."""
        super().add_command(_TRACEBACK(command), name)

    def list_commands(self, context: click.Context) -> list[str]:
        """List the commands in the order in which they were added."""
        return list(self.commands)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="churn", prog_name="churn")
@_TRACEBACK
def cli() -> None:
    """Train, test, track and release a model of your customers.

    The stages are prepare, train, evaluate, validate and track. `dvc repro` runs each stage whose
    inputs have changed. Run commands in the project's folder.
    """
