"""Print what was understood of a table, what was chosen for it, and what to do next."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from churn.core.params import ROW_NUMBER, CsvParams, GatesParams, Params
from churn.evaluation.metric_names import TITLES
from churn.evaluation.results import Metrics
from churn.init.decisions import Decision
from churn.init.table import Table
from churn.review.report.text import number
from churn.validation.results import Checks

_LARGE_MB = 20  # of a table that git keeps a copy of, and every clone fetches
_NEXT = """\
Next (`git add --all` takes what DVC names above, and more):
  git switch -c our-customers
  dvc push                         # to the remote, which is in this repository unless you moved it
  git add --all
  git commit -m "Our own customers"
  churn review --baseline main     # what the pull request's comment will say
  git push --set-upstream origin our-customers    # then open a pull request; its merge deploys
Without GitHub: merge, then `churn candidate make --output candidate` and `churn release candidate`
(docs/operations.md). `churn serve` answers with the model that is in Production.

params.yaml says why each value was chosen. Set what only you know: the costs in decision, the
texts in card. docs/tables.md goes on from there."""


def understood(table: Table, path: str, unsure: Collection[str], console: Console) -> None:
    """Print a small table: file, roles, columns by kind, and what is left out.

    Parameters
    ----------
    table : Table
    path : str
        The path that it gets.
    unsure : collection of str
        Options that have to be named.
    console : Console
    """
    grid = Grid(box=None, show_header=False, pad_edge=False)
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for label, text in _lines(table, path):
        is_unsure = f"--{label}" in unsure or (
            label == "target" and bool({"--positive", "--task"} & set(unsure))
        )
        grid.add_row(label, Text(f"{text} (?)" if is_unsure else text))
    console.print(grid)


def _lines(table: Table, path: str) -> Iterator[tuple[str, str]]:
    style = {k: v for k, v in table.csv.model_dump().items() if v != getattr(CsvParams(), k)}
    how = ", ".join(f"{key} {value!r}" for key, value in style.items())
    yield "file", f"{path}: {table.rows:,} rows{f' ({how})' if how else ''}"
    target = table.target
    yield "id", "none: rows are numbered" if table.id == ROW_NUMBER else table.id
    yield "target", f"{target.name}: {table.labels}"
    kinds = {"numeric": "numbers", "categorical": "categories", "dates": "dates"}
    for kind, label in kinds.items():
        names = table.of_kind(kind)  # type: ignore[arg-type]
        yield label, f"{len(names)}: {', '.join(names)}" if names else "none"
    missing = [f"{c.name} {c.missing:,}" for c in table.used.values() if c.missing]
    words = f" (also written {', '.join(table.missing)})" if table.missing else ""
    yield "missing cells", (", ".join(missing) or "none") + words
    left_out = [f"{name}: {why}" for name, why in table.left_out.items()]
    yield "left out", "\n".join(left_out) or "none"
    for name, area in table.suspicious.items():
        what = f"{name} tells {target.name} nearly alone ({target.told_alone(area)})"
        yield "look at", f"{what}; if it is only known afterwards: --drop {name}"


def chosen(decisions: Sequence[Decision], settings: Params, console: Console) -> None:
    """Print the limits that were chosen, with their reasons."""
    console.print("\nLimits that suit this table:")
    for decision in filter(lambda one: one.why, decisions):
        where = " ".join(_named(decision, settings))
        _print(f"  {where}: {decision.value}, because {'; '.join(decision.why)}", console)
    console.print()


def _named(decision: Decision, settings: Params) -> Iterator[str]:
    """Name a key of params.yaml; a check by its name, and not by its place."""
    section, key, *rest = decision.path
    if section != "checks":
        yield ".".join(map(str, decision.path))
        return
    place, *keys = rest
    yield settings.checks.suites[str(key)][int(place)].check
    yield from (str(name) for name in keys[-1:])


def results(metrics: Metrics, gates: GatesParams, checks: Checks, console: Console) -> None:
    """Print the metrics that have limits, and how many checks have passed, and which have not."""
    limited = {*gates.minima, *gates.margins}
    values = [f"{TITLES[m]} {number(metrics.test[m])}" for m in TITLES if m in limited]
    lines = [
        f"The first candidate, on held-out customers: {', '.join(values)}",
        f"deepchecks: {checks.summary}",
    ]
    for check in checks.checks:
        if check.status != "passed":
            why = f"which blocks the review: {check.details or check.error}"
            lines.append(f"deepchecks: {check.check} {check.status}, {why}")
    lines.append("`churn summary` shows all metrics, and where pages and pictures are.")
    _print("\n".join(["", *lines, ""]), console)


def next_steps(file: Path, in_git: bool, console: Console) -> None:
    """Print what to do next; `in_git` says whether git takes what ``dvc push`` stores."""
    megabytes = file.stat().st_size / 1e6
    if in_git and megabytes > _LARGE_MB:
        _print(
            f"{file.name}: {megabytes:,.0f} MB, which `dvc push` and `git add --all` put into git's"
            " history for good. Name another remote first: docs/setup.md, Where things run.\n",
            console,
        )
    _print(_NEXT, console)


def _print(text: str, console: Console) -> None:
    console.print(text, highlight=False, soft_wrap=True, markup=False)
