"""Command `init`: from a file to params.yaml, the table in ``data/``, and a first candidate."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from churn.core import params
from churn.core.errors import ParamsError
from churn.core.files import atomic, read_json
from churn.core.paths import Workspace
from churn.core.progress import Say
from churn.data import streams
from churn.evaluation.metric_names import TITLES
from churn.evaluation.results import Metrics
from churn.init import choices, place, plots, reading, show, table, tasks, trial
from churn.init.asking import Asker
from churn.init.decisions import Decision, written
from churn.init.table import Table, Wishes
from churn.provenance import listing, tracked_data
from churn.review.limits import columns_of
from churn.review.run import reproduce
from churn.validation import program
from churn.validation.results import Checks


def run(
    root: Path, file: Path, wishes: Wishes, yes: bool, say: Say, console: Console | None = None
) -> None:
    """Set the project up for a table.

    Everything is decided, with a first model in a temporary folder, before anything changes. Then
    the table is put into ``data/``; ``data.dvc``, params.yaml and the plots in dvc.yaml are
    written, and the pipeline runs. If it is killed in between, the same command does the rest.

    Parameters
    ----------
    root : Path
        The project's folder.
    file : Path
        The table: CSV or Parquet.
    wishes : Wishes
    yes : bool
        Whether to go on without asking.
    say : callable
        Called with the name of each step.
    console : Console, optional
        Defaults to standard output.

    Raises
    ------
    ParamsError
        If params.yaml is invalid, or something is unsure and nobody answers.
    DataError
        If the table cannot be used.
    ArtifactError
        If a file would be lost, or the pipeline fails.
    """
    workspace, console = Workspace(root), console or Console()
    if not (root / "dvc.yaml").exists():
        raise ParamsError(f"{root.resolve()}: no project there; run churn in its folder")
    settings = params.load(workspace.params)
    program.checks_python()  # before minutes are spent
    tracked_data.require_data_file(root)
    source, path = place.source_of(root, file), place.path_in_data(file)
    asker = Asker(str(file), yes)
    raw = reading.read(source, wishes.csv)
    say(f"{file}: {len(raw.cells):,} rows, {raw.cells.shape[1]} columns")
    found = table.describe(raw, wishes, asker)
    how = "moved from this folder" if place.is_inside(root, file) else "a copy; yours stays"
    show.understood(found, f"{path} ({how})", {q.option for q in asker.unanswered}, console)
    place.require_room(root, source)
    asker.finish(_options(found))
    decided = [
        *choices.decide(found, path),
        *choices.of_card(found, settings),
        *tasks.decide(found.target.task, settings),
    ]
    text = workspace.params.read_text(encoding="utf-8")
    first = trial.run(text, decided, source, say)
    show.chosen(first.decisions, settings, console)
    for metric in first.guessing:
        say(f"the first model is no better than guessing in {TITLES[metric]}; gates will block it")
    say("table into data/, dvc add data")
    place.put(root, source)
    tracked_data.add(root)
    decided += [*first.decisions, *_accepted(root, root / path, found)]
    with atomic(workspace.params) as fresh:
        fresh.write_text(written(text, decided), encoding="utf-8")
    plots.write(root / "dvc.yaml", found.target.task)
    if place.remove_original(root, file):
        say(f"{file}: is in data/ now, where git does not take it into a commit")
    say("dvc repro")
    reproduce(root, environment=os.environ)  # `track` may need the registry's credentials
    _conclude(workspace, root / path, console)


def _conclude(workspace: Workspace, table: Path, console: Console) -> None:
    """Print what the pipeline has found, and what to do next."""
    metrics = read_json(workspace.metrics, "evaluate", Metrics)
    checks = read_json(workspace.checks, "validate", Checks)
    show.results(metrics, params.load(workspace.params).gates, checks, console)
    show.next_steps(table, place.remote_is_in_git(workspace.root), console)


def _options(found: Table) -> str:
    ids = "null" if found.id == params.ROW_NUMBER else found.id
    named = {"--target": found.target.name, "--task": found.target.task, "--id": ids}
    if found.target.positive:
        named["--positive"] = found.target.positive
    return " ".join(f"{option} {shlex.quote(value)}" for option, value in named.items())


def _accepted(root: Path, file: Path, found: Table) -> Iterator[Decision]:
    """Accept the table, but only if it lacks a column of main's model, which cannot be compared.

    Without a branch ``main`` the commit that is checked out counts.
    """
    needed = columns_of(root, "main") or columns_of(root, "HEAD")
    if lacking := sorted(needed - streams.header(streams.File.local(file), found.csv)):
        md5 = listing.data_md5((root / "data.dvc").read_text(encoding="utf-8"))
        why = f"this table; main's model needs {lacking[0]}, so it cannot be compared"
        yield Decision(("gates", "accept"), md5, (why,))
