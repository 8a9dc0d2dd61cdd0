"""The gates: each is checked with what it must block, and with what it must let through."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from churn.core import params
from churn.core.params import Check, ChecksParams, GatesParams, Limits
from churn.evaluation.differences import Difference
from churn.evaluation.results import Metrics
from churn.review import gate, limits, outcome
from churn.review.comparison import (
    Absent,
    Compared,
    ComparedSlice,
    Comparison,
    Entry,
    Everyone,
    Incomparable,
)
from churn.review.gate import Results
from churn.review.gates_alone import Outputs
from churn.review.outcome import Gate, Verdict
from churn.validation.results import CheckResult, Checks, Status
from tests.conftest import PARAMS

DIGEST = "c" * 64
GATES = GatesParams(
    minima={"roc_auc": 0.78, "average_precision": 0.6},
    margins={"roc_auc": 0.01, "cost": 0.03},
    slice_margins={"roc_auc": 0.02, "brier": 0.01},
)


def listed(*names: str) -> tuple[Check, ...]:
    return tuple(Check(check=name, conditions={"c": 1}) for name in names)


CHECKS = ChecksParams(
    max_rows=1000,
    seed=1,
    data_integrity=listed("Nulls", "Twice", "Twice"),
    train_test=listed("Drift"),
    model=listed("Twice"),
)


SETTINGS = params.load(PARAMS)
OWN = limits.own(SETTINGS).model_copy(update={"gates": GATES, "checks": CHECKS})


def difference(metric: str, lower: float | None, upper: float | None, **others: Any) -> Difference:
    middle = None if lower is None or upper is None else (lower + upper) / 2
    values = {
        "baseline": 0.8,
        "candidate": 0.8 + (middle or 0),
        "difference": middle,
        "lower": lower,
        "upper": upper,
        "word": "inconclusive",
    }
    return Difference(metric, **(values | others))


def part(*metrics: Difference, column: str = "age", name: str = "<= 30") -> ComparedSlice:
    return ComparedSlice(column=column, slice=name, rows=100, metrics=list(metrics))


def entry(**others: Any) -> Compared:
    values = {
        "name": "main",
        "model_digest": "b" * 64,
        "rows": 2000,
        "metrics": [difference("roc_auc", -0.005, 0.02), difference("cost", -0.05, 0.02)],
        "slices": [part(difference("roc_auc", -0.01, 0.03), difference("brier", -0.01, 0.005))],
    }
    return Compared(**(values | others))


def incomparable(why: str) -> Incomparable:
    return Incomparable(name="main", model_digest="b" * 64, incomparable=why)


def comparison(*entries: Entry) -> Comparison:
    return Comparison(model_digest=DIGEST, baselines=list(entries))


def metrics(**test: float | None) -> Metrics:
    return Metrics(threshold=0.5, train={"roc_auc": 1.0, "average_precision": 1.0}, test=test)


def ran(suite: str, check: str, status: Status = "passed") -> CheckResult:
    return CheckResult(suite=suite, check=check, status=status, outcomes=[])


def checks(listed: Sequence[CheckResult]) -> Checks:
    return Checks.of(list(listed), {"train": 8, "test": 2})


ALL_RAN = [
    ran("data_integrity", "Nulls"),
    ran("data_integrity", "Twice"),
    ran("data_integrity", "Twice"),
    ran("train_test", "Drift"),
    ran("model", "Twice"),
]


def results(**others: Any) -> Results:
    """Return results that keep every limit."""
    return replace(
        Results(
            stale=[],
            outputs=Outputs("same"),
            metrics=metrics(roc_auc=0.78, average_precision=0.61),
            checks=checks(ALL_RAN),
            comparison=comparison(entry()),
            model_digest=DIGEST,
        ),
        **others,
    )


def compared(*entries: Entry) -> Results:
    return results(comparison=comparison(*entries))


def judge(
    found: Results, gates: GatesParams = GATES, main: Limits | None = None, **others: Any
) -> Verdict:
    own = OWN.model_copy(update={"gates": gates})
    return gate.judge(found, [own] if main is None else [main, own], **others)


def mains(**gates: Any) -> Limits:
    """Return main's limits: ours, but for some gates."""
    changed = GATES.model_copy(update=gates)
    return OWN.model_copy(update={"whose": "main", "gates": changed})


def failed(verdict: Verdict) -> list[str]:
    assert verdict.passed == all(one.passed for one in verdict.gates)
    return [one.name for one in verdict.gates if not one.passed]


def only_failure(verdict: Verdict) -> Gate:
    [one] = [one for one in verdict.gates if not one.passed]
    assert not verdict.passed
    assert verdict.outcome == "judged"
    assert verdict.reason == one.reason
    return one


def test_a_candidate_that_keeps_every_limit_passes() -> None:
    verdict = judge(results())
    assert failed(verdict) == []
    assert verdict.outcome == "judged"
    assert [one.name for one in verdict.gates] == [
        "dvc.lock",
        "committed results",
        "minimum of ROC AUC",
        "minimum of average precision",
        "ROC AUC against main",
        "cost per customer against main",
        "slices against main",
        "deepchecks",
    ]
    assert all(one.value and one.limit and one.reason for one in verdict.gates)


