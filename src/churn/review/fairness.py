"""Measure a candidate on the slices of protected columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from churn.core.params import Limits, SlicesParams
from churn.evaluation import fairness
from churn.evaluation.group_gaps import Fairness
from churn.evaluation.slices import slices
from churn.review.exam import Exam


def measure(exam: Exam, judging: Limits, target: str, threshold: float) -> list[Fairness]:
    """Measure a candidate alone on one exam, by one set of limits, which name the columns.

    Parameters
    ----------
    exam : Exam
        Held-out customers with the candidate's predictions.
    judging : Limits
    target : str
        Column with the labels.
    threshold : float
        The candidate's.

    Returns
    -------
    list of Fairness
        One for each protected column; their gaps are corrected together for their number.
    """
    found = list(_columns(exam, judging, target, threshold))
    gaps = fairness.corrected([one.gaps for one in found])
    return [replace(one, gaps=of_one) for one, of_one in zip(found, gaps, strict=True)]


def _columns(exam: Exam, judging: Limits, target: str, threshold: float) -> Iterator[Fairness]:
    wanted = judging.evaluation.slices
    for column in wanted.protected:
        empty = Fairness(column, exam.whose, judging.whose)
        if exam.problem is not None:
            yield replace(empty, problem=exam.problem)
            continue
        if column not in exam.rows or column not in exam.train:
            yield replace(empty, problem=f"the customers have no column {column!r}")
            continue
        parts = list(slices(exam.train, exam.rows, _only(wanted, column)))
        large = [(name, members) for _, name, members in parts if members.sum() >= wanted.min_rows]
        skipped = sum(0 < members.sum() < wanted.min_rows for *_, members in parts)
        if len(large) < 2:
            few = f"fewer than two slices of {column!r} have {wanted.min_rows} customers"
            yield replace(empty, problem=few, skipped=int(skipped))
            continue
        groups, gaps = fairness.groups(
            large, exam.rows[target].to_numpy(), exam.rows["_probability"].to_numpy(), threshold
        )
        yield replace(empty, skipped=int(skipped), groups=groups, gaps=gaps)


def _only(wanted: SlicesParams, column: str) -> SlicesParams:
    kinds = {
        kind: tuple(name for name in getattr(wanted, kind) if name == column)
        for kind in ("numeric", "categorical")
    }
    return wanted.model_copy(update=kinds)
