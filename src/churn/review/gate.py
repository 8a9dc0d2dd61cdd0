"""Results and limits become a verdict; what could not be computed blocks."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from scipy.stats import norm

from churn.core.params import ChecksParams, GatesParams, Limits, MetricName
from churn.evaluation.comparison import LEVEL, Difference
from churn.evaluation.many_looks import holm
from churn.evaluation.metric_names import SMALLER_IS_BETTER, TITLES
from churn.evaluation.results import Metrics
from churn.evaluation.sensitivity import Sensitivity
from churn.review.comparison import (
    Absent,
    Compared,
    ComparedSlice,
    Comparison,
    Entry,
    Everyone,
    Incomparable,
)
from churn.validation.results import Checks

Outcome = Literal["judged", "unchanged", "stopped"]
Told = Literal["not worse", "worse", "cannot tell"]
_WHERE = {"main": " on main's customers", "own": " on its own customers"}


@dataclass(frozen=True)
class Gate:
    """One limit, and whether it is kept.

    Attributes
    ----------
    name : str
        What is limited.
    passed : bool
    value, limit : str
        In words of the report.
    reason : str
        Why it passed or failed, as a sentence's part.
    undecided : bool
        Whether there are too few customers to tell; `gates.undecided` says whether that passes.
    """

    name: str
    passed: bool
    value: str
    limit: str
    reason: str
    undecided: bool = False


_BY_OTHERS = Gate(
    "comparison by limits",
    False,
    "none",
    "by each limits",
    "compared by other limits only; run churn compare again",
)


@dataclass(frozen=True)
class Verdict:
    """Whether a candidate may be merged.

    Attributes
    ----------
    passed : bool
    outcome : {"judged", "unchanged", "stopped"}
        Held against the limits; nothing to judge, because no input differs from the baseline's;
        or stopped before it could be judged, which blocks as well.
    reason : str
        The one reason that a reader needs.
    gates : tuple of Gate
        Most serious kind first.
    moved : tuple of str
        Limits that the change itself moves, by their keys in params.yaml. Whoever merges it decides
        about them as well, so it is never just good.
    undecided : bool
        Whether nothing is worse, and something cannot be told.
    """

    passed: bool
    outcome: Outcome
    reason: str
    gates: tuple[Gate, ...]
    moved: tuple[str, ...] = ()
    undecided: bool = False


@dataclass(frozen=True)
class Outputs:
    """How the outputs that a commit names compare with those that were made again.

    Attributes
    ----------
    how : {"same", "rounded", "other", "uncommitted"}
        Byte for byte; made on another kind of machine and equal within a tolerance; neither; or
        not compared, because no commit has these inputs yet.
    notes : tuple of str
        The tolerance, or ``path: what is wrong`` each.
    """

    how: Literal["same", "rounded", "other", "uncommitted"]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Results:
    """What there is to judge; None where it could not be computed.

    Attributes
    ----------
    metrics : Metrics or None
    checks : Checks or None
    comparison : Comparison or None
    stale : sequence of str or None
        Inputs for which `dvc.lock` is out of date.
    outputs : Outputs or None
        How the outputs that the commit names compare with those that were made again.
    main_checks : Checks or None
        The same as `checks`, of main's list where that is another one.
    model_digest : str or None
        Of the model that is judged; a comparison of another one counts for nothing.
    """

    metrics: Metrics | None
    checks: Checks | None
    comparison: Comparison | None
    model_digest: str | None
    stale: Sequence[str] | None = None
    outputs: Outputs | None = None
    main_checks: Checks | None = None


def judge(
    results: Results,
    judged_by: Sequence[Limits],
    release: bool = False,
    moved: Sequence[str] = (),
    accepted: bool = False,
) -> Verdict:
    """Hold results against limits.

    Parameters
    ----------
    results : Results
    judged_by : sequence of Limits
        The candidate's own; before them main's, where these are others. All of them have to be
        kept.
    release : bool, default=False
        Whether it is to be released, for which Production alone is compared with; else it is to
        be merged.
    moved : sequence of str
        Limits that the change moves.
    accepted : bool, default=False
        Whether `gates.accept` names the table of this very change: then main's exam is told, and
        blocks nothing.

    Returns
    -------
    Verdict
        Passed only if every gate could be computed and is passed.
    """
    made = (
        _lock(results.stale),
        # Skipped: implied by a stale lock, which blocks by itself.
        *([] if results.stale else [_committed(results.outputs, release)]),
    )
    return _judge(made, results, judged_by, release, moved, accepted)


def judge_again(results: Results, limits: Limits, accepted: bool) -> Verdict:
    """Judge a candidate that was judged for its release before, with another Production by now.

    Parameters
    ----------
    results : Results
        Neither `stale` nor `outputs` is looked at: they are of the commit, and do not change.
    limits : Limits
    accepted : bool
        See `judge`.
    """
    return _judge((), results, [limits], release=True, accepted=accepted)


def _judge(
    made: Sequence[Gate],
    results: Results,
    judged_by: Sequence[Limits],
    release: bool,
    moved: Sequence[str] = (),
    accepted: bool = False,
) -> Verdict:
    entries = _usable(results)
    found: dict[str, list[Gate]] = {}
    for limits in judged_by:
        # With one set of limits it does not matter under which name a comparison was made with it.
        alone = len(judged_by) == 1
        told = [
            entry
            for entry in entries
            if alone or not isinstance(entry, Compared) or entry.limits in (None, limits.whose)
        ]
        checks = results.checks
        if limits.checks != judged_by[-1].checks:
            checks = results.main_checks
        found[limits.whose] = [
            *_minima(results, told, limits, accepted),
            *([] if told or not entries else [_BY_OTHERS]),
            *_against_baselines(told, limits, accepted),
            _checks(checks, limits.checks),
        ]
    judged = (*made, *_comparison(results, release), *_merged(found))
    open_ = [gate for gate in judged if gate.undecided]
    # What is worse is told before what cannot be told.
    told_first = [gate for gate in judged if not gate.passed and not gate.undecided] or open_
    undecided = bool(open_) and told_first is open_
    passed = all(gate.passed for gate in judged)
    if told_first:
        more = f" (and {len(told_first) - 1} more)" if len(told_first) > 1 else ""
        reason = told_first[0].reason + more
    else:
        reason = _pass_reason(entries, results.model_digest, judged_by[0].gates)
    return Verdict(passed, "judged", reason, judged, tuple(moved), undecided)


def _usable(results: Results) -> list[Entry]:
    """Return the comparisons of the model that is judged."""
    comparison, digest = results.comparison, results.model_digest
    if comparison is None or digest is None or comparison.model_digest != digest:
        return []
    return comparison.baselines


def _merged(found: Mapping[str, Sequence[Gate]]) -> Iterator[Gate]:
    """Give the gates of all limits, those once on which the limits agree."""
    if len(found) == 1:
        yield from next(iter(found.values()))
        return
    main, own = (dict.fromkeys(gates) for gates in found.values())
    for gate in main:
        yield gate if gate in own else replace(gate, name=f"{gate.name}, main's limits")
    for gate in own:
        if gate not in main:
            yield replace(gate, name=f"{gate.name}, its own limits")


def stopped(reason: str) -> Verdict:
    """Return the verdict where a candidate could not be made or judged at all."""
    gate = Gate("pipeline", False, "stopped", "runs to its end", reason)
    return Verdict(False, "stopped", reason, (gate,))


def unchanged(baseline: str) -> Verdict:
    """Return the verdict where nothing that decides the model differs from the baseline."""
    reason = f"no change to the model: every input of the pipeline is as in {baseline}"
    return Verdict(True, "unchanged", reason, ())


def _lock(stale: Sequence[str] | None) -> Gate:
    name, limit = "dvc.lock", "up to date"
    if stale is None:
        return Gate(name, False, "unknown", limit, "whether dvc.lock is up to date is unknown")
    if stale:
        names = sorted({one.partition(": ")[2] for one in stale})
        what = ", ".join(names[:3]) + (" …" if len(names) > 3 else "")
        reason = (
            f"dvc.lock is stale ({what}); run dvc repro and dvc push, and commit dvc.lock, reports"
            " and dvc-remote"
        )
        return Gate(name, False, "stale", limit, reason)
    return Gate(name, True, "up to date", limit, "it belongs to the inputs")


def _committed(outputs: Outputs | None, release: bool) -> Gate:
    name, limit = "committed results", "those of the inputs"
    if outputs is None:
        reason = "whether the committed results are those of the inputs is unknown"
        return Gate(name, False, "unknown", limit, reason)
    if outputs.how == "same":
        return Gate(name, True, "byte for byte", limit, "they are those of the inputs")
    if outputs.how == "uncommitted":
        reason = "no commit has these inputs yet, so there is nothing to compare"
        return Gate(name, True, "none yet", limit, reason)
    if outputs.how == "rounded":
        reason = f"made on another kind of machine, and equal: {'; '.join(outputs.notes)}"
        return Gate(name, True, "equal within rounding", limit, reason)
    what = "; ".join(outputs.notes[:3]) + (" …" if len(outputs.notes) > 3 else "")
    if release:  # what is released was made from the inputs just now
        reason = f"the commit names other results, so these are judged as new: {what}"
        return Gate(name, True, "judged as new", limit, reason)
    reason = (
        f"the commit names results that its inputs do not give: {what};"
        " run dvc repro --force and dvc push, and commit what they change"
    )
    return Gate(name, False, "others", limit, reason)


def _minima(
    results: Results, entries: Sequence[Entry], limits: Limits, accepted: bool
) -> Iterator[Gate]:
    """Judge the metrics on the held-out customers: the change's own, and main's if they differ."""
    own = None if results.metrics is None else results.metrics.test
    yield from _minima_of(own, limits.gates, "")
    if not _exams_differ(entries):
        return
    for entry in entries:
        if isinstance(entry, Compared) and entry.exam == "main" and _is_main(entry):
            values = {found.metric: found.candidate for found in entry.metrics}
            for gate in _minima_of(values, limits.gates, _WHERE["main"]):
                yield _accept(gate) if accepted else gate


def _minima_of(
    values: Mapping[str, float | None] | None, gates: GatesParams, where: str
) -> Iterator[Gate]:
    for metric, minimum in gates.minima.items():
        name, title = f"minimum of {TITLES[metric]}{where}", f"{TITLES[metric]}{where}"
        value = None if values is None else values.get(metric)
        limit = f"at least {minimum:g}"
        if value is None or not math.isfinite(value):
            yield Gate(name, False, "undefined", limit, f"{title} is undefined")
        elif value < minimum:
            reason = f"{title} is {value:.3f}, below the minimum of {minimum:g}"
            yield Gate(name, False, f"{value:.3f}", limit, reason)
        else:
            reason = f"{title} is {value:.3f}, at or above {minimum:g}"
            yield Gate(name, True, f"{value:.3f}", limit, reason)


def _is_main(entry: Entry) -> bool:
    return entry.kind != "production"


def _exams_differ(entries: Iterable[Entry]) -> bool:
    return {"main", "own"} <= {None if isinstance(e, Absent) else e.exam for e in entries}


def _accept(gate: Gate) -> Gate:
    if gate.passed:
        return gate
    reason = f"{gate.reason}; accepted for this table by gates.accept"
    limit = f"{gate.limit}, or accepted"
    return replace(gate, passed=True, limit=limit, reason=reason, undecided=False)


def _comparison(results: Results, release: bool) -> Iterator[Gate]:
    """Judge whether there is a comparison, and with what."""
    name, limit, comparison = "comparison", "with a baseline", results.comparison
    if comparison is None or not comparison.baselines:
        reason = "the candidate was compared with nothing; run churn compare --baseline main"
        yield Gate(name, False, "none", limit, reason)
        return
    if results.model_digest is None or comparison.model_digest != results.model_digest:
        reason = "the comparison is one of another model; run churn compare again"
        yield Gate(name, False, "another model's", limit, reason)
        return
    kinds = {entry.kind for entry in comparison.baselines}
    if release and "production" not in kinds:
        reason = "not compared with Production; run churn compare --production"
        yield Gate(name, False, "without Production", limit, reason)
    if not release and kinds == {"production"}:
        reason = "compared with Production alone; run churn compare --baseline main"
        yield Gate(name, False, "Production alone", limit, reason)


def _against_baselines(entries: Sequence[Entry], limits: Limits, accepted: bool) -> Iterator[Gate]:
    both = _exams_differ(entries)
    for entry in entries:
        if isinstance(entry, Absent):
            limit = "with a baseline"
            yield Gate(f"against {entry.name}", True, "no baseline", limit, entry.absent)
        elif isinstance(entry, Incomparable):
            gate = _incomparable(entry.name, entry.incomparable)
            yield _accept(gate) if accepted else gate
        else:
            where = _WHERE[entry.exam] if both and entry.exam else ""
            for gate in _against(entry, limits.gates, where):
                yield _accept(gate) if accepted and both and entry.exam == "main" else gate


def _against(entry: Compared, gates: GatesParams, where: str) -> Iterator[Gate]:
    yield from _non_inferiority(entry, gates, where)
    alone = ""
    if entry.everyone:
        yield _slices(entry.everyone.slices, entry.name, gates, where)
        alone = ", held-out alone"
    yield _slices(entry.slices, entry.name, gates, f"{where}{alone}")


def _incomparable(baseline: str, reason: str) -> Gate:
    reason += (
        "; if this change is meant to bring another table, set gates.accept to the md5 that"
        " data.dvc has in it"
    )
    return Gate(f"against {baseline}", False, "incomparable", "comparable", reason)


def _non_inferiority(entry: Compared, gates: GatesParams, where: str) -> Iterator[Gate]:
    """Judge each metric that has a margin: not worse, worse, or cannot tell.

    On every customer where both models have out-of-fold predictions, else on the held-out ones.
    The held-out customers are the last exam in any case: what stands out there as worse, and does
    not keep the margin, is blocked.
    """
    # Without everyone a change could have got rid of it: then nobody is asked.
    asks = entry.everyone is not None and gates.undecided == "ask"
    against = f"{entry.name}{where}"
    yield from _looks(entry.most, against, gates.margins, asks)
    if entry.everyone:
        last = _looks(entry, f"{against}, held-out alone", gates.margins, asks)
        yield from (judged for judged in last if not (judged.passed or judged.undecided))


def _looks(
    exam: Compared | Everyone, against: str, margins: Mapping[MetricName, float], asks: bool
) -> Iterator[Gate]:
    """Judge the metrics of one exam."""
    found = {one.metric: one for one in exam.metrics}
    for metric, margin in margins.items():
        yield _one(metric, against, found.get(metric), margin, asks, exam.rows)


def _p_beyond(loss: tuple[float, float], margin: float) -> float:
    """Return the probability of such a loss, or more, of a model that is worse by a margin."""
    middle, error = sum(loss) / 2 - margin, Sensitivity((loss[1] - loss[0]) / 2).error
    if error == 0:
        return 0.0 if middle > 0 else 1.0
    return float(norm.sf(middle / error))


def _one(
    metric: str,
    against: str,
    one: Difference | None,
    margin: float,
    asks: bool,
    rows: int,
) -> Gate:
    """Say of a difference and a margin what can be told: not worse, worse, or nothing."""
    title = f"{TITLES[metric]} against {against}"
    limit = f"worse by less than {margin:g}"
    loss = loss_interval(one) if one else None
    if one is None or loss is None:
        reason = f"how {TITLES[metric]} compares with {against} could not be computed"
        return Gate(title, False, "undefined", limit, reason)
    kept = loss[1] < margin or one.word == "identical"
    told: Told = "not worse" if kept else "worse" if one.word == "worse" else "cannot tell"
    can = Sensitivity((loss[1] - loss[0]) / 2)
    if can.noticed:
        limit += f"; {can.noticed:.2g} would be noticed in 4 of 5 cases"
    if not can.supports(margin):
        limit += (
            f"; too small: of equal models {can.fails(margin):.0%} would fail it;"
            f" {can.supported:.2g} would do"
        )
    value = f"{one.difference:+.4f}, 95% interval {one.lower:+.4f} to {one.upper:+.4f}"
    reason = {
        "not worse": f"{title} is {value}: within the margin of {margin:g}",
        "worse": f"{TITLES[metric]} is worse than {against}: {value}, margin {margin:g}",
        "cannot tell": f"{title} is {value}, margin {margin:g};"
        f" {rows:,} customers support one of {can.supported:.2g}",
    }[told]
    undecided = told == "cannot tell"
    passed = told == "not worse" or (undecided and asks)
    return Gate(title, passed, value, limit, reason, undecided)


def _slices(slices: Sequence[ComparedSlice], baseline: str, gates: GatesParams, where: str) -> Gate:
    """Judge the slices together: what stands out among them as worse by more than a margin."""
    margins = gates.slice_margins
    failing: list[tuple[ComparedSlice, float, str]] = []
    beyond: list[tuple[ComparedSlice, float, str, float]] = []
    unknown = []
    for part in slices:
        group = f"{part.column} {part.slice}"
        found = {one.metric: one for one in part.metrics}
        for metric, margin in margins.items():
            if (one := found.get(metric)) is None:
                unknown.append(group)
                continue
            loss, title = loss_interval(one), TITLES[metric]
            if one.candidate is None and one.baseline is not None:
                failing.append((part, math.inf, f"{group}: {title} is undefined"))
            elif loss is None:
                unknown.append(group)
                # Where there are too few customers for an interval the estimate alone decides.
                if (estimate := _loss(one)) is not None and estimate > margin:
                    what = f"{group}: {title} {one.difference:+.4f}, without an interval"
                    failing.append((part, estimate / margin if margin else math.inf, what))
            else:
                share = loss[0] / margin if margin else math.inf
                what = f"{group}: {title} {one.difference:+.4f}"
                beyond.append((part, share, what, _p_beyond(loss, margin)))
    stand_out = holm([p for *_, p in beyond], (1 - LEVEL) / 2)
    failing += [look[:3] for look, is_worse in zip(beyond, stand_out, strict=True) if is_worse]
    name, n = f"slices against {baseline}{where}", len(slices)
    limit = ", ".join(
        f"{TITLES[m]} significantly worse by at most {v:g}" for m, v in margins.items()
    )
    if failing:
        worst = [what for _, _, what in sorted(failing, key=lambda one: -one[1])]
        what = "; ".join(worst[:3]) + (" …" if len(worst) > 3 else "")
        n_failing = len({(part.column, part.slice) for part, _, _ in failing})
        value = f"{n_failing} of {n} beyond a margin"
        return Gate(name, False, value, limit, f"worse than {baseline} in a slice{where}: {what}")
    aside = f", {len(set(unknown))} of them without an interval" if unknown else ""
    value = f"none of {n} beyond a margin"
    return Gate(name, True, value, limit or "none", f"{n} slices looked at{aside}")


def _loss(one: Difference) -> float | None:
    """Return how much worse a candidate was seen to be, without regard to chance."""
    change = one.difference
    if change is None:
        return None
    return change if one.metric in SMALLER_IS_BETTER else -change


def loss_interval(one: Difference) -> tuple[float, float] | None:
    """Return the interval of how much *worse* a candidate is; None where there is none."""
    lower, upper = one.lower, one.upper
    if lower is None or upper is None:
        return None
    if not (math.isfinite(lower) and math.isfinite(upper)):
        return None
    return (lower, upper) if one.metric in SMALLER_IS_BETTER else (-upper, -lower)


def _checks(report: Checks | None, listed: ChecksParams) -> Gate:
    name, limit = "deepchecks", "all pass"
    wanted = Counter((s, check.check) for s, checks in listed.suites.items() for check in checks)
    total = wanted.total()
    if report is None:
        return Gate(name, False, "unknown", limit, "the checks have no result")
    ran = Counter((check.suite, check.check) for check in report.checks)
    missing = [check for _, check in wanted - ran]
    bad = [check for check in report.checks if check.status != "passed"]
    value = f"{len(report.checks) - len(bad)} of {total} passed"
    if missing:
        return Gate(name, False, value, limit, f"checks that did not run: {', '.join(missing)}")
    if bad:
        crashed = [check.check for check in bad if check.status == "crashed"]
        failed = [check.check for check in bad if check.status != "crashed"]
        parts = [f"{', '.join(crashed)} crashed"] if crashed else []
        parts += [f"{', '.join(failed)} failed"] if failed else []
        return Gate(name, False, value, limit, f"deepchecks: {'; '.join(parts)}")
    return Gate(name, True, value, limit, "all ran and passed")


def _pass_reason(entries: Sequence[Entry], digest: str | None, gates: GatesParams) -> str:
    """Say in one sentence why a candidate may be merged, by one metric that has a margin.

    By the first that is better, else by the first.
    """
    entry = next((entry for entry in entries if not isinstance(entry, Absent)), entries[0])
    if isinstance(entry, Absent):
        return f"minima and checks are kept; {entry.absent}, so nothing was compared"
    if isinstance(entry, Incomparable):
        return "minima and checks are kept; the baseline is not comparable, as this change accepts"
    if entry.model_digest == digest:
        return f"the model is {entry.name}'s, byte for byte"
    found = {one.metric: one for one in entry.most.metrics}
    first = next(iter(gates.margins))
    metric = next((m for m in gates.margins if found[m].word == "better"), first)
    one = found[metric]
    change = f"{one.difference:+.4f} (95% interval {one.lower:+.4f} to {one.upper:+.4f})"
    loss = loss_interval(one)
    kept = one.word == "identical" or (loss is not None and loss[1] < gates.margins[metric])
    words: dict[str | None, str] = {
        "better": f"better than {entry.name}",
        "worse": f"a little worse than {entry.name}, within the margin",
    }
    word = words.get(one.word, f"no worse than {entry.name} within the margin")
    if not kept:
        word = f"worse than {entry.name}, as this change accepts for its table"
    return f"{word}: {TITLES[metric]} {change}{_but(entry, metric)}"


def _but(entry: Compared, named: str) -> str:
    """Name what has got worse beside the metric that is named; the surest where it is more.

    Not what a moved threshold has changed and the model has not: that is one thing for another.
    """
    same = entry.same_threshold or []
    moved = {one.metric for one in same if one.word != "worse"} | {named}
    worse = [one for one in entry.most.metrics if one.word == "worse" and one.metric not in moved]
    if not worse:
        return ""
    one = min(worse, key=lambda one: one.p or 0.0)
    return f"; {TITLES[one.metric]} is worse: {one.difference:+.4f}"