def test_nothing_at_all_is_blocked_by_every_gate() -> None:
    verdict = judge(Results(None, None, None, None, None, None))
    assert not verdict.passed
    assert not any(one.passed for one in verdict.gates)
    assert len(verdict.gates) == 6
    assert verdict.reason.endswith(" (and 5 more)")


# dvc.lock


def test_an_unknown_lock_blocks() -> None:
    one = only_failure(judge(results(stale=None)))
    assert (one.name, one.value) == ("dvc.lock", "unknown")


@pytest.mark.parametrize(
    ("stale", "named"),
    [
        (["train: params.yaml model.seed"], "(params.yaml model.seed)"),
        (["train: src/b", "evaluate: src/b", "prepare: src/a"], "(src/a, src/b)"),
        (["a: 1", "a: 2", "a: 3"], "(1, 2, 3)"),
        (["a: 4", "a: 1", "a: 2", "a: 3"], "(1, 2, 3 …)"),
        (["dvc.lock: not there"], "(not there)"),
    ],
)
def test_a_stale_lock_blocks_and_the_reason_says_what_to_do(stale: list[str], named: str) -> None:
    one = only_failure(judge(results(stale=stale)))
    assert one.name == "dvc.lock"
    assert f"stale {named}; run dvc repro and dvc push, and commit" in one.reason


# minima


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), float("-inf"), "absent"])
def test_a_metric_that_is_no_number_blocks(value: Any) -> None:
    test = {"average_precision": 0.7} | ({} if value == "absent" else {"roc_auc": value})
    one = only_failure(judge(results(metrics=metrics(**test))))
    assert (one.name, one.value) == ("minimum of ROC AUC", "undefined")


@pytest.mark.parametrize("found", [None, metrics()])
def test_without_metrics_of_the_held_out_customers_every_minimum_blocks(
    found: Metrics | None,
) -> None:
    minima = ["minimum of ROC AUC", "minimum of average precision"]
    assert failed(judge(results(metrics=found))) == minima


@pytest.mark.parametrize(
    ("value", "passed"), [(0.7799999, False), (0.78, True), (0.9, True), (0.0, False)]
)
def test_a_minimum_is_the_least_that_passes(value: float, passed: bool) -> None:
    verdict = judge(results(metrics=metrics(roc_auc=value, average_precision=0.7)))
    assert verdict.passed == passed
    if not passed:
        assert only_failure(verdict).reason.endswith("below the minimum of 0.78")


# the comparison


@pytest.mark.parametrize("found", [None, comparison()])
def test_without_a_comparison_there_is_no_passing(found: Comparison | None) -> None:
    one = only_failure(judge(results(comparison=found)))
    assert one.name == "comparison"
    assert "run churn compare" in one.reason


def test_a_comparison_of_another_model_counts_for_nothing() -> None:
    one = only_failure(judge(results(model_digest="d" * 64)))
    assert (one.name, one.value) == ("comparison", "another model's")


def test_a_comparison_counts_for_nothing_where_the_model_is_unknown() -> None:
    assert only_failure(judge(results(model_digest=None))).name == "comparison"


@pytest.mark.parametrize(
    ("metric", "lower", "upper", "passed"),
    [
        # More is better: the lower end counts.
        ("roc_auc", -0.0099, 0.05, True),
        ("roc_auc", -0.01, 0.05, False),
        ("roc_auc", -0.0101, 0.05, False),
        ("roc_auc", -0.5, 0.9, False),
        ("roc_auc", -0.009, -0.001, True),
        ("roc_auc", 0.02, 0.9, True),
        # Less is better: the upper end counts.
        ("cost", -0.05, 0.0299, True),
        ("cost", -0.05, 0.03, False),
        ("cost", -0.05, 0.0301, False),
        ("cost", -0.9, 0.5, False),
        ("cost", 0.001, 0.029, True),
        ("cost", -0.9, -0.02, True),
    ],
)
def test_the_whole_interval_has_to_keep_the_margin(
    metric: str, lower: float, upper: float, passed: bool
) -> None:
    good = [one for one in entry().metrics if one.metric != metric]
    verdict = judge(compared(entry(metrics=[difference(metric, lower, upper), *good])))
    assert verdict.passed == passed
    if not passed:
        one = only_failure(verdict)
        assert one.name.endswith(" against main")
        assert f"{lower:+.4f} to {upper:+.4f}" in one.reason
        assert (
            ("2,000 customers support a margin of" in one.reason)
            == one.undecided
            == (lower < 0 < upper)
        )
        assert verdict.undecided == one.undecided


