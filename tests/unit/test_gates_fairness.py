"""The gate for protected slices: what it must block, and by whose limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

from churn.core import params
from churn.core.errors import ParamsError
from churn.core.params import Limits, MulticlassDecision, RegressionDecision
from churn.core.shapes import to_json
from churn.evaluation.group_gaps import TITLES, Fairness, Gap, Group
from churn.review import fairness, gate, gates_fairness, limits
from churn.review.comparison import Absent, Comparison
from churn.review.exam import Exam
from churn.review.gate import Results
from churn.review.outcome import Gate
from churn.review.report import fairness as report
from tests.conftest import PARAMS
from tests.unit.report.samples import facts
from tests.unit.report.test_markdown import render

SETTINGS = params.load(PARAMS)
REGRESSION_DECISION = RegressionDecision(
    coverage=0.9, cost_too_low=1.0, cost_too_high=1.0, folds=5, max_rows=1000
)
MULTICLASS_DECISION = MulticlassDecision(costs={}, folds=5, max_rows=1000)
# What is asked of a candidate: where its labels are, and its threshold.
CANDIDATE: Any = SimpleNamespace(settings=SETTINGS, rule=0.4)


def judging(most: dict[str, float], whose: str = "own", **slices: Any) -> Limits:
    own = limits.own(SETTINGS)
    wanted = own.evaluation.slices.model_copy(
        update={"numeric": ("age",), "protected": ("age",), "bins": 2, "min_rows": 50} | slices
    )
    return own.model_copy(
        update={
            "whose": whose,
            "gates": own.gates.model_copy(update={"fairness": most}),
            "evaluation": own.evaluation.model_copy(update={"slices": wanted}),
        }
    )


def gap(difference: float | None, half: float | None, metric: str = "selection_rate") -> Gap:
    ends = (None, None)
    if difference is not None and half is not None:
        ends = (difference - half, difference + half)
    return Gap(metric, "<= 40", "> 40", difference, *ends, p=0.5)


def found(*gaps: Gap, **others: Any) -> Fairness:
    values = {"column": "age", "exam": "own", "limits": "own", "gaps": list(gaps)}
    return Fairness(**(values | others))


def judged(*measured: Fairness, most: dict[str, float] | None = None) -> list[Gate]:
    return list(gates_fairness.judge(measured, judging(most or {"selection_rate": 0.1})))


@pytest.mark.parametrize("sign", [1, -1])
def test_a_gap_that_is_surely_larger_than_its_limit_blocks(sign: int) -> None:
    [one] = judged(found(gap(sign * 0.3, 0.1)))
    assert not one.passed and not one.undecided
    assert one.name == "fairness"
    assert one.limit == "Selection rate by at most 0.1"
    assert f"age <= 40 and > 40: Selection rate {sign * 0.3:+.3f}" in one.reason


@pytest.mark.parametrize("size", [0.05, 0.1, 0.15])
def test_a_gap_that_may_be_within_its_limit_passes(size: float) -> None:
    [one] = judged(found(gap(size, 0.1)))
    assert one.passed
    assert one.value == "none of 1 gaps beyond a limit"
    assert one.reason.endswith(f"each may be up to {size + 0.1:.3g} in Selection rate")


def test_many_gaps_are_judged_together() -> None:
    nearly = gap(0.2, 0.09)  # p = 0.015 beyond 0.1
    assert not judged(found(nearly))[0].passed
    assert judged(found(nearly, *[gap(0.0, 0.1)] * 9))[0].passed
    assert not judged(found(gap(0.4, 0.09), *[gap(0.0, 0.1)] * 9))[0].passed


@pytest.mark.parametrize(
    ("measured", "reason"),
    [
        ([], "the protected slices were not measured; run churn compare again"),
        ([found(problem="they are lost")], "age: they are lost"),
        ([found()], "age: Selection rate was not measured"),
        ([found(gap(0.0, 0.1, "recall"))], "age: Selection rate was not measured"),
        ([found(gap(None, None))], "age <= 40 and > 40: Selection rate is undefined"),
        ([found(gap(0.0, None))], "age <= 40 and > 40: Selection rate has no interval"),
        ([found(gap(0.0, 0.1), column="shop")], "age: it was not measured"),
    ],
)
def test_what_could_not_be_measured_blocks(measured: list[Fairness], reason: str) -> None:
    [one] = judged(*measured)
    assert not one.passed
    assert one.reason.endswith(reason)


def test_without_limits_nothing_is_judged() -> None:
    assert not list(gates_fairness.judge([found(problem="lost")], judging({})))


def test_each_exam_is_judged() -> None:
    own, main = judged(found(gap(0.0, 0.1)), found(gap(0.5, 0.1), exam="main"))
    assert own.passed and own.name == "fairness on its own customers"
    assert not main.passed and main.name == "fairness on main's customers"


def verdict_of(
    measured: list[Fairness], judged_by: list[Limits], **others: bool
) -> dict[str, Gate]:
    entry = Absent(name="main", absent="main has no pipeline yet")
    comparison = Comparison(model_digest="c" * 64, baselines=[entry], fairness=measured)
    results = Results(metrics=None, checks=None, comparison=comparison, model_digest="c" * 64)
    verdict = gate.judge(results, judged_by, **others)
    return {one.name: one for one in verdict.gates if one.name.startswith("fairness")}


def test_main_s_limits_decide_beside_the_change_s_own() -> None:
    """A change that lifts its own limit is still judged by main's."""
    measured = [found(gap(0.3, 0.1), limits=whose) for whose in ("main", "own")]
    by = [judging({"selection_rate": 0.1}, "main"), judging({"selection_rate": 0.9})]
    gates = verdict_of(measured, by)
    assert not gates["fairness, main's limits"].passed
    assert gates["fairness, its own limits"].passed

    unprotected = judging({}, protected=())
    gates = verdict_of([measured[0]], [by[0], unprotected])
    assert not gates["fairness, main's limits"].passed

    # Measured by other limits only: main's columns were not looked at.
    gates = verdict_of([measured[1]], by)
    assert "not measured" in gates["fairness, main's limits"].reason


