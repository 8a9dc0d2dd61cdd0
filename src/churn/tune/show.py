"""Print what a search has found."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from churn.evaluation.metric_names import TITLES
from churn.review.report.text import interval, number
from churn.tune.outcome import Outcome

_STYLES = {"better": "green", "worse": "red"}


def show(found: Outcome, console: Console) -> None:
    """Print the winner's hyperparameters, how it compares, and the verdict in a sentence."""
    console.print(_hyperparameters(found), "", _differences(found), "", sep="\n")
    console.print(_candidates(found), soft_wrap=True, highlight=False)
    console.print(verdict(found), soft_wrap=True, highlight=False)


def _hyperparameters(found: Outcome) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("hyperparameter", "current", "winner"):
        table.add_column(name, justify="left" if name == "hyperparameter" else "right")
    for name, value in found.winner.items():
        before = found.current.get(name, "")
        style = "" if name in found.current and before == value else "bold"
        table.add_row(name, _shown(before), Text(_shown(value), style=style))
    return table


def _shown(value: object) -> str:
    return "null" if value is None else str(value).lower() if value in (True, False) else str(value)


def _differences(found: Outcome) -> Table:
    table = Table(box=None, pad_edge=False, caption_justify="left")
    for name in ("metric", "current", "winner", "difference", "95% interval", ""):
        table.add_column(name, justify="left" if name in ("metric", "") else "right", no_wrap=True)
    for metric in found.differences:
        word = metric.word or "unknown"
        table.add_row(
            TITLES[metric.metric],
            number(metric.baseline),
            number(metric.candidate),
            number(metric.difference, sign=True),
            interval(metric.lower, metric.upper),
            Text(word, style=_STYLES.get(word, "")),
        )
    table.caption = (
        f"on {found.compared_on:,} training rows that had no part in the choice, each predicted by"
        " a fit that has not seen it"
    )
    return table


def _candidates(found: Outcome) -> str:
    parts = [f"{found.complete} on all {found.folds} folds"]
    parts += [f"{found.pruned} ended early"] if found.pruned else []
    parts += [f"{found.failed} failed"] if found.failed else []
    return (
        f"{found.tried} candidates were tried ({', '.join(parts)}); {found.chosen_by:,} other"
        f" training rows chose the winner by {TITLES[found.metric]}"
    )


def verdict(found: Outcome) -> Text:
    """Return the verdict and its reason."""
    title, difference = TITLES[found.metric], found.difference
    beside = (
        f"{title} {number(difference.difference, sign=True)}, 95% interval"
        f" {interval(difference.lower, difference.upper)} (on the rows that chose it"
        f" {number(found.optimistic, sign=True)}, where the best of many looks better than it is)"
    )
    reasons = {
        "better": beside,
        "inconclusive": f"winner and current parameters cannot be told apart: {beside}",
        "identical": "the winner predicts what the current parameters predict",
        "worse": f"the winner did better on the rows that chose it only: {beside}",
    }
    if not found.improves and found.word != "identical":
        reasons[found.word] = f"no candidate did better than the current parameters: {beside}"
    text = Text(found.word, style=f"bold {_STYLES.get(found.word, '')}".strip())
    return text.append(f": {reasons[found.word]}", style="not bold default")
