"""The report as Markdown: its order, its length, and text that does not come alive."""

from __future__ import annotations

import re
from typing import Any

import pytest

from churn.evaluation.metric_names import TITLES
from churn.review.report import markdown, mermaid
from churn.review.report.facts import read
from churn.review.report.sections import Section
from tests.exhaustive import EXHAUSTIVE
from tests.unit.report.samples import (
    ALIVE,
    CMARK_GFM,
    HOSTILE,
    Seen,
    as_github,
    check,
    difference,
    drifted,
    entry,
    facts,
    hostile_facts,
    in_html,
    random_texts,
)

_ALLOWED = {"p", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "code", "h2", "h3"}
_ALLOWED |= {"details", "summary", "strong", "pre"}


RUN = "https://github.com/o/r/actions/runs/1"


def render(known: dict[str, Any], limit: int = markdown.LIMIT, run: str = "") -> str:
    return markdown.render(read(known), mermaid.chart, run, limit=limit)


def titles(text: str) -> list[str]:
    return re.findall(r"^(?:#+ |<details><summary>)(.*?)(?:</summary>)?$", text, re.MULTILINE)


def lines_with(text: str, word: str) -> list[str]:
    return [line for line in text.splitlines() if word in line]


def test_the_sections_stand_in_the_order_in_which_a_reviewer_needs_them() -> None:
    assert titles(render(facts())) == [
        "❌ Do not merge: ROC AUC is 0.7",
        "Metrics against `main`",
        "1 of 2 gates failed",
        "Parameters",
        "Data",
        "Files that changed",
        "Checks that did not pass",
        "1 checks passed",
        "Slices that got worse",
        "Curves of both models",
        "What this is",
    ]


def test_what_the_model_goes_by_is_told_by_column() -> None:
    directions = ["raises", "lowers", "both ways", "by category", "none"]
    reasons = [
        {
            "column": f"c{i}",
            "effect": 1 / (i + 1),
            "direction": directions[i % 5],
            "unit": "log-odds",
        }
        for i in range(20)
    ]
    text = render(facts(reasons=reasons))
    assert "What the model goes by" in titles(text)
    assert "| column | mean effect (log-odds) |" in text
    assert "| `c0` | 1.000 | larger numbers raise the prediction |" in text
    assert "| `c1` | 0.500 | larger numbers lower the prediction |" in text
    assert "| `c3` | 0.250 | by category |" in text
    assert "and 5 more" in text
    assert "`c15`" not in text
    assert "What the model goes by" not in render(facts(reasons=None))
    counted = [reason | {"customers": 1200} for reason in reasons]
    assert "on 1,200 held-out customers" in render(facts(reasons=counted))
    assert "There are none for this model" in render(facts(reasons=[]))


def test_the_first_line_is_the_verdict_and_its_reason() -> None:
    verdict = {"passed": True, "outcome": "judged", "reason": "better", "gates": []}
    assert render(facts(verdict=verdict)).splitlines()[0] == "## ✅ Merge: better"
    first = render(facts()).splitlines()[0]
    assert first == "## ❌ Do not merge: ROC AUC is 0.7"


def test_the_metrics_have_both_values_difference_interval_and_word() -> None:
    text = render(facts())
    [row] = lines_with(text, "| ROC AUC | 0.810")
    cells = row.strip("| ").split(" | ")
    assert cells == ["ROC AUC", "0.810", "0.820", "+0.0100", "+0.0020 to +0.0180", "**better**"]
    for title in TITLES.values():
        assert f"| {title} | 0.810 |" in text
    assert "2,055 held-out customers" in text


def test_an_undefined_metric_is_said_to_be_so_and_is_no_number() -> None:
    none = dict.fromkeys(("candidate", "difference", "lower", "upper", "word"))
    one = entry(metrics=[difference(**none)], slices=[])
    [row] = lines_with(render(facts(comparison={"baselines": [one]})), "| ROC AUC |")
    assert row == "| ROC AUC | 0.810 | undefined | undefined | undefined | unknown |"


@pytest.mark.parametrize("word", ["better", "worse", "inconclusive", "identical"])
def test_each_word_of_a_comparison_is_shown(word: str) -> None:
    one = entry(metrics=[difference(word=word)], slices=[])
    [row] = lines_with(render(facts(comparison={"baselines": [one]})), "| ROC AUC |")
    assert row.rstrip("| ").rsplit("| ", 1)[1].strip("*") == word