@pytest.mark.parametrize("order", [1, -1])
def test_a_release_judges_what_its_own_limits_measured(order: int) -> None:
    """A column that main's old limits name may be gone; main accepted that with the merge."""
    main, own = judging({}, "main"), judging({"selection_rate": 0.1})
    measured = [found(problem="lost", limits="main"), found(gap(0.0, 0.1))][::order]
    assert all(one.passed for one in verdict_of(measured, [main, own]).values())
    assert verdict_of(measured, [own], release=True, again=True)["fairness"].passed

    bad = [replace(one, problem=None, gaps=[gap(0.0, 0.1)]) for one in measured]
    bad = [found(gap(0.5, 0.1)) if one.limits == "own" else one for one in bad]
    assert not verdict_of(bad, [own], release=True, again=True)["fairness"].passed
    # Measured by main's limits only.
    alone = [found(gap(0.5, 0.1), limits="main")]
    assert not verdict_of(alone, [own], release=True, again=True)["fairness"].passed


def test_a_comparison_of_another_model_is_ignored() -> None:
    entry = Absent(name="main", absent="main has no pipeline yet")
    comparison = Comparison(
        model_digest="d" * 64, baselines=[entry], fairness=[found(gap(0.0, 0.1))]
    )
    results = Results(metrics=None, checks=None, comparison=comparison, model_digest="c" * 64)
    verdict = gate.judge(results, [judging({"selection_rate": 0.1})])
    [one] = [one for one in verdict.gates if one.name == "fairness"]
    assert not one.passed and "not measured" in one.reason


def test_a_table_that_is_accepted_may_break_main_s_exam_only() -> None:
    measured = [found(gap(0.5, 0.1), exam=exam) for exam in ("main", "own")]
    by = [judging({"selection_rate": 0.1})]
    gates = verdict_of(measured, by, accepted=True)
    assert gates["fairness on main's customers"].passed
    assert "accepted for this table" in gates["fairness on main's customers"].reason
    assert not gates["fairness on its own customers"].passed
    assert not verdict_of(measured, by)["fairness on main's customers"].passed
    assert not verdict_of(measured[1:], by, accepted=True)["fairness"].passed


# what is measured


@pytest.fixture(scope="module")
def unfair() -> Exam:
    """Return customers of whom the older half is predicted to churn far more often."""
    rng = np.random.default_rng(2)
    age = rng.integers(20, 60, 2000).astype(float)
    risk = np.where(age > 39, 0.45, 0.15)
    rows = pd.DataFrame({"age": age, "churned": (rng.random(2000) < 0.3).astype(int)})
    said = rng.random(2000) * 0.1 + risk
    return Exam("own", rows.assign(shop="x"), said, rows)


