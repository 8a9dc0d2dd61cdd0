"""Progress on stderr: a line for each step, and a bar in a terminal."""

from __future__ import annotations

import time
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


Count = Callable[[int, float], None]


@contextmanager
def rows_bar(task: str, rows: int) -> Iterator[Count]:
    """Show rows, rows a second and the remaining time on stderr while the block runs.

    Parameters
    ----------
    task : str
        Its label: a word or two.
    rows : int
        Number of rows that were there before.

    Yields
    ------
    Callable
        Call it with the number of new rows, and what is done by now, in [0, 1].
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %  {task.fields[rows]:,} rows  {task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    began, new = time.monotonic(), 0
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        handle = progress.add_task(task, total=1.0, rows=rows, rate="")

        def count(more: int, share: float) -> None:
            nonlocal new
            new += more
            rate = f"{new / max(time.monotonic() - began, 1e-9):,.0f} rows/s"
            progress.update(handle, completed=share, rows=rows + new, rate=rate)

        yield count
