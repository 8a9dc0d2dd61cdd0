"""Command `init`: from a file to params.yaml, the table in ``data/``, and a first candidate."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from churn.core import params, process
from churn.core.document import parse
from churn.core.errors import ArtifactError, ParamsError
from churn.core.files import atomic
from churn.core.paths import Workspace
from churn.core.progress import Say
from churn.evaluation.metric_names import TITLES
from churn.init import choices, place, reading, show, table, trial
from churn.init.asking import Asker
from churn.init.decisions import Decision, written
from churn.init.table import Table, Wishes
from churn.provenance import listing, tracked_data
from churn.provenance.git import git
from churn.review.run import reproduce
from churn.validation import program


def run(
    root: Path, file: Path, wishes: Wishes, yes: bool, say: Say, console: Console | None = None
) -> None:
    """Set the project up for a table.

    Everything is decided, with a first model in a temporary folder, before anything changes. Then
    the table is put into ``data/``, ``data.dvc`` and params.yaml are written, and the pipeline
    runs. If it is killed in between, the same command does the rest.

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
    show.understood(found, path, {q.option for q in asker.unanswered}, console)
    place.require_room(root, source)
    asker.finish(_options(found))
    text = workspace.params.read_text(encoding="utf-8")
    decided = [*of_table(found, path)]
    first = trial.run(text, decided, source, say)
    show.chosen(first.decisions, settings, console)
    for metric in first.guessing:
        say(f"the first model is no better than guessing in {TITLES[metric]}; gates will block it")
    _install(workspace, source, found, [*decided, *first.decisions], say)
    if place.remove_original(root, file):
        say(f"{file}: moved into data/, because git would take it into its next commit here")
    say("dvc repro")
    reproduce(root, environment=os.environ)  # `track` may need the registry's credentials
    show.next_steps("our-customers", console)


def of_table(found: Table, path: str) -> list[Decision]:
    """Decide what follows from the table alone."""
    decided = [
        *choices.of_data(found, path),
        *choices.of_features(found),
        *choices.of_slices(found),
    ]
    return decided


def _options(found: Table) -> list[str]:
    roles = found.roles
    named = {"--target": roles.target, "--positive": roles.positive, "--id": roles.id}
    return [f"{option} {_quoted(value)}" for option, value in named.items()]


def _quoted(value: str) -> str:
    return shlex.quote("null" if value == params.ROW_NUMBER else value)


def _install(
    workspace: Workspace, source: Path, found: Table, decided: list[Decision], say: Say
) -> None:
    """Put the table into ``data/``, and write data.dvc and params.yaml, in this order."""
    root = workspace.root
    say("table into data/, dvc add data")
    place.put(root, source)
    dvc(root, "add", "--quiet", "data")
    text = written(
        workspace.params.read_text(encoding="utf-8"), [*decided, *_accepted(root, found)]
    )
    with atomic(workspace.params) as fresh:
        fresh.write_text(text, encoding="utf-8")


def _accepted(root: Path, found: Table) -> Iterator[Decision]:
    """Accept the table, but only if main's model cannot be compared on it."""
    if has_columns_of_main(root, found):
        return
    md5 = listing.data_md5((root / "data.dvc").read_text(encoding="utf-8"))
    why = "this table; main's model is of other columns, so it cannot be compared"
    yield Decision(("gates", "accept"), md5, (why,))


def has_columns_of_main(root: Path, found: Table) -> bool:
    """Tell whether main's model can be compared on a table: it has the same id, target and columns.

    Without a branch ``main``, the commit that is checked out counts.
    """
    for revision in ("main", "HEAD"):
        try:
            data = parse(git(root, "show", f"{revision}:./params.yaml"))["data"]
            takes = [*data["numeric"], *data.get("dates", []), *data.get("categorical", [])]
            same = (data["id"] or params.ROW_NUMBER, data["target"]) == (
                found.roles.id,
                found.roles.target,
            )
        except (ArtifactError, ParamsError, KeyError, TypeError):
            continue
        return same and set(takes) <= {*found.used, *found.left_out}
    return False


def dvc(root: Path, *arguments: str) -> None:
    """Run DVC, and say in one line why it has failed.

    Raises
    ------
    ArtifactError
        If it fails.
    """
    done = process.run(
        [sys.executable, "-m", "dvc", *arguments], root, environment=process.without_credentials()
    )
    if done.returncode:
        reason = process.error_line(done.stderr, ["ERROR: "]).removeprefix("ERROR: ")
        raise ArtifactError(f"dvc {arguments[0]}: {reason}")