def test_an_unfair_model_is_blocked(unfair: Exam) -> None:
    by = judging({"selection_rate": 0.2, "recall": 0.2, "calibration": 0.1})
    measured = fairness.measure(unfair, by, CANDIDATE)
    [one] = measured
    assert [group.rows for group in one.groups] == pytest.approx([1000, 1000], abs=80)
    assert [group.values["selection_rate"] for group in one.groups] == [0.0, 1.0]
    assert all(gap.significant for gap in one.gaps)
    [blocked] = gates_fairness.judge(measured, by)
    assert not blocked.passed
    assert blocked.value == "3 of 3 gaps beyond a limit"


def test_a_fair_one_passes(unfair: Exam) -> None:
    by = judging({"selection_rate": 0.1, "recall": 0.1, "calibration": 0.1})
    said = np.random.default_rng(3).random(2000) * 0.6
    fair = replace(unfair, scores=said)
    measured = fairness.measure(fair, by, CANDIDATE)
    [one] = gates_fairness.judge(measured, by)
    assert one.passed, one.reason


def other_task(task: str, decision: Any, scores: np.ndarray, rule: Any, **most: float) -> Gate:
    """Judge a model of another task on customers of two shops."""
    shops = np.array(["east", "west"] * 500)
    # The first 500 customers of the east and the west alternate between three labels.
    rows = pd.DataFrame({"shop": shops, "churned": np.arange(1000) // 2 % 3})
    by = judging(most, numeric=(), categorical=("shop",), protected=("shop",))
    by = by.model_copy(update={"task": task, "decision": decision})
    data = SETTINGS.data.model_copy(update={"classes": ("low", "mid", "high")})
    settings = SETTINGS.model_copy(update={"task": task, "data": data})
    candidate: Any = SimpleNamespace(settings=settings, rule=rule)
    measured = fairness.measure(Exam("own", rows, scores, rows), by, candidate)
    [gate] = gates_fairness.judge(measured, by)
    return gate


@pytest.mark.parametrize(
    ("most", "blocks"),
    [
        ({"mean_prediction": 0.5}, "shop east and west: Mean prediction -1.00"),
        ({"mae": 0.5}, "shop east and west: MAE -0.96"),
        ({"calibration": 0.5}, "shop east and west: Calibration -1.00"),
        ({"mae": 1.2}, None),
    ],
)
def test_numbers_are_judged(most: dict[str, float], blocks: str | None) -> None:
    west, y = np.arange(1000) % 2, np.arange(1000) // 2 % 3
    scores = y + west + np.random.default_rng(1).normal(0, 0.05, 1000) * (1 - west)
    one = other_task("regression", REGRESSION_DECISION, scores, 0.5, **most)
    assert one.passed == (blocks is None)
    assert blocks is None or blocks in one.reason


@pytest.mark.parametrize("most", [{"recall": 0.3}, {"selection_rate": 0.2}, {"calibration": 0.1}])
def test_each_class_is_judged(most: dict[str, float]) -> None:
    """In the west nobody is predicted to be high."""
    west, y = np.arange(1000) % 2, np.arange(1000) // 2 % 3
    scores = np.eye(3)[np.where((west == 1) & (y == 2), 0, y)] * 0.7 + 0.1
    one = other_task("multiclass", MULTICLASS_DECISION, scores, (1.0, 1.0, 1.0), **most)
    assert not one.passed
    assert f"{TITLES[next(iter(most))]} of high" in one.reason
    fair = np.eye(3)[y] * 0.7 + 0.1
    assert other_task("multiclass", MULTICLASS_DECISION, fair, (1.0, 1.0, 1.0), **most).passed


def test_a_class_of_few_customers_blocks_a_limit_on_recall_and_is_named() -> None:
    few = Group("west", 500, 9, {"recall": None}, "high")
    many = Group("east", 500, 90, {"recall": 0.5}, "high")
    [one] = judged(
        found(replace(gap(None, None, "recall"), of="high"), groups=[few, many]),
        most={"recall": 0.5},
    )
    assert not one.passed
    assert one.reason.endswith(
        "age west: Recall of high is undefined, 9 customers of it, fewer than 10"
    )


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda exam: replace(exam, problem="they are lost"), "they are lost"),
        (
            lambda exam: replace(exam, rows=exam.rows.drop(columns="age")),
            "the customers have no column 'age'",
        ),
        (
            lambda exam: replace(exam, rows=exam.rows.head(80), scores=exam.scores[:80]),
            "fewer than two slices of 'age' have 50 customers",
        ),
    ],
)
def test_what_cannot_be_measured_says_why_and_blocks(
    change: Callable[[Exam], Exam], problem: str, unfair: Exam
) -> None:
    by = judging({"recall": 0.2})
    [one] = fairness.measure(change(unfair), by, CANDIDATE)
    assert one.problem == problem
    [blocked] = gates_fairness.judge([one], by)
    assert not blocked.passed