@pytest.mark.parametrize("ends", [(None, None), (None, 0.1), (0.1, None)])
@pytest.mark.parametrize("metric", ["roc_auc", "cost"])
def test_a_difference_without_an_interval_blocks(metric: str, ends: Any) -> None:
    good = [one for one in entry().metrics if one.metric != metric]
    verdict = judge(compared(entry(metrics=[difference(metric, *ends), *good])))
    assert "could not be computed" in only_failure(verdict).reason


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("end", ["lower", "upper"])
@pytest.mark.parametrize("metric", ["roc_auc", "cost"])
def test_an_interval_whose_end_is_no_number_blocks(metric: str, end: str, value: float) -> None:
    good = [one for one in entry().metrics if one.metric != metric]
    bad = replace(difference(metric, 0.0, 0.0), **{end: value})
    assert not judge(compared(entry(metrics=[bad, *good]))).passed


def test_a_metric_that_was_not_compared_blocks() -> None:
    verdict = judge(compared(entry(metrics=[difference("roc_auc", 0.01, 0.02)])))
    assert only_failure(verdict).name == "cost per customer against main"


def test_a_margin_of_zero_lets_the_identical_through_and_nothing_that_may_be_worse() -> None:
    strict = GATES.model_copy(update={"margins": {"roc_auc": 0.0}})
    same = difference("roc_auc", 0.0, 0.0, word="identical")
    assert judge(compared(entry(metrics=[same])), strict).passed
    for lower, upper in ((0.0, 0.1), (-1e-9, 0.1)):
        unsure = difference("roc_auc", lower, upper)
        assert not judge(compared(entry(metrics=[unsure])), strict).passed
    better = difference("roc_auc", 0.001, 0.1, word="better")
    assert judge(compared(entry(metrics=[better])), strict).passed


def told_of(
    metrics: list[Difference], last: list[Difference] | None = None, **others: Any
) -> Compared:
    """Return an entry with a comparison on everyone, and with the held-out customers' own."""
    values = {"rows": 10_000, "held_out": 2000, "metrics": metrics, "slices": entry().slices}
    everyone = Everyone(**(values | others))
    return entry(everyone=everyone, **({} if last is None else {"metrics": last}))


ASKING = GATES.model_copy(update={"undecided": "ask"})
WIDE = [difference("roc_auc", -0.05, 0.05), difference("cost", -0.1, 0.1)]
NARROW = [difference("roc_auc", -0.005, 0.005), difference("cost", 0, 0.01)]


def test_what_cannot_be_told_is_asked_where_that_is_wished() -> None:
    blocked, asked = judge(compared(told_of(WIDE))), judge(compared(told_of(WIDE)), ASKING)
    assert (blocked.passed, blocked.undecided) == (False, True)
    assert (asked.passed, asked.undecided) == (True, True)
    assert blocked.reason == asked.reason
    worse = [difference("roc_auc", -0.05, 0.05), difference("cost", 0.5, 0.6, word="worse")]
    blocked = judge(compared(told_of(worse)), ASKING)
    assert (blocked.passed, blocked.undecided) == (False, False)
    assert blocked.reason.startswith("cost per customer is worse than main")


def test_a_margin_that_is_too_small_is_named_with_one_that_would_do() -> None:
    [auc, cost] = [one for one in judge(compared(told_of(WIDE))).gates if " against " in one.name][
        :2
    ]
    # Half-widths of 0.05 and 0.1, margins of 0.01 and 0.03: see Sensitivity.
    assert auc.limit.endswith("; too small: 94% of equal models would fail it; 0.083 would do")
    assert "91% of equal models would fail it" in cost.limit
    kept = judge(compared(told_of(NARROW)))
    assert not any("too small" in one.limit for one in kept.gates)


def test_nobody_is_asked_where_the_held_out_customers_are_alone() -> None:
    verdict = judge(compared(entry(metrics=WIDE)), ASKING)
    assert (verdict.passed, verdict.undecided) == (False, True)


def test_every_customer_decides_and_the_held_out_ones_may_object() -> None:
    verdict = judge(compared(told_of(NARROW, WIDE)))
    assert verdict.passed, verdict.reason
    assert "-0.0050 to +0.0050" in verdict.reason
    worse = [difference("roc_auc", -0.0163, -0.0026, word="worse"), difference("cost", -0.1, 0.1)]
    better = [difference("roc_auc", 0.01, 0.02, word="better"), difference("cost", -0.1, -0.05)]
    for most in (NARROW, better):
        verdict = judge(compared(told_of(most, worse)))
        assert only_failure(verdict).name == "ROC AUC against main, held-out alone"
        assert not verdict.undecided
    verdict = judge(compared(told_of(WIDE, NARROW)))
    assert verdict.undecided
    assert "10,000 customers support a margin of" in verdict.reason


def test_slices_are_held_by_every_customer_and_by_the_held_out_ones() -> None:
    bad = [part(difference("roc_auc", -0.3, -0.1), difference("brier", -0.1, 0.0))]
    assert failed(judge(compared(told_of(NARROW, slices=bad)))) == ["slices against main"]
    alone = replace(told_of(NARROW), slices=bad)
    assert failed(judge(compared(alone))) == ["slices against main, held-out alone"]


