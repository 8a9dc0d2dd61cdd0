"""Judge results by limits; a result that could not be computed blocks."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from scipy.stats import norm

from churn.core.params import ChecksParams, GatesParams, Limits, MetricName
from churn.evaluation.comparison import LEVEL
from churn.evaluation.differences import Difference
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
from churn.review.outcome import Gate, Verdict
from churn.validation.results import Checks

Judgement = Literal["not worse", "worse", "cannot tell"]
_WHERE = {"main": " on main's customers", "own": " on its own customers"}


_LIMITS_NOT_COMPARED = Gate(
    "comparison by limits",
    False,
    "none",
    "by each set of limits",
    "compared by other limits only; run churn compare again",
)


@dataclass(frozen=True)
class Outputs:
    """How the outputs in a commit's ``dvc.lock`` compare with reproduced outputs.

    Attributes
    ----------
    how : {"same", "rounded", "other", "uncommitted"}
        Equal byte for byte; made on another kind of machine and equal within a tolerance;
        different; or not compared, because no commit has these inputs yet.
    notes : tuple of str
        The tolerance, or one ``path: mismatch`` per output.
    """

    how: Literal["same", "rounded", "other", "uncommitted"]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Results:
    """The results to judge; None if one could not be computed.

    Attributes
    ----------
    metrics : Metrics or None
    checks : Checks or None
    comparison : Comparison or None
    stale : sequence of str or None
        Out-of-date entries of `dvc.lock`.
    outputs : Outputs or None
        How the outputs in the commit's ``dvc.lock`` compare with reproduced outputs.
    main_checks : Checks or None
        Results of main's list of checks, if it differs from the change's.
    model_digest : str or None
        Of the model to judge; a comparison of another model is ignored.
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
    """Judge results by limits.

    Parameters
    ----------
    results : Results
    judged_by : sequence of Limits
        The candidate's own; before them main's, if they differ. All must be met.
    release : bool, default=False
        Judge for a release, which requires a comparison with Production only; else for a merge.
    moved : sequence of str
        Limits that the change moves.
    accepted : bool, default=False
        Whether `gates.accept` names the table of this change: then main's exam is reported, and
        does not block.

    Returns
    -------
    Verdict
        Passed only if every gate could be computed and has passed.
    """
    reproducibility = (
        _lock(results.stale),
        # Skipped: implied by a stale lock, which blocks by itself.
        *([] if results.stale else [_committed(results.outputs, release)]),
    )
    return _judge(reproducibility, results, judged_by, release, moved, accepted)


def judge_again(results: Results, limits: Limits, accepted: bool) -> Verdict:
    """Judge a candidate for release again, after Production may have changed.

    Parameters
    ----------
    results : Results
        `stale` and `outputs` are ignored: they depend on the commit, and do not change.
    limits : Limits
    accepted : bool
        See `judge`.
    """
    return _judge((), results, [limits], release=True, accepted=accepted)


def _judge(
    reproducibility: Sequence[Gate],
    results: Results,
    judged_by: Sequence[Limits],
    release: bool,
    moved: Sequence[str] = (),
    accepted: bool = False,
) -> Verdict:
    entries = _usable(results)
    found: dict[str, list[Gate]] = {}
    for limits in judged_by:
        # With a single set of limits, the name that a comparison was made under does not matter.
        is_single = len(judged_by) == 1
        compared = [
            entry
            for entry in entries
            if is_single or not isinstance(entry, Compared) or entry.limits in (None, limits.whose)
        ]
        checks = results.checks
        if limits.checks != judged_by[-1].checks:
            checks = results.main_checks
        found[limits.whose] = [
            *_minima(results, compared, limits, accepted),
            *([] if compared or not entries else [_LIMITS_NOT_COMPARED]),
            *_against_baselines(compared, limits, accepted),
            _checks(checks, limits.checks),
        ]
    judged = (*reproducibility, *_comparison(results, release), *_merged(found))
    failed = [gate for gate in judged if not gate.passed and not gate.undecided]
    unclear = [gate for gate in judged if gate.undecided]
    undecided = bool(unclear) and not failed
    passed = all(gate.passed for gate in judged)
    if shown := failed or unclear:
        more = f" (and {len(shown) - 1} more)" if len(shown) > 1 else ""
        reason = shown[0].reason + more
    else:
        reason = _pass_reason(entries, results.model_digest, judged_by[0].gates)
    return Verdict(passed, "judged", reason, judged, tuple(moved), undecided)