def test_every_customer_comes_first_with_the_held_out_ones_beside_it() -> None:
    more = difference(word="worse", difference=-0.002)
    everyone = {"rows": 10_000, "held_out": 1_900, "metrics": [more], "slices": []}
    one = entry(metrics=[difference(word="inconclusive")], slices=[], everyone=everyone)
    text = render(facts(comparison={"baselines": [one]}))
    [row] = lines_with(text, "| ROC AUC | 0.810")
    cells = row.strip("| ").split(" | ")
    assert cells[3:6] == ["-0.0020", "+0.0020 to +0.0180", "**worse**"]
    assert cells[6:] == ["+0.0100", "+0.0020 to +0.0180"]
    assert "a fit that has not seen that customer: 1,900 are held out" in text


def test_why_the_held_out_customers_are_alone_is_said() -> None:
    one = entry(slices=[], alone="main has other folds")
    text = render(facts(comparison={"baselines": [one]}))
    assert "Training rows are not compared: main has other folds." in text


def test_a_threshold_that_has_moved_is_told_apart_from_a_model_that_has() -> None:
    same = [difference(metric="recall", difference=0.0, word="identical")]
    one = entry(slices=[], same_threshold=same)
    text = render(facts(comparison={"baselines": [one]}))
    assert "with this change at `main`'s threshold of 0.160" in text
    assert "| recall | +0.0000 | +0.0020 to +0.0180 | identical |" in text
    assert "threshold of 0.160, which" not in render(facts())


@pytest.mark.parametrize(
    ("decided", "told"),
    [
        # Standard error 0.0041 of a difference, 0.0029 of a model; the best of 10 is 1.55 ahead.
        (
            9,
            "decided 9 times before, according to git. On them, the best of 10 equally good",
        ),
        (0, ""),
        (None, ""),
        (-5, ""),
        (10**20, ""),
    ],
)
def test_how_often_the_exam_has_decided_is_told(decided: int | None, told: str) -> None:
    known = facts()
    known["changes"]["decided"] = decided
    text = render(known)
    assert ("would look better by about 0.0045 in ROC AUC" in text) == bool(told)
    assert told in text


SEARCH = {
    "format": 1,
    "digest": "d" * 64,
    "candidates": 40,
    "earlier": 0,
    "metric": "log_loss",
    "optimistic": -0.003,
    "difference": -0.001,
    "lower": -0.002,
    "upper": 0.0005,
    "word": "inconclusive",
    "rows": 4000,
}
TUNED = {"parameters": [{"key": "model.hyperparameters.max_depth", "before": "4", "after": "3",
                         "limit": False}]}  # fmt: skip


def test_how_many_candidates_were_tried_is_told() -> None:
    text = render(facts(search=SEARCH, changes=TUNED))
    assert "**40 candidates were tried** for these hyperparameters, as `reports/tune.json`" in text
    assert "log loss differs by -0.0030 from what the search began with" in text
    assert "by -0.0010 (95% interval -0.0020 to +0.0005): inconclusive." in text
    assert "differences above are too good" not in text  # on held-out customers only
    whole = entry(everyone={"rows": 9000, "held_out": 1900, "metrics": [difference()],
                            "slices": []})  # fmt: skip
    compared = {"baselines": [whole]}
    text = render(facts(search=SEARCH | {"earlier": 30}, changes=TUNED, comparison=compared))
    assert "hyperparameters, after 30 in earlier searches, as" in text
    assert "So the differences above are too good" in text


def test_a_model_of_a_sample_is_told_at_the_top() -> None:
    text = render(facts(sample={"rows": 1000000, "of": 8000000}))
    told = "Trained on a sample of 1,000,000 of 8,000,000 training rows (`train.max_rows`)."
    assert told in text.partition("###")[0]
    assert "Trained on a sample" not in render(facts())


def test_a_search_is_told_where_it_is_new_only() -> None:
    assert "were tried" not in render(facts(search=SEARCH))  # other parameters have changed
    assert "were tried" not in render(facts(changes=TUNED))


@pytest.mark.parametrize("passed", [True, False])
def test_what_cannot_be_told_is_yellow(passed: bool) -> None:
    gate = {"name": "g", "passed": passed, "undecided": True, "value": "v", "limit": "l"}
    gates = [gate | {"reason": "few"}]
    verdict = {"passed": passed, "outcome": "judged", "reason": "few", "gates": gates}
    text = render(facts(verdict=verdict | {"undecided": True}))
    what = "a person has to decide" if passed else "so do not merge yet"
    assert text.startswith(f"## 🟡 Cannot tell, {what}: few\n")
    assert "| 🟡 | g | v | l |" in text
    assert "### 1 of 1 gates undecided" in text