@pytest.mark.parametrize(("word", "is_undecided"), [("worse", False), ("inconclusive", True)])
def test_what_the_report_calls_worse_is_worse_here(word: str, is_undecided: bool) -> None:
    # An interval that leaves out zero stands out among all that is looked at, or does not.
    barely = difference("roc_auc", -0.04, -0.0001, word=word)
    verdict = judge(compared(told_of([barely, difference("cost", -0.01, 0.01)])))
    assert (verdict.passed, verdict.undecided) == (False, is_undecided)


def test_what_has_got_worse_beside_a_model_that_is_not_is_named() -> None:
    more = [
        difference("precision", -0.02, -0.01, word="worse", p=0.01),
        difference("recall", -0.3, -0.1, word="worse", p=0.001),
    ]
    verdict = judge(compared(entry(metrics=[*entry().metrics, *more])))
    assert verdict.passed
    assert verdict.reason.endswith("; recall is worse: -0.2000")
    # Where the threshold has moved and the model has not, it is not blamed for it.
    same = [difference("recall", -0.1, 0.1), difference("precision", -0.02, -0.01, word="worse")]
    verdict = judge(compared(entry(metrics=[*entry().metrics, *more], same_threshold=same)))
    assert verdict.reason.endswith("; precision is worse: -0.0150")


def test_a_worse_model_is_named_worse() -> None:
    bad = difference("roc_auc", -0.2, -0.1, word="worse")
    verdict = judge(compared(entry(metrics=[bad, difference("cost", 0, 0.01)])))
    assert only_failure(verdict).reason.startswith("ROC AUC is worse than main: -0.1500")


@pytest.mark.parametrize("position", [0, 1])
def test_every_baseline_counts(position: int) -> None:
    bad = entry(
        name="Production",
        metrics=[difference("roc_auc", -0.2, -0.1), difference("cost", 0, 0.01)],
    )
    entries = [entry()]
    entries.insert(position, bad)
    assert failed(judge(compared(*entries))) == ["ROC AUC against Production"]


# slices


@pytest.mark.parametrize(
    ("metric", "lower", "upper", "passed"),
    [
        ("roc_auc", -0.5, -0.1, False),
        ("roc_auc", -0.5, -0.0201, True),  # beyond it, as one of four looks is now and then
        ("roc_auc", -0.5, 0.0, True),
        ("roc_auc", 0.1, 0.5, True),
        ("brier", 0.1, 0.5, False),
        ("brier", 0.0101, 0.5, True),
        ("brier", -0.5, -0.1, True),
        ("recall", -0.9, -0.8, True),  # has no margin
    ],
)
def test_a_slice_is_blocked_that_stands_out_as_beyond_the_margin(
    metric: str, lower: float, upper: float, passed: bool
) -> None:
    fine = part(difference("roc_auc", 0.0, 0.1), difference("brier", -0.1, 0.0), name="> 30")
    bad = part(difference("roc_auc", 0.0, 0.1), difference(metric, lower, upper))
    for slices in ([fine, bad], [bad, fine]):
        verdict = judge(compared(entry(slices=slices)))
        assert verdict.passed == passed
        if not passed:
            one = only_failure(verdict)
            assert one.name == "slices against main"
            assert "worse than main in a slice: age <= 30: " in one.reason


def test_a_slice_that_collapses_blocks_while_the_average_rises() -> None:
    up = [difference("roc_auc", 0.05, 0.07, word="better"), difference("cost", -0.2, -0.1)]
    verdict = judge(compared(entry(metrics=up, slices=[part(difference("roc_auc", -0.3, -0.1))])))
    assert failed(verdict) == ["slices against main"]


def test_a_metric_that_a_slice_has_lost_is_a_collapse() -> None:
    lost = difference("roc_auc", None, None, candidate=None, word=None)
    one = only_failure(judge(compared(entry(slices=[part(lost)]))))
    assert one.reason.endswith("age <= 30: ROC AUC is undefined")


def test_a_slice_without_an_interval_is_said_to_have_none() -> None:
    unknown = part(difference("roc_auc", None, None), difference("brier", None, None))
    nobody = part(difference("roc_auc", None, None, candidate=None, baseline=None), name="x")
    verdict = judge(compared(entry(slices=[unknown, nobody])))
    assert verdict.passed  # small slices are many; the whole is gated
    [one] = [one for one in verdict.gates if one.name == "slices against main"]
    assert one.reason == "2 slices compared, 2 of them without an interval"


def test_a_slice_that_lacks_a_gated_metric_was_not_looked_at_whole() -> None:
    verdict = judge(compared(entry(slices=[part(difference("brier", 0.0, 0.0))])))
    [one] = [one for one in verdict.gates if one.name == "slices against main"]
    assert one.reason == "1 slices compared, 1 of them without an interval"


def test_many_collapsed_slices_are_counted_and_three_are_named() -> None:
    slices = [part(difference("roc_auc", -0.3, -0.1), name=str(i)) for i in range(5)]
    one = only_failure(judge(compared(entry(slices=slices))))
    assert one.value == "5 of 5 beyond a margin"
    assert "age 2" in one.reason
    assert "age 3" not in one.reason
    assert one.reason.endswith(" …")


# baselines that are not there, or not comparable


