"""Progress on stderr: a line for each step, and a bar in a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Advance = Callable[[str], None]
Say = Callable[[str], None]


def silent(_: str) -> None:
    """Report nothing: the default of functions that report their steps."""


def announce(step: str) -> None:
    """Print which step begins."""
    import click  # here, because serving a model imports this module and has no click

    click.echo(f"== {step}", err=True)


@contextmanager
def bar(task: str, total: int) -> Iterator[Advance]:
    """Show a bar of `total` steps on stderr while the block runs.

    Parameters
    ----------
    task : str
        Its label: a word or two.
    total : int
        Number of steps.

    Yields
    ------
    Callable
        Call it with the name of each finished step.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[step]}", style="dim"),
    )
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        handle = progress.add_task(task, total=total, step="")
        yield lambda step: progress.update(handle, advance=1, step=step)