def test_what_failed_comes_before_what_cannot_be_told_and_each_has_its_reason() -> None:
    def gate(name: str, **others: Any) -> dict[str, Any]:
        return {"name": name, "passed": True, "value": "v", "limit": "l", "reason": name} | others

    gates = [gate("good"), gate("open", undecided=True), gate("bad", passed=False)]
    verdict = {"passed": False, "outcome": "judged", "reason": "bad", "gates": gates}
    section = render(facts(verdict=verdict)).partition("### 1 of 3 gates failed, 1 undecided")[2]
    assert re.findall(r"^(?:\| (?:❌|🟡|✅) \| |- )(\w+)", section, re.MULTILINE)[:5] == [
        "bad", "open", "good", "bad", "open",
    ]  # fmt: skip


def test_failed_gates_come_first_with_their_reasons() -> None:
    verdict = facts()["verdict"]
    slices = {"name": "slices", "passed": False, "value": "1", "limit": "", "reason": "one fell"}
    text = render(facts(verdict=verdict | {"gates": [*verdict["gates"], slices]}))
    assert text.index("| ❌ | ROC |") < text.index("| ✅ | dvc.lock |")
    assert "\n- too low\n- one fell\n" in text
    assert "- it is" not in text


def test_the_only_reason_is_not_said_twice() -> None:
    assert "- too low" not in render(facts())


def test_a_change_of_its_own_limits_is_said_in_the_head() -> None:
    head = render(facts()).partition("###")[0]
    assert "moves its own limits:** `gates.minima.roc_auc`." in head
    assert "model.seed" not in head
    assert "model.seed" in render(facts())


def test_a_good_model_that_moves_its_own_limits_is_not_just_to_be_merged() -> None:
    verdict = {"passed": True, "outcome": "judged", "reason": "better", "gates": []}
    text = render(facts(verdict=verdict | {"moved": ["gates.minima.roc_auc"]}))
    assert text.startswith("## ⚠️ Changes its own limits: better\n")
    gate = {"name": "a", "passed": True, "value": "", "limit": "", "reason": "b", "undecided": True}
    asks = verdict | {"moved": ["gates.minima.roc_auc"], "gates": [gate], "undecided": True}
    text = render(facts(verdict=asks))
    assert text.startswith("## 🟡 Cannot tell, a person has to decide: better\n")
    assert "moves its own limits:** `gates.minima.roc_auc`." in text.partition("###")[0]
    bad = facts()["verdict"] | {"moved": ["gates.minima.roc_auc"]}
    assert render(facts(verdict=bad)).startswith("## ❌ Do not merge: ")
    assert render(facts(verdict=verdict | {"moved": []})).startswith("## ✅ Merge: better\n")


def test_what_main_says_takes_the_place_of_what_the_change_says_of_itself() -> None:
    section = Section("More", "| a |", 50)
    text = markdown.render(read(facts()), mermaid.chart, top=["## First", "Second"], more=[section])
    assert text.startswith(
        "## First\n\nSecond\n\n### More\n\n| a |\n\n### Metrics against `main`\n"
    )
    assert "limits:**" not in text


def test_held_out_customers_that_a_change_alters_are_counted_in_the_head() -> None:
    counts = {"before": 856, "after": 857, "added": 1, "removed": 0, "relabelled": 168, "edited": 0}
    comparison = {"baselines": [entry()], "exam": counts}
    head = render(facts(comparison=comparison)).partition("###")[0]
    assert "⚠️ **This change alters held-out customers:** 1 added, 168 relabelled." in head
    for none in (None, dict.fromkeys(counts, 0)):
        text = render(facts(comparison=comparison | {"exam": none}))
        assert "alters held-out" not in text


def test_a_baseline_that_was_compared_more_than_once_says_on_what_and_by_what() -> None:
    entries = [
        entry(exam="main", limits="main"),
        entry(exam="main", limits="own", rows=2054),
        entry(exam="own", limits="main", rows=2053),
        entry(exam="own", limits="own", rows=2052),
        entry(name="Production", kind="production", exam="main", limits="main"),
    ]
    text = render(facts(comparison={"baselines": entries}))
    assert [title for title in titles(text) if title.startswith("Metrics")] == [
        "Metrics against `main`, on main's held-out customers, by main's limits",
        "Metrics against `main`, on main's held-out customers, by this change's limits",
        "Metrics against `main`, on this change's held-out customers, by main's limits",
        "Metrics against `main`, on this change's held-out customers, by this change's limits",
        "Metrics against `Production`",
    ]
    assert text.count("| `main`, on main's held-out customers, by main's limits |") == 1
    assert text.count("Training rows: ") == 1