def test_the_first_pull_request_ever_is_judged_by_minima_and_checks() -> None:
    absent = Absent(name="main", absent="main has no pipeline yet")
    verdict = judge(compared(absent))
    assert verdict.passed
    assert verdict.reason == (
        "minima and checks pass; main has no pipeline yet, so nothing was compared"
    )
    assert Gate(
        "against main", True, "no baseline", "with a baseline", "main has no pipeline yet"
    ) in (verdict.gates)
    low = replace(compared(absent), metrics=metrics(roc_auc=0.5, average_precision=0.7))
    assert failed(judge(low)) == ["minimum of ROC AUC"]
    crashed = replace(compared(absent), checks=checks(ALL_RAN[1:]))
    assert failed(judge(crashed)) == ["deepchecks"]


@pytest.mark.parametrize("absent_first", [True, False])
def test_what_one_baseline_lacks_is_not_said_of_another(absent_first: bool) -> None:
    absent = Absent(name="Production", absent="no version is in Production yet")
    entries = [absent, entry()] if absent_first else [entry(), absent]
    verdict = judge(compared(*entries))
    assert verdict.passed
    assert verdict.reason.startswith("no worse than main within the margin: ROC AUC +0.0075")
    bad = entry(metrics=[difference("roc_auc", -1, -0.5), difference("cost", 0, 0)])
    assert not judge(compared(absent, bad)).passed


def test_a_baseline_that_cannot_be_compared_blocks_and_the_reason_says_the_way_out() -> None:
    one = only_failure(judge(compared(incomparable("other customers"))))
    assert one.name == "against main"
    assert one.reason.startswith("other customers; if this change replaces the table on purpose")
    assert "set gates.accept to the md5 in its data.dvc" in one.reason


def test_a_baseline_that_cannot_be_compared_may_be_accepted_for_this_table() -> None:
    entries = [incomparable("other customers")]
    verdict = judge(compared(*entries), accepted=True)
    assert verdict.passed
    assert "not comparable, as this change accepts" in verdict.reason
    bad = entry(name="Production", metrics=[])
    assert not judge(compared(*entries, bad), accepted=True).passed


REPLACED = {"accepted": True, "replaced": True}


def replaced(**others: Any) -> Results:
    return replace(compared(incomparable("other customers")), metrics=metrics(**others))


def both_limits() -> list[Limits]:
    lower = OWN.model_copy(update={"gates": GATES.model_copy(update={"minima": {"roc_auc": 0.6}})})
    return [mains(minima={"roc_auc": 0.9}), lower]


def test_of_a_table_that_replaces_main_s_a_person_decides_by_its_own_limits() -> None:
    verdict = gate.judge(replaced(roc_auc=0.7), both_limits(), **REPLACED)
    assert verdict.passed and verdict.undecided
    assert verdict.reason == (
        "the table was replaced, main's model cannot be compared on it, and this change was judged"
        " by its own limits; by main's, ROC AUC is 0.700, below the minimum of 0.9"
    )
    [open_] = [one for one in verdict.gates if one.undecided]
    assert (open_.name, open_.passed) == ("minimum of ROC AUC, main's limits", True)


def test_a_table_that_replaces_main_s_and_keeps_its_limits_is_as_before() -> None:
    verdict = gate.judge(replaced(roc_auc=0.95), both_limits(), **REPLACED)
    assert verdict.passed and not verdict.undecided
    assert "not comparable, as this change accepts" in verdict.reason


def test_of_a_table_that_replaces_main_s_its_own_limits_block() -> None:
    low = gate.judge(replaced(roc_auc=0.5), both_limits(), **REPLACED)
    assert failed(low) == ["minimum of ROC AUC, its own limits"]
    assert not low.undecided
    crashed = replace(replaced(roc_auc=0.95), checks=checks(ALL_RAN[1:]))
    assert not gate.judge(crashed, both_limits(), **REPLACED).passed
    # What could not be computed by main's limits blocks.
    main, own = both_limits()
    main = main.model_copy(update={"checks": CHECKS.model_copy(update={"max_rows": 99_999})})
    lost = gate.judge(replaced(roc_auc=0.7), [main, own], **REPLACED)
    assert failed(lost) == ["deepchecks, main's limits"]
    for report, passed in (
        ([*ALL_RAN[1:], ran("data_integrity", "Nulls", "failed")], True),
        ([*ALL_RAN[1:], ran("data_integrity", "Nulls", "crashed")], False),
        (ALL_RAN[1:], False),
    ):
        found = replace(replaced(roc_auc=0.7), main_checks=checks(report))
        verdict = gate.judge(found, [main, own], **REPLACED)
        assert (failed(verdict) == []) is passed
        assert verdict.undecided is passed
    undefined = gate.judge(replaced(roc_auc=None), both_limits(), **REPLACED)
    assert "minimum of ROC AUC, main's limits" in failed(undefined)
    # The same limits as main's are its own.
    [main, _] = both_limits()
    assert failed(gate.judge(replaced(roc_auc=0.7), [main], **REPLACED)) == ["minimum of ROC AUC"]


