"""What the report says of the slices of protected columns."""

from __future__ import annotations

from collections.abc import Sequence

from churn.evaluation.group_gaps import TITLES, Fairness, Gap
from churn.review.report.tables import first_rows
from churn.review.report.text import code, interval, number, prose

_MOST_SMALL = 10  # slices that are named
_WHOSE = {"main": "main's", "own": "this change's"}


def section(found: Sequence[Fairness]) -> str:
    """Render each protected column: its slices, and of each metric the gap that says most."""
    if not found:
        return ""
    several = len({(one.exam, one.limits) for one in found}) > 1
    n_gaps = sum(len(one.gaps) for one in found)
    parts = [_column(one, several) for one in found]
    if n_gaps:
        parts.append(
            f"Of {n_gaps:,} gaps between two slices, significant ones are so together (Holm's"
            " correction); of each metric the largest of them is shown, or else the largest gap."
            " Calibration is the mean probability minus the share that churned."
        )
    return "\n\n".join(parts)


def _column(one: Fairness, several: bool) -> str:
    title = f"**{code(one.column)}**"
    if several:
        exam, limits = (_WHOSE.get(whose, prose(whose)) for whose in (one.exam, one.limits))
        title += f", on {exam} held-out customers, by {limits} limits"
    more = _too_small(one)
    if one.problem is not None:
        return f"{title}: could not be measured: {prose(one.problem)}.{more}"
    rows = [
        [
            *(code(group.slice), f"{group.rows:,}", f"{group.churned:,}"),
            *(number(group.selection_rate), number(group.recall)),
            number(group.calibration, sign=True),
        ]
        for group in one.groups
    ]
    header = ["slice", "customers", "churned", *TITLES.values()]
    parts = [f"{title}.{more}", first_rows(header, rows, numbers=range(1, 6))]
    largest = [gap for metric in TITLES if (gap := _largest(one.gaps, metric)) is not None]
    gap_rows = [
        [
            *(TITLES[gap.metric], code(gap.first), code(gap.second)),
            *(number(gap.difference, sign=True), interval(gap.lower, gap.upper)),
            "**significant**" if gap.significant else "inconclusive",
        ]
        for gap in largest
    ]
    header = ["gap", "of", "minus", "difference", "95% interval", ""]
    return "\n\n".join([*parts, first_rows(header, gap_rows, numbers=(3, 4))])


def _too_small(one: Fairness) -> str:
    """Name the slices that the training rows define, and count the others."""
    named = [f"{code(name)} ({n:,} customers)" for name, n in list(one.small.items())[:_MOST_SMALL]]
    others = len(one.small) - len(named) + one.skipped
    if others:
        named.append(f"{others:,} more" if named else f"{others:,}")
    return f" Too small to be measured: {', '.join(named)}." if named else ""


def _largest(gaps: Sequence[Gap], metric: str) -> Gap | None:
    known = [gap for gap in gaps if gap.metric == metric and gap.difference is not None]
    # A significant gap first: between small slices larger ones come by chance.
    return max(known, key=lambda gap: (gap.significant, abs(gap.difference or 0.0)), default=None)
