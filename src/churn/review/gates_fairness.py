"""Gate for the slices of protected columns: how differently a candidate may treat them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from churn.core.params import FairnessName, Limits
from churn.evaluation.bootstrap import LEVEL
from churn.evaluation.group_gaps import LEAST_POSITIVE, TITLES, Fairness, Gap, Group, titled
from churn.evaluation.many_looks import holm
from churn.review.gates_against import accept, p_beyond
from churn.review.gates_alone import first_three
from churn.review.outcome import Gate

_WHERE = {"main": " on main's customers", "own": " on its own customers"}
# What is shown, by how many times its limit it is exceeded, and the p-value of an equal one.
_Tested = tuple[str, float, float]


def judge(found: Sequence[Fairness], limits: Limits, accepted: bool = False) -> Iterator[Gate]:
    """Judge the gaps between slices by their limits, one gate for each exam.

    A candidate is blocked for a gap that exceeds its limit significantly among all of an exam
    (Holm), as it is for slices that are worse; for one that could not be measured; and for a slice
    that the training rows define and that has too few customers to be measured.

    Parameters
    ----------
    found : sequence of Fairness
        By these limits.
    limits : Limits
    accepted : bool, default=False
        Whether main's exam is reported only, if there is another one.
    """
    wanted, columns = limits.gates.fairness, limits.evaluation.slices.protected
    if not wanted:
        return
    exams = list(dict.fromkeys(one.exam for one in found))
    shown = ", ".join(f"{TITLES[name]} by at most {limit:g}" for name, limit in wanted.items())
    if not exams:
        reason = "the protected slices were not measured; run churn compare again"
        yield Gate("fairness", False, "unknown", shown, reason)
    for exam in exams:
        where = _WHERE.get(exam, "") if len(exams) > 1 else ""
        of_exam = [one for one in found if one.exam == exam]
        gate = _judged(of_exam, columns, wanted, shown, where)
        yield accept(gate) if accepted and where and exam == "main" else gate


def _judged(
    found: Sequence[Fairness],
    columns: Sequence[str],
    wanted: Mapping[FairnessName, float],
    limit: str,
    where: str,
) -> Gate:
    name = f"fairness{where}"
    unknown: list[str] = []
    small: list[str] = []
    tested: list[_Tested] = []
    for column in columns:
        one = next((one for one in found if one.column == column), None)
        problem = "it was not measured" if one is None else one.problem
        small += [] if one is None else _small(one, wanted)
        if one is None or problem is not None:
            unknown.append(f"{column}: {problem}")
            continue
        for said in _of_column(one, wanted):
            if isinstance(said, str):
                unknown.append(said)
            else:
                tested.append(said)
    unknown += small
    beyond = holm([p for *_, p in tested], (1 - LEVEL) / 2)
    failing = [one for one, is_beyond in zip(tested, beyond, strict=True) if is_beyond]
    if failing:
        worst = [shown for shown, *_ in sorted(failing, key=lambda one: -one[1])]
        value = f"{len(failing)} of {len(tested)} gaps beyond a limit"
        reason = f"the slices of a protected column differ{where}: {first_three(worst)}"
        if unknown:
            reason += f"; not judged: {first_three(unknown)}"
        return Gate(name, False, value, limit, reason)
    if unknown:
        value = f"unknown: {first_three(small)}" if small else "undefined"
        reason = f"fairness could not be judged{where}: {first_three(unknown)}"
        if any(one.small for one in found):
            reason += " (evaluation.slices.min_rows, bins)"
        return Gate(name, False, value, limit, reason)
    value = f"none of {len(tested)} gaps beyond a limit"
    reason = (
        f"{len(tested)} gaps between slices judged; each may be up to {_possible(found, wanted)}"
    )
    return Gate(name, True, value, limit, reason)


def _possible(found: Sequence[Fairness], wanted: Mapping[FairnessName, float]) -> str:
    """Say how large gaps may be that were not found: the farthest ends of their intervals."""
    ends: dict[str, float] = {}
    for gap in (gap for one in found for gap in one.gaps if gap.metric in wanted):
        if gap.lower is not None and gap.upper is not None:
            farthest = max(abs(gap.lower), abs(gap.upper))
            ends[gap.metric] = max(ends.get(gap.metric, 0.0), farthest)
    return ", ".join(f"{end:.3g} in {TITLES[metric]}" for metric, end in ends.items())


def _small(one: Fairness, wanted: Mapping[FairnessName, float]) -> Iterator[str]:
    """Name the slices with too few customers, or too few of a class for a limit on recall."""
    for name, n in one.small.items():
        yield f"{one.column} {name}: {_customers(n)} held out, fewer than min_rows"
    for group in one.groups:
        if "recall" in wanted and _has_no_recall(group):
            who = "churned" if group.of is None else "of it"
            few = f"{_customers(group.positive or 0)} {who}, fewer than {LEAST_POSITIVE}"
            yield f"{one.column} {group.slice}: {titled('recall', group.of)} is undefined, {few}"


def _has_no_recall(group: Group) -> bool:
    return group.positive is not None and group.values.get("recall") is None


def _customers(n: int) -> str:
    return "1 customer" if n == 1 else f"{n or 'no'} customers"


def _of_column(one: Fairness, wanted: Mapping[FairnessName, float]) -> Iterator[_Tested | str]:
    """Yield what is to be tested of each gap with a limit, or why it cannot be."""
    for metric, most in wanted.items():
        few = {(group.slice, group.of) for group in one.groups if _has_no_recall(group)}
        few = few if metric == "recall" else set()
        gaps = [gap for gap in one.gaps if gap.metric == metric]
        if not gaps:
            yield f"{one.column}: {TITLES[metric]} was not measured"
        for gap in gaps:
            if not few & {(gap.first, gap.of), (gap.second, gap.of)}:  # `_small` names these
                yield _tested(one.column, gap, most)


def _tested(column: str, gap: Gap, most: float) -> _Tested | str:
    """Return what is to be tested of a gap, or why it cannot be."""
    title = f"{column} {gap.first} and {gap.second}: {gap.title}"
    if gap.difference is None:
        return f"{title} is undefined"
    if gap.lower is None or gap.upper is None:
        return f"{title} has no interval"
    size = (gap.lower, gap.upper) if gap.lower + gap.upper >= 0 else (-gap.upper, -gap.lower)
    over = abs(gap.difference) / most if most else float("inf")
    shown = f"{title} {gap.difference:+.3f} ({gap.lower:+.3f} to {gap.upper:+.3f})"
    return shown, over, p_beyond(size, most)