def test_what_another_task_cannot_have_asks_a_person() -> None:
    main, own = both_limits()
    main = main.model_copy(
        update={"task": "regression", "checks": CHECKS.model_copy(update={"max_rows": 99_999})}
    )
    verdict = gate.judge(replaced(roc_auc=0.7), [main, own], **REPLACED)
    assert verdict.passed and verdict.undecided
    assert verdict.reason == (
        "the table was replaced, and its task is binary, not regression: main's model and limits"
        " say nothing about it, and this change was judged by its own limits"
    )
    [open_] = [one for one in verdict.gates if one.undecided]
    assert (open_.name, open_.value) == ("minima and checks, main's limits", "of regression")
    # Its own limits block, and without the permission so does another task.
    low = gate.judge(replaced(roc_auc=0.5), [main, own], **REPLACED)
    assert failed(low) == ["minimum of ROC AUC, its own limits"]
    for others in ({"accepted": False, "replaced": True}, {"accepted": True, "replaced": False}):
        blocked = gate.judge(replaced(roc_auc=0.7), [main, own], **others)
        assert "minima and checks, main's limits" in failed(blocked)
        assert "main's minima and checks are of task regression, and this change of binary" in {
            one.reason for one in blocked.gates
        }


@pytest.mark.parametrize(
    "others",
    [
        {"accepted": False, "replaced": True},  # without the permission
        {"accepted": True, "replaced": False},  # its columns are there: of the same customers
        {},
    ],
)
def test_main_s_limits_block_where_the_table_does_not_replace_main_s(others: Any) -> None:
    verdict = gate.judge(replaced(roc_auc=0.7), both_limits(), **others)
    assert "minimum of ROC AUC, main's limits" in failed(verdict)


@pytest.mark.parametrize(
    ("exams", "asks"),
    [
        ({"main": True, "own": True}, False),
        ({"main": False, "own": True}, False),
        ({"main": True}, False),
        # On main's customers the columns that only the change has are missing ones.
        ({"main": True, "own": False}, True),
        ({"main": False, "own": False}, True),
    ],
)
def test_main_s_limits_ask_only_where_its_model_was_not_compared_on_these_customers(
    exams: dict[Any, bool], asks: bool
) -> None:
    entries: list[Entry] = [
        entry(kind="revision", exam=exam)
        if is_compared
        else replace(incomparable("no such column"), exam=exam)
        for exam, is_compared in exams.items()
    ]
    found = replace(compared(*entries), metrics=metrics(roc_auc=0.7))
    verdict = gate.judge(found, both_limits(), **REPLACED)
    assert verdict.undecided is asks
    assert ("minimum of ROC AUC, main's limits" not in failed(verdict)) is asks


def test_that_production_cannot_be_compared_says_nothing_of_main() -> None:
    production = replace(incomparable("no such column"), name="Production", kind="production")
    found = replace(compared(production), metrics=metrics(roc_auc=0.7))
    verdict = gate.judge(found, both_limits(), **REPLACED)
    assert "minimum of ROC AUC, main's limits" in failed(verdict)


# whose exam, and whose limits

WORSE = [difference("roc_auc", -0.3, -0.1, word="worse"), difference("cost", -0.05, 0.02)]


NO_MINIMA = GATES.model_copy(update={"minima": {}})


def both_exams(on_main: list[Difference], on_own: list[Difference]) -> Results:
    return compared(
        entry(kind="revision", exam="main", limits="own", metrics=on_main),
        entry(kind="revision", exam="own", limits="own", metrics=on_own),
    )


def test_worse_on_the_customers_of_main_blocks_however_good_it_is_on_its_own() -> None:
    better = [difference("roc_auc", 0.1, 0.2, word="better"), difference("cost", -0.05, 0.02)]
    verdict = judge(both_exams(WORSE, better), NO_MINIMA)
    assert "ROC AUC against main on main's customers" in failed(verdict)
    assert "worse than main on main's customers" in verdict.reason
    assert "slices against main on its own customers" not in failed(verdict)


def test_worse_on_its_own_customers_blocks_as_well_whatever_is_accepted() -> None:
    good = entry().metrics
    for accepted in (False, True):
        verdict = judge(both_exams(good, WORSE), NO_MINIMA, accepted=accepted)
        assert failed(verdict) == ["ROC AUC against main on its own customers"]


def test_what_is_worse_on_the_customers_of_main_may_be_accepted_for_this_table() -> None:
    verdict = judge(both_exams(WORSE, entry().metrics), NO_MINIMA, accepted=True)
    assert verdict.passed
    assert verdict.reason.startswith("worse than main, as this change accepts for its table")
    assert any("accepted for this table by gates.accept" in g.reason for g in verdict.gates)


def test_one_exam_is_never_accepted_worse() -> None:
    alone = entry(kind="revision", exam="main", limits="own", metrics=WORSE)
    assert failed(judge(compared(alone), accepted=True)) == ["ROC AUC against main"]