def _usable(results: Results) -> list[Entry]:
    """Return the comparisons, if they are of the model to judge."""
    comparison, digest = results.comparison, results.model_digest
    if comparison is None or digest is None or comparison.model_digest != digest:
        return []
    return comparison.baselines


def _merged(found: Mapping[str, Sequence[Gate]]) -> Iterator[Gate]:
    """Yield the gates of all limits; equal gates of both sets only once."""
    if len(found) == 1:
        yield from next(iter(found.values()))
        return
    main, own = (dict.fromkeys(gates) for gates in found.values())
    for gate in main:
        yield gate if gate in own else replace(gate, name=f"{gate.name}, main's limits")
    for gate in own:
        if gate not in main:
            yield replace(gate, name=f"{gate.name}, its own limits")


def _lock(stale: Sequence[str] | None) -> Gate:
    name, limit = "dvc.lock", "up to date"
    if stale is None:
        return Gate(name, False, "unknown", limit, "whether dvc.lock is up to date is unknown")
    if stale:
        names = sorted({entry.partition(": ")[2] for entry in stale})
        what = ", ".join(names[:3]) + (" …" if len(names) > 3 else "")
        reason = (
            f"dvc.lock is stale ({what}); run dvc repro and dvc push, and commit dvc.lock, reports"
            " and dvc-remote"
        )
        return Gate(name, False, "stale", limit, reason)
    return Gate(name, True, "up to date", limit, "it matches the inputs")


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
        reason = f"made on another kind of machine, but equal: {'; '.join(outputs.notes)}"
        return Gate(name, True, "equal within rounding", limit, reason)
    what = "; ".join(outputs.notes[:3]) + (" …" if len(outputs.notes) > 3 else "")
    if release:  # the candidate was just built from the inputs
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
    """Judge the metrics on the change's held-out customers, and on main's if they differ."""
    own = None if results.metrics is None else results.metrics.test
    yield from _minima_of(own, limits.gates, "")
    if not _exams_differ(entries):
        return
    for entry in entries:
        if isinstance(entry, Compared) and entry.exam == "main" and _is_main(entry):
            values = {metric.metric: metric.candidate for metric in entry.metrics}
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
    return {"main", "own"} <= {
        None if isinstance(entry, Absent) else entry.exam for entry in entries
    }


def _accept(gate: Gate) -> Gate:
    if gate.passed:
        return gate
    reason = f"{gate.reason}; accepted for this table by gates.accept"
    limit = f"{gate.limit}, or accepted"
    return replace(gate, passed=True, limit=limit, reason=reason, undecided=False)


def _comparison(results: Results, release: bool) -> Iterator[Gate]:
    """Check that the required comparison was made."""
    name, limit, comparison = "comparison", "with a baseline", results.comparison
    if comparison is None or not comparison.baselines:
        reason = "the candidate was not compared; run churn compare --baseline main"
        yield Gate(name, False, "none", limit, reason)
        return
    if results.model_digest is None or comparison.model_digest != results.model_digest:
        reason = "the comparison is of another model; run churn compare again"
        yield Gate(name, False, "another model's", limit, reason)
        return
    kinds = {entry.kind for entry in comparison.baselines}
    if release and "production" not in kinds:
        reason = "not compared with Production; run churn compare --production"
        yield Gate(name, False, "without Production", limit, reason)
    if not release and kinds == {"production"}:
        reason = "compared with Production only; run churn compare --baseline main"
        yield Gate(name, False, "Production only", limit, reason)


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
        "; if this change replaces the table on purpose, set gates.accept to the md5 in its"
        " data.dvc"
    )
    return Gate(f"against {baseline}", False, "incomparable", "comparable", reason)


