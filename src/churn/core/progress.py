"""What is being done, on stderr: a line a step, and a bar where there is a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Advance = Callable[[str], None]


def silent(_: str) -> None:
    """Advance nothing: the default where a pure function reports its steps."""


def announce(step: str) -> None:
    """Say which step begins."""
    import click  # not where a model is served, which imports this module

    click.echo(f"== {step}", err=True)


@contextmanager
def bar(task: str, total: int) -> Iterator[Advance]:
    """Show a bar of `total` steps on stderr while the block runs.

    Parameters
    ----------
    task : str
        What is being done, in a word or two.
    total : int
        Number of steps.

    Yields
    ------
    Callable
        Call it with the name of each step that is done.
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