def test_of_equal_comparisons_of_a_baseline_one_is_shown() -> None:
    entries = [entry(exam="main", limits=limits) for limits in ("main", "own")]
    text = render(facts(comparison={"baselines": entries}))
    assert [title for title in titles(text) if title.startswith("Metrics")] == [
        "Metrics against `main`"
    ]


def test_metrics_and_words_that_main_does_not_know_are_shown_as_they_are_called() -> None:
    one = entry(metrics=[difference("gini", word="nearly_better")], slices=[])
    text = render(facts(comparison={"baselines": [one]}))
    assert "| `gini` | 0.810 | 0.820 | +0.0100 | +0.0020 to +0.0180 | nearly&#95;better |" in text


def test_no_limit_that_was_moved_is_no_warning() -> None:
    assert "limits" not in render(facts(changes={})).partition("###")[0]


@pytest.mark.parametrize("outcome", ["judged", "unchanged", "stopped"])
def test_a_change_of_its_own_judge_is_said_whatever_the_outcome(outcome: str) -> None:
    verdict = facts()["verdict"] | {"outcome": outcome}
    changes = {"judge": [".github/workflows/pull-request.yml"]}
    head = render(facts(verdict=verdict, changes=changes)).partition("###")[0]
    assert "touches code that judges it:** `.github/workflows/pull-request.yml`." in head


def test_failed_checks_are_open_and_passed_ones_folded() -> None:
    text = render(facts())
    failed, _, rest = text.partition("### Checks that did not pass")[2].partition("<details>")
    assert "`Bad` | failed | is bad" in failed
    assert "Good" not in failed
    assert "`Good` | passed | fine" in rest.partition("</details>")[0]


def test_a_crashed_check_shows_its_error_and_a_failed_one_what_it_found() -> None:
    crashed = check("Broken", "crashed", outcomes=[], error="ValueError: no column")
    mixed = check("Mixed", "failed")
    mixed["outcomes"] = [
        {"condition": "one", "passed": True, "details": "all right"},
        {"condition": "two", "passed": False, "details": "all wrong"},
    ]
    bare = check("Bare", "failed", outcomes=[])
    text = render(facts(checks={"checks": [crashed, mixed, bare]}))
    assert "`Broken` | crashed | ValueError: no column |" in text
    assert "`Mixed` | failed | all wrong |" in text
    assert "`Bare` | failed | it has no condition |" in text


def test_only_slices_that_got_worse_are_told() -> None:
    section = render(facts()).partition("### Slices that got worse")[2].partition("<details>")[0]
    assert "`age` | `<= 30` | 500 | recall | -0.1000 |" in section
    assert "north" not in section


def test_drifted_columns_are_named_and_steady_ones_are_not() -> None:
    section = render(facts()).partition("### Data")[2].partition("<details>")[0]
    assert "Training rows: 8,000 before, 8,100 now. Churned: 28.0% before, 31.0% now." in section
    assert "`frequency` | large | 0.31 | 4.5 | 9 |" in section
    assert "steady" not in section


def test_columns_that_are_gone_or_new_are_named() -> None:
    data = {"rows": [1, 2], "columns": [], "gone": ["fax_number"], "new": ["e_mail"]}
    text = render(facts(comparison={"baselines": [entry(data=data)]}))
    assert "Columns that are no longer there: `fax_number`." in text
    assert "Columns that are new: `e_mail`." in text


def test_without_a_comparison_the_metrics_stand_alone() -> None:
    absent = {"baselines": [{"name": "main", "absent": "main has no pipeline yet"}]}
    text = render(facts(comparison=absent))
    assert "### Metrics\n\n|  | held-out customers |" in text
    assert "Curves" not in text


def test_on_a_runner_the_command_fetches_the_merge_commit() -> None:
    text = render(facts(), run=RUN)
    steps = f"`git fetch origin {'a' * 40}`, `git switch --detach FETCH_HEAD`"
    assert f"{steps}, `churn review --baseline {'1' * 40}`" in text