def test_limits_of_another_task_cannot_be_judged_and_block(unfair: Exam) -> None:
    by = judging({"recall": 0.2})
    numbers = SimpleNamespace(settings=SETTINGS.model_copy(update={"task": "regression"}), rule=0.4)
    [one] = fairness.measure(unfair, by, cast("Any", numbers))
    assert one.problem == "these limits are of task: binary"
    [blocked] = gates_fairness.judge([one], by)
    assert not blocked.passed


def test_a_slice_in_which_nobody_churned_has_no_recall_and_blocks(unfair: Exam) -> None:
    by = judging({"recall": 0.2})
    rows = unfair.rows.assign(churned=np.where(unfair.rows["age"] > 39, unfair.rows["churned"], 0))
    [blocked] = gates_fairness.judge(
        fairness.measure(replace(unfair, rows=rows), by, CANDIDATE), by
    )
    assert not blocked.passed
    assert "Recall is undefined" in blocked.reason


@pytest.mark.parametrize("n", [1, 3, 9, 10])
def test_a_slice_in_which_few_churned_blocks_a_limit_on_recall_only(n: int, unfair: Exam) -> None:
    churned, old = unfair.rows["churned"].to_numpy().copy(), unfair.rows["age"].to_numpy() > 39
    churned[np.flatnonzero(old & (churned == 1))[n:]] = 0
    rows = unfair.rows.assign(churned=churned)
    by = judging({"recall": 1.0, "selection_rate": 1.0})
    measured = fairness.measure(replace(unfair, rows=rows), by, CANDIDATE)
    [one] = gates_fairness.judge(measured, by)
    if n == 10:
        assert one.passed
        return
    assert not one.passed
    few = f"Recall is undefined, {n} customer{'' if n == 1 else 's'} churned, fewer than 10"
    assert few in one.reason and few in one.value and "age >" in one.value
    [other] = gates_fairness.judge(measured, judging({"selection_rate": 1.0}))
    assert other.passed


def by_shop(exam: Exam, **held_out: int) -> Exam:
    """Return an exam in which so many held-out customers of a shop are left."""
    shops = np.array(["north", "south", "west"] * len(exam.train))[: len(exam.train)]
    kept = [rows.head(held_out.get(shop, len(rows))) for shop, rows in exam.rows.groupby(shops)]
    labels = np.repeat(sorted({*shops}), [len(rows) for rows in kept])
    rows = pd.concat(kept).assign(shop=labels)
    return replace(
        exam,
        train=exam.train.assign(shop=shops),
        rows=rows,
        scores=exam.scores[rows.index],
    )


@pytest.mark.parametrize("n", [49, 1, 0])
def test_a_slice_that_has_become_small_or_has_vanished_blocks(n: int, unfair: Exam) -> None:
    by = judging({"recall": 0.9}, numeric=(), categorical=("shop",), protected=("shop",))
    said = np.random.default_rng(3).random(2000) * 0.6
    fair = replace(unfair, scores=said)
    [all_there] = gates_fairness.judge(fairness.measure(by_shop(fair), by, CANDIDATE), by)
    assert all_there.passed

    measured = fairness.measure(by_shop(fair, west=n), by, CANDIDATE)
    [one] = gates_fairness.judge(measured, by)
    assert not one.passed and not one.undecided
    assert one.value.startswith("unknown: shop west: ")
    assert f"shop west: {n or 'no'} customer" in one.reason
    assert f"Too small to be measured: `west` ({n} customers)." in report.section(measured)

    unlimited = judging({}, numeric=(), categorical=("shop",), protected=("shop",))
    assert not list(gates_fairness.judge(measured, unlimited))


def test_a_slice_that_is_too_small_does_not_hide_a_gap(unfair: Exam) -> None:
    lost = found(gap(0.3, 0.1), small={"west": 3})
    [one] = judged(lost)
    assert not one.passed
    assert one.value == "1 of 1 gaps beyond a limit"
    assert one.reason.endswith("not judged: age west: 3 customers held out, fewer than min_rows")


