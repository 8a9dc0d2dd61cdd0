"""Tables and lists of names in Markdown; the cells are escaped already (`text`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from churn.evaluation.differences import Difference
from churn.review.report.text import code, interval, number

MOST_ROWS = 1000


def table(header: Sequence[str], rows: Sequence[Sequence[str]], numbers: Iterable[int] = ()) -> str:
    """Render a Markdown table; the columns at the indices `numbers` are right-aligned."""
    rule = ["---:" if i in set(numbers) else "---" for i in range(len(header))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, rule, *rows))


def first_rows(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    numbers: Iterable[int] = (),
    most: int = MOST_ROWS,
) -> str:
    """Render the first rows of a table that may be long, and the number of the others."""
    if not rows:
        return ""
    shown = table(header, rows[:most], numbers)
    return shown if len(rows) <= most else f"{shown}\n\nand {len(rows) - most} more"


def listed(names: Sequence[str], most: int) -> str:
    """Return the first names as code, and the number of the others."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return f"{', '.join(map(code, names[:most]))}{more}"


def change(difference: Difference) -> list[str]:
    """Return two cells: a difference and its interval."""
    return [
        number(difference.difference, sign=True),
        interval(difference.lower, difference.upper),
    ]
