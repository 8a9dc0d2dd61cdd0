"""What the report says of the slices of protected columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from churn.evaluation.group_gaps import TITLES, Fairness, Gap, Group
from churn.review.report.tables import first_rows
from churn.review.report.text import code, interval, number, prose

_MOST_SMALL = 10  # slices that are named
_WHOSE = {"main": "main's", "own": "this change's"}


def section(found: Sequence[Fairness]) -> str:
    """Render each protected column: its slices, and of each metric the gap that says most."""
    if not found:
        return ""
    found = _different(found)
    several = len({(one.exam, one.limits) for one in found}) > 1
    n_gaps = sum(len(one.gaps) for one in found)
    parts = [_column(one, several) for one in found]
    if n_gaps:
        parts.append(
            f"Gaps between two slices that were tested together (Holm's correction): {n_gaps:,}. Of"
            " each metric the largest significant one is shown, or else the largest."
            " Calibration is the mean of what was predicted, a probability or a number, minus the"
            " mean of what came true."
        )
    return "\n\n".join(parts)


def _different(found: Sequence[Fairness]) -> list[Fairness]:
    """Leave out what other limits measure in the same way."""
    kept: list[Fairness] = []
    for one in found:
        if all(replace(one, limits=other.limits) != other for other in kept):
            kept.append(one)
    return kept


def _column(one: Fairness, several: bool) -> str:
    title = f"**{code(one.column)}**"
    if several:
        exam, limits = (_WHOSE.get(whose, prose(whose)) for whose in (one.exam, one.limits))
        title += f", on {exam} held-out customers, by {limits} limits"
    more = _too_small(one)
    if one.problem is not None:
        return f"{title}: could not be measured: {prose(one.problem)}.{more}"
    parts = [f"{title}.{more}", _groups(one.groups)]
    measures = dict.fromkeys((gap.metric, gap.of) for gap in one.gaps)
    largest = [gap for measure in measures if (gap := _largest(one.gaps, *measure)) is not None]
    gap_rows = [
        [
            *(prose(gap.title), code(gap.first), code(gap.second)),
            *(number(gap.difference, sign=True), interval(gap.lower, gap.upper)),
            "**significant**" if gap.significant else "inconclusive",
        ]
        for gap in largest
    ]
    header = ["gap", "of", "minus", "difference", "95% interval", ""]
    return "\n\n".join([*parts, first_rows(header, gap_rows, numbers=(3, 4))])


def _groups(groups: Sequence[Group]) -> str:
    """Render the slices, with columns for what there is of them."""
    several = any(group.of is not None for group in groups)
    has_positive = any(group.positive is not None for group in groups)
    metrics = [name for name in TITLES if any(name in group.values for group in groups)]
    header = ["slice", *(["class"] if several else []), "customers"]
    n_texts = len(header) - 1
    if has_positive:
        header.append("of the class" if several else "churned")
    header += [TITLES[name] for name in metrics]
    rows = [
        [
            code(group.slice),
            *([code(group.of or "")] if several else []),
            f"{group.rows:,}",
            *([f"{group.positive or 0:,}"] if has_positive else []),
            *(number(group.values.get(name), sign=name == "calibration") for name in metrics),
        ]
        for group in groups
    ]
    return first_rows(header, rows, numbers=range(n_texts, len(header)))


def _too_small(one: Fairness) -> str:
    """Name the slices that the training rows define, and count the others."""
    named = [f"{code(name)} ({n:,} customers)" for name, n in list(one.small.items())[:_MOST_SMALL]]
    others = len(one.small) - len(named) + one.skipped
    if others:
        named.append(f"{others:,} more" if named else f"{others:,}")
    return f" Too small to be measured: {', '.join(named)}." if named else ""


def _largest(gaps: Sequence[Gap], metric: str, of: str | None) -> Gap | None:
    known = [gap for gap in gaps if (gap.metric, gap.of) == (metric, of)]
    known = [gap for gap in known if gap.difference is not None]
    # A significant gap first: between small slices larger ones come by chance.
    return max(known, key=lambda gap: (gap.significant, abs(gap.difference or 0.0)), default=None)
