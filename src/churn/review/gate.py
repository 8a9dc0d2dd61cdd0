"""Judge results by limits; a result that could not be computed blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from churn.core.params import GatesParams, Limits
from churn.evaluation.differences import Difference, by_metric
from churn.evaluation.group_gaps import Fairness
from churn.evaluation.metric_names import TITLES
from churn.evaluation.results import Metrics
from churn.review import gates_against, gates_alone, gates_fairness
from churn.review.comparison import Absent, Compared, Comparison, Entry, Incomparable
from churn.review.gates_alone import Outputs
from churn.review.outcome import Gate, Verdict
from churn.validation.results import Checks

_LIMITS_NOT_COMPARED = Gate(
    "comparison by limits",
    False,
    "none",
    "by each set of limits",
    "compared by other limits only; run churn compare again",
)


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
    replaced: bool = False,
    again: bool = False,
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
    replaced : bool, default=False
        Whether in an `accepted` table a column of main's model is missing
        (`churn.review.limits.replaces`). Then main's minima and checks are of other customers: if
        its model could not be compared on these, a person decides in their place.
    again : bool, default=False
        Whether it was judged before, and Production may have changed since. Then `stale` and
        `outputs` are ignored: they depend on the commit, and do not change.

    Returns
    -------
    Verdict
        Passed only if every gate could be computed and has passed.
    """
    entries = _usable(results)
    replaced = replaced and accepted
    found = [
        _by_limits(results, entries, limits, judged_by, accepted, replaced) for limits in judged_by
    ]
    judged = (
        *([] if again else gates_alone.reproducibility(results.stale, results.outputs, release)),
        *gates_against.comparison(results.comparison, results.model_digest, release),
        *_merged(found),
    )
    failed = [gate for gate in judged if not gate.passed and not gate.undecided]
    unclear = [gate for gate in judged if gate.undecided]
    if shown := failed or unclear:
        more = f" (and {len(shown) - 1} more)" if len(shown) > 1 else ""
        reason = shown[0].reason + more
    else:
        reason = _pass_reason(entries, results.model_digest, judged_by[0].gates)
    return Verdict(
        passed=all(gate.passed for gate in judged),
        outcome="judged",
        reason=reason,
        gates=judged,
        moved=tuple(moved),
        undecided=bool(unclear) and not failed,
    )


def _usable(results: Results) -> list[Entry]:
    """Return the comparisons, if they are of the model to judge."""
    comparison, digest = results.comparison, results.model_digest
    if comparison is None or digest is None or comparison.model_digest != digest:
        return []
    return comparison.baselines


def _by_limits(
    results: Results,
    entries: Sequence[Entry],
    limits: Limits,
    judged_by: Sequence[Limits],
    accepted: bool,
    replaced: bool,
) -> list[Gate]:
    """Judge by one set of limits."""
    # With a single set of limits, the name that a comparison was made under does not matter.
    is_single = len(judged_by) == 1
    compared = [
        entry
        for entry in entries
        if is_single or not isinstance(entry, Compared) or entry.limits in (None, limits.whose)
    ]
    is_own = limits.checks == judged_by[-1].checks
    own = None if results.metrics is None else results.metrics.test
    report = results.checks if is_own else results.main_checks
    minima = list(gates_alone.minima(own, limits.gates))
    checks = gates_alone.checks(report, limits.checks)
    replaced = replaced and not is_single and limits.whose == "main" and _is_incomparable(entries)
    if limits.task != judged_by[-1].task:
        minima = []
        checks = gates_against.of_another_task(limits.task, judged_by[-1].task, replaced)
    elif replaced:
        minima = [gates_against.leave_to_a_person(gate) for gate in minima]
        if gates_alone.is_computed(report, limits.checks):
            checks = gates_against.leave_to_a_person(checks)
    return [
        *minima,
        *gates_against.minima(compared, limits.gates, accepted),
        *([] if compared or not entries else [_LIMITS_NOT_COMPARED]),
        *gates_against.baselines(compared, limits.gates, accepted),
        *gates_fairness.judge(_fairness(results, limits, is_single), limits, accepted),
        checks,
    ]


def _is_incomparable(entries: Sequence[Entry]) -> bool:
    """Tell whether main's model could not be compared on the customers of the change.

    On main's customers it may have been: a column that only the change has is missing there.
    """
    of_main = [e for e in entries if e.kind == "revision" and not isinstance(e, Absent)]
    on_its_own = [entry for entry in of_main if entry.exam == "own"] or of_main
    return bool(on_its_own) and all(isinstance(entry, Incomparable) for entry in on_its_own)


def _fairness(results: Results, limits: Limits, is_single: bool) -> list[Fairness]:
    """Return what was measured of the model to judge, by these limits."""
    comparison, digest = results.comparison, results.model_digest
    if comparison is None or digest is None or comparison.model_digest != digest:
        return []
    by_these = [one for one in comparison.fairness if one.limits == limits.whose]
    # A release judges by its own limits what the review may have measured by main's only.
    return by_these or (comparison.fairness if is_single else [])


def _merged(found: Sequence[Sequence[Gate]]) -> Iterator[Gate]:
    """Yield the gates of all limits; equal gates of both sets only once."""
    if len(found) == 1:
        yield from found[0]
        return
    main, own = map(dict.fromkeys, found)
    for gate in main:
        yield gate if gate in own else replace(gate, name=f"{gate.name}, main's limits")
    for gate in own:
        if gate not in main:
            yield replace(gate, name=f"{gate.name}, its own limits")


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
    differences = by_metric(entry.most.metrics)
    better = (metric for metric in gates.margins if differences[metric].word == "better")
    metric = next(better, next(iter(gates.margins)))
    named = differences[metric]
    change = f"{named.difference:+.4f} (95% interval {named.lower:+.4f} to {named.upper:+.4f})"
    word = _word(named, entry.name, gates.margins[metric])
    return f"{word}: {TITLES[metric]} {change}{_also_worse(entry, metric)}"


def _word(named: Difference, baseline: str, margin: float) -> str:
    if not gates_against.keeps(named, margin):
        return f"worse than {baseline}, as this change accepts for its table"
    if named.word == "better":
        return f"better than {baseline}"
    if named.word == "worse":
        return f"a little worse than {baseline}, within the margin"
    return f"no worse than {baseline} within the margin"


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