def _non_inferiority(entry: Compared, gates: GatesParams, where: str) -> Iterator[Gate]:
    """Judge each metric that has a margin: not worse, worse, or cannot tell.

    On all customers if both models have out-of-fold predictions, else on held-out customers. If all
    were used, a metric that is significantly worse on held-out customers alone, by more than its
    margin, blocks as well.
    """
    # Not without out-of-fold predictions: a change could drop them to become undecided.
    asks = entry.everyone is not None and gates.undecided == "ask"
    against = f"{entry.name}{where}"
    yield from _margins(entry.most, against, gates.margins, asks)
    if entry.everyone:
        held_out = _margins(entry, f"{against}, held-out alone", gates.margins, asks)
        yield from (gate for gate in held_out if not (gate.passed or gate.undecided))


def _margins(
    exam: Compared | Everyone, against: str, margins: Mapping[MetricName, float], asks: bool
) -> Iterator[Gate]:
    """Judge the metrics of one exam."""
    differences = {difference.metric: difference for difference in exam.metrics}
    for metric, margin in margins.items():
        yield _margin(metric, against, differences.get(metric), margin, asks, exam.rows)


def _p_beyond(loss: tuple[float, float], margin: float) -> float:
    """Return the p-value of a loss if the model is worse by exactly the margin."""
    middle, error = sum(loss) / 2 - margin, Sensitivity((loss[1] - loss[0]) / 2).error
    if error == 0:
        return 0.0 if middle > 0 else 1.0
    return float(norm.sf(middle / error))


def _margin(
    metric: str,
    against: str,
    difference: Difference | None,
    margin: float,
    asks: bool,
    rows: int,
) -> Gate:
    """Judge a difference by its margin: not worse, worse, or cannot tell."""
    title = f"{TITLES[metric]} against {against}"
    limit = f"worse by less than {margin:g}"
    loss = loss_interval(difference) if difference else None
    if difference is None or loss is None:
        reason = f"how {TITLES[metric]} compares with {against} could not be computed"
        return Gate(title, False, "undefined", limit, reason)
    word = difference.word
    kept = loss[1] < margin or word == "identical"
    judgement: Judgement = "not worse" if kept else "worse" if word == "worse" else "cannot tell"
    sensitivity = Sensitivity((loss[1] - loss[0]) / 2)
    if sensitivity.noticed:
        limit += f"; {sensitivity.noticed:.2g} would be noticed in 4 of 5 cases"
    if not sensitivity.supports(margin):
        limit += (
            f"; too small: {sensitivity.fails(margin):.0%} of equal models would fail it;"
            f" {sensitivity.supported:.2g} would do"
        )
    value = (
        f"{difference.difference:+.4f}, 95% interval {difference.lower:+.4f} to"
        f" {difference.upper:+.4f}"
    )
    reason = {
        "not worse": f"{title} is {value}: within the margin of {margin:g}",
        "worse": f"{TITLES[metric]} is worse than {against}: {value}, margin {margin:g}",
        "cannot tell": f"{title} is {value}, margin {margin:g};"
        f" {rows:,} customers support a margin of {sensitivity.supported:.2g}",
    }[judgement]
    undecided = judgement == "cannot tell"
    passed = judgement == "not worse" or (undecided and asks)
    return Gate(title, passed, value, limit, reason, undecided)