def test_few_missing_values_and_new_ones_are_said_and_do_not_block(unfair: Exam) -> None:
    by = judging({"recall": 0.9}, numeric=(), categorical=("shop",), protected=("shop",))
    exam = by_shop(unfair)
    shops = exam.rows["shop"].mask(np.arange(len(exam.rows)) % 100 == 0)
    shops = shops.mask(np.arange(len(exam.rows)) % 100 == 1, "new")
    measured = fairness.measure(replace(exam, rows=exam.rows.assign(shop=shops)), by, CANDIDATE)
    assert (measured[0].small, measured[0].skipped) == ({}, 2)
    assert "Too small to be measured: 2." in report.section(measured)
    [one] = gates_fairness.judge(measured, by)
    assert one.passed


def test_a_bin_that_no_training_row_is_in_is_not_asked_for(unfair: Exam) -> None:
    by = judging({"recall": 0.9}, bins=4)
    ages = np.where(np.arange(2000) % 2, 1.0, 0.0)  # the quantiles are 0, 0.5 and 1: none is above
    exam = replace(unfair, rows=unfair.rows.assign(age=ages), train=unfair.train.assign(age=ages))
    [one] = fairness.measure(exam, by, CANDIDATE)
    assert len(one.groups) == 2 and not one.small


# params.yaml and the report


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"evaluation.slices.protected": ["wealth"]}, "column 'wealth' is not among numeric"),
        (
            {"evaluation.slices.protected": [], "gates.fairness": {"recall": 0.1}},
            "gates.fairness: evaluation.slices.protected names no column",
        ),
        ({"gates.fairness": {"roc_auc": 0.1}}, "gates.fairness.roc_auc"),
        ({"gates.fairness": {"recall": -0.1}}, "gates.fairness.recall"),
    ],
)
def test_limits_that_cannot_be_kept_are_refused(overrides: dict[str, Any], said: str) -> None:
    with pytest.raises(ParamsError, match=said):
        params.load(PARAMS, overrides)


def test_the_report_shows_slices_and_the_largest_gaps(unfair: Exam) -> None:
    [one] = fairness.measure(unfair, judging({}), CANDIDATE)
    text = report.section([one])
    assert "| slice | customers | churned | Selection rate | Recall | Calibration |" in text
    assert "| Selection rate | `<= 39" in text or "| Selection rate | `<= 40" in text
    assert text.count("**significant**") == 3
    assert "tested together (Holm's correction): 3." in text
    assert report.section([]) == ""
    assert report.section([one, replace(one, limits="main")]) == text
    lost = report.section([replace(one, problem="lost"), replace(one, exam="main")])
    assert "could not be measured: lost." in lost
    assert "on main's held-out customers, by this change's limits" in lost


def test_the_report_shows_a_significant_gap_before_a_larger_one() -> None:
    large = Gap("recall", "a", "b", -0.4, -0.9, 0.1, 0.1)
    sure = Gap("recall", "a", "c", 0.2, 0.15, 0.25, 1e-9, significant=True)
    smaller = replace(sure, first="b", difference=0.19)
    text = report.section([found(large, sure, smaller)])
    assert "| Recall | `a` | `c` | +0.2000 | +0.1500 to +0.2500 | **significant** |" in text
    assert "| Recall | `a` | `b` | -0.4000" in report.section([found(large)])
    assert "inconclusive" not in text


def test_without_a_gap_the_report_says_nothing_of_gaps() -> None:
    text = report.section([found(problem="lost")])
    assert "gaps" not in text and "lost" in text


@pytest.mark.parametrize("text", ["<script>", "[a](http://b)", "a|b", "@octo"])
def test_names_in_the_report_do_not_come_alive(text: str) -> None:
    known = Gap("recall", text, text, 0.5, 0.4, 0.6, 0.0, text, significant=True)
    group = Group(text, 5, 1, {"selection_rate": 0.1, "recall": None}, text)
    one = Fairness(text, text, text, None, 1, [group], [known])
    one = replace(one, small={text: 3})
    document = {"baselines": [], "fairness": [one, replace(one, problem=text)]}
    rendered = render(facts(comparison=to_json(document)))
    assert "Protected slices" in rendered
    for alive in ("<script>", "[a](", "@octo"):
        assert alive not in rendered


def test_titles_are_those_of_the_limits() -> None:
    fields = params.GatesParams.model_fields["fairness"].annotation
    assert set(TITLES) == set(fields.__args__[0].__args__)