def test_below_a_minimum_on_the_customers_of_main_blocks() -> None:
    low = [difference("roc_auc", -0.005, 0.02, candidate=0.6), entry().metrics[1],
           difference("average_precision", 0, 0)]  # fmt: skip
    verdict = judge(both_exams(low, entry().metrics))
    assert "minimum of ROC AUC on main's customers" in failed(verdict)
    assert "ROC AUC on main's customers is 0.600, below the minimum" in verdict.reason


def test_a_change_is_judged_by_the_limits_of_main_when_it_loosens_them() -> None:
    low = results(metrics=metrics(roc_auc=0.7, average_precision=0.61))
    looser = GATES.model_copy(update={"minima": {"roc_auc": 0.6, "average_precision": 0.6}})
    assert judge(low, looser).passed
    verdict = judge(low, looser, main=mains())
    assert failed(verdict) == ["minimum of ROC AUC, main's limits"]
    assert "minimum of ROC AUC, its own limits" in {one.name for one in verdict.gates}
    # What both ask for alike is asked once.
    assert [one.name for one in verdict.gates].count("minimum of average precision") == 1


def test_a_limit_that_the_change_takes_out_is_kept() -> None:
    low = results(metrics=metrics(roc_auc=0.7, average_precision=0.61))
    without = GATES.model_copy(update={"minima": {"average_precision": 0.6}})
    assert failed(judge(low, without, main=mains())) == ["minimum of ROC AUC, main's limits"]


def test_a_change_is_judged_by_its_own_limits_when_it_tightens_them() -> None:
    tighter = GATES.model_copy(update={"minima": {"roc_auc": 0.9}})
    verdict = judge(results(), tighter, main=mains())
    assert failed(verdict) == ["minimum of ROC AUC, its own limits"]


def test_a_comparison_counts_for_the_limits_that_it_was_made_with() -> None:
    good, bad = entry(limits="own"), entry(limits="main", metrics=WORSE)
    verdict = judge(compared(bad, good), main=mains())
    assert failed(verdict) == ["ROC AUC against main, main's limits"]


def test_the_checks_of_main_are_needed_where_the_change_has_others() -> None:
    fewer = CHECKS.model_copy(update={"train_test": listed("Other")})
    own = OWN.model_copy(update={"checks": fewer})
    ran_own = [one for one in ALL_RAN if one.check != "Drift"] + [ran("train_test", "Other")]
    main = OWN.model_copy(update={"whose": "main"})
    found = results(checks=checks(ran_own))
    assert "did not run" not in gate.judge(found, [own]).reason
    assert failed(gate.judge(found, [main, own])) == ["deepchecks, main's limits"]
    failing = [*ALL_RAN[:3], ran("train_test", "Drift", "failed"), *ALL_RAN[4:]]
    verdict = gate.judge(replace(found, main_checks=checks(failing)), [main, own])
    assert verdict.reason == "deepchecks: Drift failed"
    assert gate.judge(replace(found, main_checks=checks(ALL_RAN)), [main, own]).passed


def test_limits_that_moved_are_told_with_the_verdict() -> None:
    assert judge(results(), moved=["gates.minima.roc_auc"]).moved == ("gates.minima.roc_auc",)


# checks


@pytest.mark.parametrize("status", ["failed", "crashed"])
@pytest.mark.parametrize("position", range(len(ALL_RAN)))
def test_each_check_has_to_pass(position: int, status: Status) -> None:
    found = list(ALL_RAN)
    found[position] = found[position].model_copy(update={"status": status})
    one = only_failure(judge(results(checks=checks(found))))
    word = "crashed" if status == "crashed" else "failed"
    assert one.name == "deepchecks"
    assert one.reason == f"deepchecks: {found[position].check} {word}"
    assert one.value == "4 of 5 passed"


@pytest.mark.parametrize("position", range(len(ALL_RAN)))
def test_each_listed_check_has_to_have_run(position: int) -> None:
    found = [one for i, one in enumerate(ALL_RAN) if i != position]
    one = only_failure(judge(results(checks=checks(found))))
    assert one.reason == f"checks that did not run: {ALL_RAN[position].check}"


def test_a_check_of_another_suite_does_not_stand_in() -> None:
    found = [*ALL_RAN[:-1], ran("train_test", "Twice")]
    one = only_failure(judge(results(checks=checks(found))))
    assert one.reason == "checks that did not run: Twice"


@pytest.mark.parametrize("found", [None, checks([])])
def test_without_results_of_the_checks_there_is_no_passing(found: Checks | None) -> None:
    assert failed(judge(results(checks=found))) == ["deepchecks"]


def test_a_check_that_nobody_has_listed_may_not_fail_either() -> None:
    found = [*ALL_RAN, ran("model", "Extra", "failed")]
    assert failed(judge(results(checks=checks(found)))) == ["deepchecks"]


def test_crashed_and_failed_checks_are_told_apart() -> None:
    found = list(ALL_RAN)
    found[0], found[3] = (
        ran("data_integrity", "Nulls", "failed"),
        ran("train_test", "Drift", "crashed"),
    )
    one = only_failure(judge(results(checks=checks(found))))
    assert one.reason == "deepchecks: Drift crashed; Nulls failed"


