"""The command `churn` itself, and what its commands have in common."""

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
    "--commit", metavar="REV", default="HEAD", show_default=True, help="Whose model it is."
)
# Before the command or behind it; `main` gives the object in which it is noted, because the
# context is gone by the time that an error arrives there.
_TRACEBACK = click.option(
    "--traceback",
    is_flag=True,
    expose_value=False,
    help="Show where in the code an error comes from.",
    callback=lambda context, _, given: given and context.ensure_object(set).add("traceback"),
)


class Group(click.Group):
    """Commands in the order of the pipeline, not of the alphabet, each with `--traceback`."""

    def add_command(self, command: click.Command, name: str | None = None) -> None:
        """Add a command, with the option."""
        super().add_command(_TRACEBACK(command), name)

    def list_commands(self, context: click.Context) -> list[str]:
        """List the commands in the order in which they were added."""
        return list(self.commands)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="churn", prog_name="churn")
@_TRACEBACK
def cli() -> None:
    """Train, test, track and release a churn model.

    `dvc repro` runs the stages prepare, train, evaluate, validate and track as far as something
    has changed; each is a command here. Run them in the project's folder.
    """