def _slices(slices: Sequence[ComparedSlice], baseline: str, gates: GatesParams, where: str) -> Gate:
    """Judge all slices together: which are significantly worse by more than a margin (Holm)."""
    margins = gates.slice_margins
    failing: list[tuple[ComparedSlice, float, str]] = []
    tested: list[tuple[ComparedSlice, float, str, float]] = []
    unknown = []
    for part in slices:
        group = f"{part.column} {part.slice}"
        differences = {difference.metric: difference for difference in part.metrics}
        for metric, margin in margins.items():
            if (difference := differences.get(metric)) is None:
                unknown.append(group)
                continue
            loss, title = loss_interval(difference), TITLES[metric]
            change = difference.difference
            if difference.candidate is None and difference.baseline is not None:
                failing.append((part, math.inf, f"{group}: {title} is undefined"))
            elif loss is None:
                unknown.append(group)
                # With too few customers for an interval, the estimate decides.
                if (estimate := _loss(difference)) is not None and estimate > margin:
                    what = f"{group}: {title} {change:+.4f}, without an interval"
                    failing.append((part, estimate / margin if margin else math.inf, what))
            else:
                share = loss[0] / margin if margin else math.inf
                what = f"{group}: {title} {change:+.4f}"
                tested.append((part, share, what, _p_beyond(loss, margin)))
    is_significant = holm([p for *_, p in tested], (1 - LEVEL) / 2)
    failing += [test[:3] for test, is_worse in zip(tested, is_significant, strict=True) if is_worse]
    name, n = f"slices against {baseline}{where}", len(slices)
    limit = ", ".join(
        f"{TITLES[m]} significantly worse by at most {v:g}" for m, v in margins.items()
    )
    if failing:
        worst = [what for _, _, what in sorted(failing, key=lambda failure: -failure[1])]
        what = "; ".join(worst[:3]) + (" …" if len(worst) > 3 else "")
        n_failing = len({(part.column, part.slice) for part, _, _ in failing})
        value = f"{n_failing} of {n} beyond a margin"
        return Gate(name, False, value, limit, f"worse than {baseline} in a slice{where}: {what}")
    aside = f", {len(set(unknown))} of them without an interval" if unknown else ""
    value = f"none of {n} beyond a margin"
    return Gate(name, True, value, limit or "none", f"{n} slices compared{aside}")


def _loss(difference: Difference) -> float | None:
    """Return the estimate of how much worse the candidate is."""
    change = difference.difference
    if change is None:
        return None
    return change if difference.metric in SMALLER_IS_BETTER else -change


def loss_interval(difference: Difference) -> tuple[float, float] | None:
    """Return the interval of how much *worse* the candidate is; None if undefined."""
    lower, upper = difference.lower, difference.upper
    if lower is None or upper is None:
        return None
    if not (math.isfinite(lower) and math.isfinite(upper)):
        return None
    return (lower, upper) if difference.metric in SMALLER_IS_BETTER else (-upper, -lower)


def _checks(report: Checks | None, listed: ChecksParams) -> Gate:
    name, limit = "deepchecks", "all pass"
    wanted = Counter((s, check.check) for s, checks in listed.suites.items() for check in checks)
    total = wanted.total()
    if report is None:
        return Gate(name, False, "unknown", limit, "the checks have no results")
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
    """Return in one sentence why a candidate may be merged.

    It names the first metric with a margin that is better, else the first.
    """
    entry = next((entry for entry in entries if not isinstance(entry, Absent)), entries[0])
    if isinstance(entry, Absent):
        return f"minima and checks pass; {entry.absent}, so nothing was compared"
    if isinstance(entry, Incomparable):
        return "minima and checks pass; the baseline is not comparable, as this change accepts"
    if entry.model_digest == digest:
        return f"the model is {entry.name}'s, byte for byte"
    differences = {difference.metric: difference for difference in entry.most.metrics}
    first = next(iter(gates.margins))
    metric = next((m for m in gates.margins if differences[m].word == "better"), first)
    named = differences[metric]
    change = f"{named.difference:+.4f} (95% interval {named.lower:+.4f} to {named.upper:+.4f})"
    loss = loss_interval(named)
    kept = named.word == "identical" or (loss is not None and loss[1] < gates.margins[metric])
    words: dict[str | None, str] = {
        "better": f"better than {entry.name}",
        "worse": f"a little worse than {entry.name}, within the margin",
    }
    word = words.get(named.word, f"no worse than {entry.name} within the margin")
    if not kept:
        word = f"worse than {entry.name}, as this change accepts for its table"
    return f"{word}: {TITLES[metric]} {change}{_also_worse(entry, metric)}"


def _also_worse(entry: Compared, named: str) -> str:
    """Name another metric that is worse, the most significant if there are several.

    Not a metric that is worse only because the threshold has moved: that is a trade-off.
    """
    same = entry.same_threshold or []
    excluded = {difference.metric for difference in same if difference.word != "worse"} | {named}
    worse = [
        difference
        for difference in entry.most.metrics
        if difference.word == "worse" and difference.metric not in excluded
    ]
    if not worse:
        return ""
    worst = min(worse, key=lambda difference: difference.p or 0.0)
    return f"; {TITLES[worst.metric]} is worse: {worst.difference:+.4f}"
