"""Gates for a candidate against baselines: non-inferiority, slices, and main's exam."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from scipy.stats import norm

from churn.core.params import GatesParams, MetricName
from churn.evaluation.bootstrap import LEVEL
from churn.evaluation.differences import Difference, by_metric
from churn.evaluation.many_looks import holm
from churn.evaluation.metric_names import TITLES
from churn.evaluation.sensitivity import Sensitivity
from churn.review import gates_alone
from churn.review.comparison import (
    Absent,
    Compared,
    ComparedSlice,
    Comparison,
    Entry,
    Everyone,
    Incomparable,
)
from churn.review.gates_alone import first_three
from churn.review.outcome import Gate
from churn.review.report.text import interval, number

_WHERE = {"main": " on main's customers", "own": " on its own customers"}


def comparison(found: Comparison | None, digest: str | None, release: bool) -> Iterator[Gate]:
    """Yield a failed gate if the required comparison of the model to judge was not made.

    For a release that is one with Production, else one with a revision.
    """
    kinds = {entry.kind for entry in found.baselines} if found else set()
    value = reason = ""
    if found is None or not kinds:
        value = "none"
        reason = "the candidate was not compared; run churn compare --baseline main"
    elif digest is None or found.model_digest != digest:
        value = "another model's"
        reason = "the comparison is of another model; run churn compare again"
    elif release and "production" not in kinds:
        value = "without Production"
        reason = "not compared with Production; run churn compare --production"
    elif not release and kinds == {"production"}:
        value = "Production only"
        reason = "compared with Production only; run churn compare --baseline main"
    if value:
        yield Gate("comparison", False, value, "with a baseline", reason)


def minima(entries: Sequence[Entry], gates: GatesParams, accepted: bool) -> Iterator[Gate]:
    """Judge the candidate's metrics on main's held-out customers, if its own differ."""
    if not _exams_differ(entries):
        return
    for entry in entries:
        if isinstance(entry, Compared) and entry.exam == "main" and entry.kind != "production":
            values = {metric.metric: metric.candidate for metric in entry.metrics}
            for gate in gates_alone.minima(values, gates, _WHERE["main"]):
                yield accept(gate) if accepted else gate


def baselines(entries: Sequence[Entry], gates: GatesParams, accepted: bool) -> Iterator[Gate]:
    """Judge the differences to each baseline.

    If `accepted`, what fails on main's exam is accepted for the table of this change.
    """
    both = _exams_differ(entries)
    for entry in entries:
        if isinstance(entry, Absent):
            limit = "with a baseline"
            yield Gate(f"against {entry.name}", True, "no baseline", limit, entry.absent)
        elif isinstance(entry, Incomparable):
            gate = _incomparable(entry.name, entry.incomparable)
            yield accept(gate) if accepted else _advised(gate)
        else:
            where = _WHERE[entry.exam] if both and entry.exam else ""
            for gate in _against(entry, gates, where):
                yield accept(gate) if accepted and both and entry.exam == "main" else gate


def _exams_differ(entries: Iterable[Entry]) -> bool:
    found = {entry.exam for entry in entries if not isinstance(entry, Absent)}
    return {"main", "own"} <= found


def accept(gate: Gate) -> Gate:
    """Return a gate that `gates.accept` lets pass, whatever it has found."""
    if gate.passed:
        return gate
    reason = f"{gate.reason}; accepted for this table by gates.accept"
    limit = f"{gate.limit}, or accepted"
    return replace(gate, passed=True, limit=limit, reason=reason, undecided=False)


def of_another_task(main: str, own: str, replaced: bool) -> Gate:
    """Return the gate in place of main's minima and checks, which are of another task.

    They cannot be computed for this one. A person decides if the table has replaced main's, whose
    model cannot be compared on it either; else it blocks.
    """
    reason = f"main's minima and checks are of task {main}, and this change of {own}"
    if replaced:
        reason = (
            f"the table was replaced, and its task is {own}, not {main}: main's model and limits"
            " say nothing about it, and this change was judged by its own limits"
        )
    return Gate("minima and checks", replaced, f"of {main}", f"of {own}", reason, replaced)


def leave_to_a_person(gate: Gate) -> Gate:
    """Return a gate of main's limits for a table that has replaced main's: a person decides.

    A metric that is undefined blocks, by whosever limits.
    """
    if gate.passed or gate.value == "undefined":
        return gate
    reason = (
        "the table was replaced, main's model cannot be compared on it, and this change was judged"
        f" by its own limits; by main's, {gate.reason}"
    )
    return replace(gate, passed=True, reason=reason, undecided=True)


def _incomparable(baseline: str, reason: str) -> Gate:
    return Gate(f"against {baseline}", False, "incomparable", "comparable", reason)


def _advised(gate: Gate) -> Gate:
    advice = (
        "; if this change replaces the table on purpose, set gates.accept to the md5 in its"
        " data.dvc"
    )
    return replace(gate, reason=gate.reason + advice)


def _against(entry: Compared, gates: GatesParams, where: str) -> Iterator[Gate]:
    """Judge the metrics that have a margin, and the slices.

    On all customers if both models have out-of-fold predictions, else on held-out customers. If all
    were used, a metric that is significantly worse on held-out customers alone, by more than its
    margin, blocks as well.
    """
    # Not without out-of-fold predictions: a change could drop them to become undecided.
    asks = entry.everyone is not None and gates.undecided == "ask"
    against = f"{entry.name}{where}"
    yield from _margins(entry.most, against, gates.margins, asks)
    alone = ""
    if entry.everyone:
        alone = ", held-out alone"
        held_out = _margins(entry, f"{against}{alone}", gates.margins, asks)
        yield from (gate for gate in held_out if not (gate.passed or gate.undecided))
        yield _slices(entry.everyone.slices, entry.name, gates, where)
    yield _slices(entry.slices, entry.name, gates, f"{where}{alone}")


def _margins(
    exam: Compared | Everyone, against: str, margins: Mapping[MetricName, float], asks: bool
) -> Iterator[Gate]:
    """Judge the metrics of one exam."""
    differences = by_metric(exam.metrics)
    for metric, margin in margins.items():
        yield _margin(metric, against, differences.get(metric), margin, asks, exam.rows)


def keeps(difference: Difference, margin: float) -> bool:
    """Tell whether the candidate is shown to be no worse than the baseline by the margin."""
    loss = difference.loss_interval
    return difference.word == "identical" or (loss is not None and loss[1] < margin)


def _margin(
    metric: str,
    against: str,
    difference: Difference | None,
    margin: float,
    asks: bool,
    rows: int,
) -> Gate:
    """Judge a difference by its margin: not worse, worse, or cannot tell."""
    title, limit = f"{TITLES[metric]} against {against}", f"worse by less than {margin:g}"
    loss = difference.loss_interval if difference else None
    if difference is None or loss is None:
        reason = f"how {TITLES[metric]} compares with {against} could not be computed"
        return Gate(title, False, "undefined", limit, reason)
    sensitivity = Sensitivity((loss[1] - loss[0]) / 2)
    if sensitivity.noticed:
        limit += f"; {sensitivity.noticed:.2g} would be noticed in 4 of 5 cases"
    if not sensitivity.supports(margin):
        limit += (
            f"; too small: {sensitivity.fails(margin):.0%} of equal models would fail it;"
            f" {sensitivity.supported:.2g} would do"
        )
    value = (
        f"{number(difference.difference, sign=True)}, 95% interval"
        f" {interval(difference.lower, difference.upper)}"
    )
    if keeps(difference, margin):
        reason = f"{title} is {value}: within the margin of {margin:g}"
        return Gate(title, True, value, limit, reason)
    if difference.word == "worse":
        reason = f"{TITLES[metric]} is worse than {against}: {value}, margin {margin:g}"
        return Gate(title, False, value, limit, reason)
    reason = (
        f"{title} is {value}, margin {margin:g};"
        f" {rows:,} customers support a margin of {sensitivity.supported:.2g}"
    )
    return Gate(title, asks, value, limit, reason, undecided=True)


def _slices(slices: Sequence[ComparedSlice], baseline: str, gates: GatesParams, where: str) -> Gate:
    """Judge all slices together: which are significantly worse by more than a margin (Holm)."""
    failing, tested, unknown = _losses(slices, gates.slice_margins)
    is_significant = holm([p for *_, p in tested], (1 - LEVEL) / 2)
    failing += [test[:3] for test, is_worse in zip(tested, is_significant, strict=True) if is_worse]
    name, n = f"slices against {baseline}{where}", len(slices)
    limit = ", ".join(
        f"{TITLES[m]} significantly worse by at most {v:g}" for m, v in gates.slice_margins.items()
    )
    if failing:
        worst = [shown for _, _, shown in sorted(failing, key=lambda failure: -failure[1])]
        value = f"{len({group for group, *_ in failing})} of {n} beyond a margin"
        reason = f"worse than {baseline} in a slice{where}: {first_three(worst)}"
        return Gate(name, False, value, limit, reason)
    aside = f", {len(unknown)} of them without an interval" if unknown else ""
    value = f"none of {n} beyond a margin"
    return Gate(name, True, value, limit or "none", f"{n} slices compared{aside}")


def _losses(
    slices: Sequence[ComparedSlice], margins: Mapping[MetricName, float]
) -> tuple[list[tuple[str, float, str]], list[tuple[str, float, str, float]], set[str]]:
    """Return what fails without a test, what has to be tested, and slices without an interval.

    Of each metric the slice, the loss as a share of the margin, what is shown, and the p-value.
    """
    failing, tested, unknown = [], [], set()
    for part in slices:
        group, differences = f"{part.column} {part.slice}", by_metric(part.metrics)
        for metric, margin in margins.items():
            difference, title = differences.get(metric), f"{group}: {TITLES[metric]}"
            if difference is None:
                unknown.add(group)
            elif difference.candidate is None and difference.baseline is not None:
                failing.append((group, math.inf, f"{title} is undefined"))
            elif loss := difference.loss_interval:
                share = loss[0] / margin if margin else math.inf
                shown = f"{title} {number(difference.difference, sign=True)}"
                tested.append((group, share, shown, p_beyond(loss, margin)))
            else:
                unknown.add(group)
                # With too few customers for an interval, the estimate decides.
                if difference.loss is not None and difference.loss > margin:
                    share = difference.loss / margin if margin else math.inf
                    shown = (
                        f"{title} {number(difference.difference, sign=True)}, without an interval"
                    )
                    failing.append((group, share, shown))
    return failing, tested, unknown


def p_beyond(loss: tuple[float, float], margin: float) -> float:
    """Return the p-value of a loss if the model is worse by exactly the margin."""
    middle, error = sum(loss) / 2 - margin, Sensitivity((loss[1] - loss[0]) / 2).error
    if error == 0:
        return 0.0 if middle > 0 else 1.0
    return float(norm.sf(middle / error))