# the reason


def test_the_reason_is_that_of_the_most_serious_kind_and_counts_the_others() -> None:
    found = results(stale=["train: x"], checks=None, metrics=None)
    verdict = judge(found)
    assert verdict.reason.startswith("dvc.lock is stale")
    assert verdict.reason.endswith(" (and 3 more)")


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("better", "better than main: ROC AUC"),
        ("worse", "a little worse than main, within the margin: ROC AUC"),
        ("inconclusive", "no worse than main within the margin: ROC AUC"),
        ("identical", "no worse than main within the margin: ROC AUC"),
    ],
)
def test_the_reason_to_merge_is_what_the_first_gated_metric_says(word: str, said: str) -> None:
    found = [difference("roc_auc", -0.005, 0.02, word=word), difference("cost", 0, 0.01)]
    assert judge(compared(entry(metrics=found))).reason.startswith(said)


def test_the_same_bytes_are_said_to_be_the_same() -> None:
    verdict = judge(compared(entry(model_digest=DIGEST)))
    assert verdict.reason == "the model is main's, byte for byte"


@pytest.mark.parametrize(
    ("metric", "expected"), [("roc_auc", (-0.02, 0.01)), ("cost", (-0.01, 0.02))]
)
def test_a_loss_is_positive_where_the_candidate_is_worse(
    metric: str, expected: tuple[float, float]
) -> None:
    assert difference(metric, -0.01, 0.02).loss_interval == expected


def test_what_was_stopped_does_not_pass_and_says_why() -> None:
    verdict = outcome.stopped("no data")
    assert (verdict.passed, verdict.outcome, verdict.reason) == (False, "stopped", "no data")
    assert failed(verdict) == ["pipeline"]


def test_what_is_unchanged_passes_and_judges_nothing() -> None:
    verdict = outcome.unchanged("origin/main")
    assert (verdict.passed, verdict.outcome, verdict.gates) == (True, "unchanged", ())
    assert verdict.reason.startswith("no change to the model")
    assert "origin/main" in verdict.reason


_REMOVED: list[Callable[[Results], Results]] = [
    lambda found: replace(found, stale=None),
    lambda found: replace(found, metrics=None),
    lambda found: replace(found, checks=None),
    lambda found: replace(found, comparison=None),
    lambda found: replace(found, model_digest=None),
]


@pytest.mark.parametrize("remove", _REMOVED)
def test_each_result_is_needed(remove: Callable[[Results], Results]) -> None:
    assert judge(results()).passed
    assert not judge(remove(results())).passed


@pytest.mark.parametrize("outputs", [None, Outputs("other", ("build/model: another",))])
def test_results_that_the_inputs_do_not_give_are_blocked(outputs: Outputs | None) -> None:
    one = only_failure(judge(results(outputs=outputs)))
    assert one.name == "committed results"
    assert "build/model: another" in one.reason or outputs is None


def test_what_main_has_made_otherwise_is_judged_as_new() -> None:
    production = entry(kind="production", name="Production")
    found = replace(compared(production), outputs=Outputs("other", ("build/model: another",)))
    verdict = judge(found, release=True)
    [one] = [one for one in verdict.gates if one.name == "committed results"]
    assert (one.passed, one.value) == (True, "judged as new")
    assert failed(judge(replace(found, metrics=None), release=True))
    assert failed(judge(replace(found, outputs=None), release=True)) == ["committed results"]


def test_what_no_commit_has_yet_is_said_to_be_compared_with_nothing() -> None:
    [one] = [g for g in judge(results(outputs=Outputs("uncommitted"))).gates
             if g.name == "committed results"]  # fmt: skip
    assert (one.passed, one.value) == (True, "none yet")


def test_how_far_results_of_another_machine_may_differ_is_said() -> None:
    verdict = judge(results(outputs=Outputs("rounded", ("within 0.001",))))
    [one] = [one for one in verdict.gates if one.name == "committed results"]
    assert (one.passed, one.value) == (True, "equal within rounding")
    assert "within 0.001" in one.reason


def test_a_comparison_with_production_alone_is_not_enough() -> None:
    alone = entry(name="Production", kind="production")
    one = only_failure(judge(compared(alone)))
    assert "compared with Production only" in one.reason
    assert judge(compared(entry(kind="revision"), alone)).passed


@pytest.mark.parametrize(("fall", "blocked"), [(0.4, True), (0.01, False)])
def test_a_slice_that_falls_without_an_interval_is_blocked(fall: float, blocked: bool) -> None:
    bare = Difference("roc_auc", 0.9, 0.9 - fall, -fall, lower=None, upper=None, word=None)
    verdict = judge(compared(entry(slices=[part(bare, difference("brier", 0.0, 0.0))])))
    assert failed(verdict) == (["slices against main"] if blocked else [])


def test_of_a_stale_lock_the_committed_results_are_not_judged() -> None:
    verdict = judge(results(stale=["train: src"], outputs=None))
    assert failed(verdict) == ["dvc.lock"]
    assert "committed results" not in {one.name for one in verdict.gates}
