"""What `churn canary status` prints of a trial."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from churn.evaluation.tasks.contrast import Contrast, Contrasts, Row, in_percent
from churn.evaluation.trial import Comparison, Interval, Side


def lines(
    found: Comparison, champion: int, challenger: int, contrasts: Contrasts, rows: Sequence[Row]
) -> list[str]:
    """Describe a trial in lines.

    Parameters
    ----------
    found : Comparison
    champion, challenger : int
        Versions.
    contrasts : Contrasts
        What is compared.
    rows : sequence of Row
        What is shown of each side.
    """
    shown = [*_table(found, champion, challenger, rows)]
    if found.failures:
        shown.append(f"version {challenger} has not predicted for {found.failures:,} customers")
    told = [*_compared(found, contrasts)]
    shown += [f"{contrast.title}: {_interval(contrast, its)}" for contrast, its in told]
    # Once for all that are clipped alike.
    clipped = {contrast.limits: its.clipped for contrast, its in told if its.clipped}
    shown += [
        f"{limits}: {in_percent(of_champion)} of version {champion}'s are beyond,"
        f" {in_percent(of_challenger)} of version {challenger}'s"
        for limits, (of_champion, of_challenger) in clipped.items()
    ]
    if not found.losses:
        names = " and ".join(one.name.replace("_", " ") for one in contrasts.losses)
        shown.append(f"with --labels: {names}")
    return shown


def _compared(found: Comparison, contrasts: Contrasts) -> Iterator[tuple[Contrast, Interval]]:
    """Yield what could be compared, with its interval."""
    each: list[tuple[Contrast | None, Interval | None]] = [(contrasts.predicted, found.predicted)]
    each += [(one, found.classes.get(one.name)) for one in contrasts.classes]
    each += [(one, found.losses.get(one.name.replace("_", " "))) for one in contrasts.losses]
    for contrast, interval in each:
        if contrast is not None and interval is not None:
            yield contrast, interval


def _table(found: Comparison, champion: int, challenger: int, rows: Sequence[Row]) -> Iterator[str]:
    names = [f"version {number}" for number in (champion, challenger)]
    yield f"{'':28}{names[0]:>14}{names[1]:>14}"
    whole: list[tuple[str, Callable[[Side], str]]] = [
        ("customers", lambda side: f"{side.customers:,}"),
        *rows,
        ("95 of 100 predicted within", lambda side: f"{side.p95_ms:.1f} ms"),
    ]
    for name, text in whole:
        cells = [
            text(side) if side.customers else "-" for side in (found.champion, found.challenger)
        ]
        yield f"{name:28}{cells[0]:>14}{cells[1]:>14}"


def _interval(contrast: Contrast, found: Interval) -> str:
    word = f": {found.word}" if found.word else ""
    has_margin = contrast.margin or contrast.name == "cost"
    margin = f" (margin {contrast.margin:g})" if has_margin else ""
    difference, lower, upper = (
        format(value, f"+{found.form}") for value in (found.difference, found.lower, found.upper)
    )
    return (
        f"difference {difference}, within {lower} and {upper}, of {found.customers:,}"
        f" customers{word}{margin}"
    )