def test_changes_that_are_not_committed_are_said() -> None:
    assert "not committed" in render(facts(uncommitted=True))
    assert "not committed" not in render(facts())


def test_tables_without_a_common_column_have_no_drift_to_measure() -> None:
    one = entry(data={"rows": [8000, 240], "columns": [], "gone": ["fax"], "new": ["country"]})
    text = render(facts(comparison={"baselines": [one]}))
    assert "No column is in both tables" in text
    assert "No column has drifted" not in text


def test_many_worse_slices_are_folded() -> None:
    parts = [
        {"column": "age", "slice": str(i), "rows": 60, "metrics": [difference(word="worse")]}
        for i in range(20)
    ]
    text = render(facts(comparison={"baselines": [entry(slices=parts)]}))
    assert "<details><summary>Slices that got worse</summary>" in text
    assert "### Slices that got worse" in render(facts())


def test_an_unchanged_model_is_two_lines_and_what_it_is() -> None:
    verdict = {"passed": True, "outcome": "unchanged", "reason": "no change", "gates": []}
    known = facts(
        verdict=verdict, metrics=None, checks=None, comparison=None, model_digest=None, changes={}
    )
    text = render(known)
    assert titles(text) == ["✅ No change", "What this is"]
    assert "Nothing was trained." in text


def test_a_stopped_candidate_says_so_and_does_not_merge() -> None:
    gates = [{"name": "p", "passed": False, "value": "x", "limit": "y", "reason": "broken"}]
    verdict = {"passed": False, "outcome": "stopped", "reason": "broken", "gates": gates}
    known = facts(verdict=verdict, metrics=None, checks=None, comparison=None, model_digest=None)
    assert render(known).startswith("## ❌ Do not merge: broken\n\nNothing could be judged.")


def test_digest_fingerprint_commit_and_the_command_are_there() -> None:
    text = render(facts()).partition("What this is")[2]
    for value in ("a" * 40, "b" * 64, "c" * 64, "1" * 40, "2" * 64):
        assert f"`{value}`" in text
    assert "`churn review --baseline main`" in text


def test_the_command_can_be_copied_whatever_the_baseline_is_called() -> None:
    one = entry(name="main;rm${IFS}-rf${IFS}.")
    text = render(facts(comparison={"baselines": [one]}))
    assert "`churn review --baseline 'main;rm${IFS}-rf${IFS}.'`" in text


def test_the_command_names_a_revision_and_not_production() -> None:
    known = facts(
        comparison={
            "baselines": [entry(name="Production", kind="production"), entry(name="release")]
        }
    )
    assert "--baseline release" in render(known)


@pytest.mark.parametrize("github", [False, True])
def test_the_run_is_linked_where_there_is_one(github: bool) -> None:
    text = render(facts(), run=RUN if github else "")
    assert (RUN in text) == github
    assert ("://" in text) == github


RENDERERS = [
    pytest.param(in_html, id="markdown-it"),
    pytest.param(
        as_github,
        id="cmark-gfm",
        marks=pytest.mark.skipif(CMARK_GFM is None, reason="needs cmark-gfm: apt install it"),
    ),
]


@pytest.fixture(scope="module")
def hostile() -> dict[str, str]:
    """Return the report for each text that stands wherever the repository decides."""
    texts = [*HOSTILE, *random_texts(80 if EXHAUSTIVE else 20, seed=3)]
    return {text: render(hostile_facts(text)) for text in texts}


@pytest.mark.slow
@pytest.mark.parametrize("to_html", RENDERERS)
def test_no_text_of_the_repository_comes_alive_or_leaves_its_cell(
    to_html: Any, hostile: dict[str, str]
) -> None:
    plain = Seen(to_html(render(hostile_facts("x"))))
    for text, report in hostile.items():
        seen = Seen(to_html(report))
        assert set(seen.tags) <= _ALLOWED, text
        names = {name for name, _ in seen.attributes}
        # Alignment of cells, language of charts.
        assert names <= {"align", "style", "class"}, text
        assert [pattern.pattern for pattern in ALIVE if pattern.search(seen.text)] == [], text
        for tag in ("table", "tr", "td", "th", "h2", "h3", "details", "summary", "li"):
            assert seen.tags.count(tag) == plain.tags.count(tag), (tag, text)


def test_nothing_of_the_repository_stands_in_a_summary() -> None:
    seen = Seen(in_html(render(hostile_facts("marker"))))
    assert seen.summaries == [
        "Files that changed",
        "1 checks passed",
        "What the model goes by",
        "Curves of both models",
        "What this is",
    ]


