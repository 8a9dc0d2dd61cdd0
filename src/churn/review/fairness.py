"""Measure a candidate on the slices of protected columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from churn.core.params import Limits, SlicesParams
from churn.evaluation import fairness, tasks
from churn.evaluation.group_gaps import Fairness
from churn.evaluation.slices import cuts, divide
from churn.evaluation.tasks import Scored
from churn.review.exam import Candidate, Exam


def measure(exam: Exam, judging: Limits, candidate: Candidate) -> list[Fairness]:
    """Measure a candidate alone on one exam, by one set of limits, which name the columns.

    Parameters
    ----------
    exam : Exam
        Held-out customers with the candidate's predictions.
    judging : Limits
    candidate : Candidate
        Names the column with the labels, and has the rule.

    Returns
    -------
    list of Fairness
        One for each protected column; their gaps are corrected together for their number.
    """
    found = list(_columns(exam, judging, candidate))
    gaps = fairness.corrected([one.gaps for one in found])
    return [replace(one, gaps=of_one) for one, of_one in zip(found, gaps, strict=True)]


def _columns(exam: Exam, judging: Limits, candidate: Candidate) -> Iterator[Fairness]:
    wanted, data = judging.evaluation.slices, candidate.settings.data
    task = tasks.of(judging.decision, data.classes)
    scored = Scored(exam.scores, candidate.rule)
    for column in wanted.protected:
        empty = Fairness(column, exam.whose, judging.whose)
        if judging.task != candidate.settings.task:
            yield replace(empty, problem=f"these limits are of task: {judging.task}")
            continue
        if exam.problem is not None:
            yield replace(empty, problem=exam.problem)
            continue
        if column not in exam.rows or column not in exam.train:
            yield replace(empty, problem=f"the customers have no column {column!r}")
            continue
        empty, large = _by_size(exam, _only(wanted, column), empty)
        if len(large) < 2:
            few = f"fewer than two slices of {column!r} have {wanted.min_rows} customers"
            yield replace(empty, problem=few)
            continue
        measures = task.treatment(exam.rows[data.target].to_numpy(), scored)
        groups, gaps = fairness.groups(large, measures)
        yield replace(empty, groups=groups, gaps=gaps)


def _by_size(
    exam: Exam, wanted: SlicesParams, empty: Fairness
) -> tuple[Fairness, list[tuple[str, np.ndarray]]]:
    """Return the slices of a column that are large enough; name or count the others.

    A slice that has become small is named, also if nobody is left in it: else the customers whom it
    protects could go unnoticed.
    """
    chosen = cuts(exam.train, wanted)
    n_defined = sum(len(edges) + 1 for edges in chosen.numeric.values())
    n_defined += sum(map(len, chosen.categorical.values()))
    large, small, skipped = [], {}, 0
    pairs = zip(divide(exam.train, chosen), divide(exam.rows, chosen), strict=True)
    for place, ((*_, trained), (_, name, members)) in enumerate(pairs):
        n = int(members.sum())
        if n >= wanted.min_rows:
            large.append((name, members))
        elif place < n_defined and trained.any():  # the last ones are of missing and rare values
            small[name] = n
        else:
            skipped += n > 0
    return replace(empty, skipped=skipped, small=small), large


def _only(wanted: SlicesParams, column: str) -> SlicesParams:
    kinds = {
        kind: tuple(name for name in getattr(wanted, kind) if name == column)
        for kind in ("numeric", "categorical")
    }
    return wanted.model_copy(update=kinds)