def crowded(n: int) -> dict[str, Any]:
    """Return facts of which there are very many."""
    changed = [
        {"key": f"model.{i}|{'`' * 70}", "before": "|" * 90, "after": "`" * 90, "limit": True}
        for i in range(n)
    ]
    worse = [
        {
            "column": "|" * 90,
            "slice": f"{i}|{'`' * 90}",
            "rows": 60,
            "metrics": [difference(m, word="worse") for m in TITLES],
        }
        for i in range(n)
    ]
    columns = [drifted(f"{i}{'|' * 90}") for i in range(n)]
    data = {"rows": [1, 2], "columns": columns, "gone": ["|" * 90] * n, "new": ["`" * 90] * n}
    gate = {"name": "*" * 900, "passed": False, "value": "*" * 900, "limit": "*" * 900}
    files = [f"src/{i}{'`|' * 90}" for i in range(n)]
    one = entry(slices=worse, data=data)
    reason = "*" * 5000
    return facts(
        changes={"parameters": changed, "files": files, "judge": files},
        verdict={
            "passed": False,
            "outcome": "judged",
            "reason": reason,
            "gates": [gate | {"reason": reason}] * min(n, 30),
        },
        checks={"checks": [check("|" * 900, "failed", "*" * 5000)] * n + [check("ok")] * n},
        comparison={"baselines": [one]},
    )


@pytest.mark.slow
@pytest.mark.parametrize("n", [1, 30, 300, pytest.param(3000, marks=pytest.mark.exhaustive)])
def test_a_comment_keeps_its_length_whatever_there_is_to_say(n: int) -> None:
    text = render(crowded(n))
    assert len(text) <= 60_000
    assert text.startswith("## ❌ Do not merge")
    if n > 1:
        assert "Left out, because the length of a comment is limited:" in text
        assert "`report.html`" in text
    rendered = Seen(in_html(text))
    assert rendered.tags.count("summary") == rendered.tags.count("details")
    assert set(rendered.tags) <= _ALLOWED


@pytest.mark.slow
def test_the_least_important_is_left_out_first() -> None:
    whole = render(facts(), 10**9)
    kept = titles(whole)
    order = []
    limit = len(whole)
    while len(kept) > 1:
        text = render(facts(), limit - 1)
        gone = [title for title in kept if title not in titles(text)]
        order += gone
        kept = [title for title in kept if title not in gone]
        limit = min(len(text), limit - 1)
    assert order == [
        "1 checks passed",
        "Curves of both models",
        "Files that changed",
        "Parameters",
        "Slices that got worse",
        "Data",
        "Checks that did not pass",
        "1 of 2 gates failed",
        "What this is",
        "Metrics against `main`",
    ]


def test_what_is_left_out_is_named_and_nothing_else_is() -> None:
    whole = render(facts(), 10**9)
    assert "Left out" not in whole
    assert render(facts(), len(whole)) == whole
    shorter = render(facts(), len(whole) - 1)
    note = "Left out, because the length of a comment is limited: 1 checks passed."
    assert note in shorter
    assert "Good" not in shorter


@pytest.mark.slow
def test_a_head_that_is_long_alone_stays_below_the_limit() -> None:
    known = crowded(3000 if EXHAUSTIVE else 300)
    head = render(known, 1)
    assert titles(head)[1:] == []
    assert len(head) < 10_000


def test_a_table_that_is_cut_says_how_much_is_missing() -> None:
    changed = [
        {"key": f"model.{i:04}", "before": "1", "after": "2", "limit": False} for i in range(1234)
    ]
    files = [f"src/{i:04}" for i in range(1234)]
    text = render(facts(changes={"parameters": changed, "files": files}))
    assert "`model.0999`" in text
    assert "`model.1000`" not in text
    assert "\n\nand 234 more" in text
    assert "`src/0999`" in text
    assert "- and 234 more" in text


def test_long_values_are_shown_from_where_they_part() -> None:
    columns = [f"column_number_{i}" for i in range(9)]
    before, after = ", ".join([*columns, "gone"]), ", ".join([*columns, "new"])
    change = {"key": "data.numeric", "before": before, "after": after, "limit": False}
    text = render(facts(changes={"parameters": [change], "files": []}))
    assert "| `data.numeric` | `… 7, column_number_8, gone` | `… 7, column_number_8, new` |" in text
