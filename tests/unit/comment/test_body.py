"""The text of the comment: who has the first word, and that no other word comes alive."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churn.comment import body
from churn.comment.run import Failure
from churn.comment.touched import Change
from churn.review.judging import Touched
from churn.review.params_text import Edit
from churn.review.report.facts import read
from tests.exhaustive import EXHAUSTIVE
from tests.unit.comment.samples import HEAD, NOTHING, RUN, UNTOUCHED
from tests.unit.report.hostile import alive, cells, documents, renamed, texts
from tests.unit.report.samples import CMARK_GFM, Seen, as_github, facts, hostile_facts

FAILED = replace(RUN, conclusion="failure")
GOOD = read(facts(verdict={"passed": True, "outcome": "judged", "reason": "better", "gates": []}))
BAD = facts()
LOWERED = Edit("gates", ("    roc_auc: 0.78",), ("    roc_auc: 0.5",))


def head(comment: str) -> str:
    """Return what stands above the report's sections."""
    return comment.partition("\n### ")[0].partition("\n<details>")[0]


def test_a_good_model_of_a_harmless_change_is_to_be_merged() -> None:
    comment = body.compose(GOOD, RUN, UNTOUCHED, [])
    assert comment.startswith("## ✅ Merge: better\n\n### Metrics against `main`\n")
    assert comment.endswith(
        f"\n\n---\n\n<sub>[Run 12]({RUN.address}) of {HEAD}: success. The pull request's"
        " code has computed the numbers; main's code lists what it touches. The check `required`"
        " decides whether it may be merged.</sub>\n"
    )
    assert f"| run and files | {RUN.address} |" in comment


@pytest.mark.parametrize(
    ("change", "words", "paragraph"),
    [
        (
            Change(NOTHING, True, [LOWERED, replace(LOWERED, section="checks")]),
            "touches its own limits",
            "**Limits changed in params.yaml:** `gates`, `checks`.",
        ),
        (
            Change(replace(NOTHING, judging=("src/churn/review/gate.py",)), True, []),
            "touches the code that judges it",
            "**Code that judges changed:** `src/churn/review/gate.py`.",
        ),
        (
            Change(replace(NOTHING, workflows=(".github/x.yml",)), True, []),
            "touches workflows",
            "**Workflows changed:** `.github/x.yml`.",
        ),
        (
            Change(replace(NOTHING, parameters=True), True, None),
            "touches perhaps its own limits",
            "**Limits may have changed:** params.yaml could not be read",
        ),
        (
            Change(NOTHING, False, []),
            "touches more files than GitHub lists",
            "**GitHub does not list all files of this change.**",
        ),
        (
            Change(None, False, None),
            "touches unknown files: GitHub did not list them",
            "**GitHub did not list the files of this change.**",
        ),
    ],
)
def test_what_a_change_is_judged_by_is_looked_at_first(
    change: Change, words: str, paragraph: str
) -> None:
    shown = head(body.compose(GOOD, RUN, change, []))
    assert shown.startswith(
        f"## ⚠️ Look first: this change {words}\n\n"
        "If that is intended, the report says: ✅ Merge: better\n"
    )
    assert paragraph in shown
    # Where the report says no, that comes first; what is touched is said all the same.
    said = head(body.compose(read(BAD), RUN, change, []))
    assert said.startswith("## ❌ Do not merge: ROC AUC is 0.7")
    assert paragraph in said
    assert paragraph in body.notice("No report.", RUN, change, [])


def test_all_that_has_to_be_looked_at_is_named_in_one_line() -> None:
    files = replace(NOTHING, judging=("src/churn/review/gate.py",), workflows=(".github/x.yml",))
    first = body.compose(GOOD, RUN, Change(files, True, [LOWERED]), []).partition("\n")[0]
    assert first == (
        "## ⚠️ Look first: this change touches its own limits, the code that judges it and workflows"
    )


def test_no_change_of_the_model_is_no_leave_to_change_its_judge() -> None:
    verdict = {"passed": True, "outcome": "unchanged", "reason": "no change", "gates": []}
    same = read(
        facts(verdict=verdict, metrics=None, checks=None, comparison=None, model_digest=None)
    )
    change = Change(replace(NOTHING, workflows=(".github/x.yml",)), True, [])
    shown = head(body.compose(same, RUN, change, []))
    assert shown.startswith("## ⚠️ Look first: this change touches workflows\n")
    assert "✅ No change\n\n⚠️ **Workflows changed:**" in shown


def test_other_data_and_code_of_the_model_are_told_and_leave_the_headline() -> None:
    files = replace(NOTHING, data=("data.dvc",), model=("src/churn/model/features.py",))
    shown = head(body.compose(GOOD, RUN, Change(files, True, []), []))
    assert shown.startswith(
        "## ✅ Merge: better\n\n⚠️ **Code of the model changed, which runs in one process with the"
        " code that judges:**"
        " `src/churn/model/features.py`.\n\n⚠️ **Data changed:** `data.dvc`."
    )


def test_of_many_files_some_are_named() -> None:
    files = replace(NOTHING, judging=tuple(f"src/churn/{i}.py" for i in range(1234)))
    shown = head(body.compose(GOOD, RUN, Change(files, True, []), []))
    assert "`src/churn/4.py` and 1,229 more." in shown
    assert "src/churn/5.py" not in shown


def test_limits_are_shown_before_and_after() -> None:
    edits = [LOWERED, Edit("checks", (), ("  a", "  b"))]
    comment = body.compose(GOOD, RUN, Change(NOTHING, True, edits), [])
    folded = comment.partition("<details><summary>Limits, before and after</summary>")[2]
    assert "| `gates` | <code>roc&#95;auc&#58; 0&#46;78</code> |" in folded
    assert "| `checks` |  | `a`<br>`b` |" in folded.partition("</details>")[0]


@pytest.mark.parametrize("conclusion", ["failure", "cancelled", "timed_out", "None"])
def test_a_run_that_has_not_succeeded_is_not_told_as_one_to_merge(conclusion: str) -> None:
    comment = body.compose(GOOD, replace(RUN, conclusion=conclusion), UNTOUCHED, [])
    assert comment.startswith(
        f"## ❌ Do not merge: the run ended as {conclusion.replace('_', '&#95;')}\n\n"
        "The report of this run says otherwise: ✅ Merge: better\n"
    )


def test_a_job_that_has_failed_is_named_with_its_step() -> None:
    failures = [Failure("quality", "failed", "Unit tests")]
    comment = body.compose(GOOD, FAILED, UNTOUCHED, failures)
    assert comment.startswith("## ❌ Do not merge: quality failed in the step “Unit tests”\n\n")
    failures.append(Failure("candidate", "took too long", ""))
    comment = body.compose(GOOD, FAILED, UNTOUCHED, failures)
    assert comment.startswith(
        "## ❌ Do not merge: quality failed in the step “Unit tests” (and 1 more)\n\n"
    )
    assert "\n- quality failed in the step “Unit tests”\n- candidate took too long\n" in comment


def test_without_a_report_the_job_that_failed_is_the_headline() -> None:
    failures = [Failure("candidate", "failed", "Get the data")]
    comment = body.notice("There is no report.", FAILED, UNTOUCHED, failures)
    assert comment.startswith(
        "## ❌ Do not merge: candidate failed in the step “Get the data”\n\nThere is no report.\n"
    )
    assert body.notice("x", FAILED, UNTOUCHED, []).startswith(
        "## ❌ Do not merge: no report\n\nx\n"
    )


_TAGS = {"p", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "code", "h2", "h3", "a"}
_TAGS |= {"details", "summary", "strong", "pre", "hr", "sub", "br"}
_names = st.lists(texts, max_size=2).map(tuple)
_edits = st.builds(Edit, texts, _names, _names)
_changes = st.builds(
    Change,
    st.builds(Touched, _names, _names, _names, _names, _names, st.booleans()),
    st.booleans(),
    st.lists(_edits, max_size=2),
)
_failures = st.lists(st.builds(Failure, texts, st.just("failed"), texts), max_size=2)
needs_cmark = pytest.mark.skipif(CMARK_GFM is None, reason="needs cmark-gfm: apt install it")


def layout(comment: str) -> list[str]:
    """Return the tags of a comment but those of code, which takes two shapes."""
    return [tag for tag in Seen(as_github(comment)).tags if tag != "code"]


@pytest.mark.long
@needs_cmark
@settings(max_examples=300 if EXHAUSTIVE else 100)
@given(documents, _changes, _failures, st.sampled_from(["success", "failure"]))
def test_nothing_that_a_pull_request_can_write_comes_alive(
    document: dict[str, Any], change: Change, failures: list[Failure], conclusion: str
) -> None:
    run = replace(RUN, conclusion=conclusion)
    found = read(json.loads(json.dumps(document)))
    comment = body.compose(found, run, change, failures)
    assert len(comment) < 65_000
    links = comment.count(RUN.address)
    page = as_github(comment)
    assert page.count(f'<a href="{RUN.address}">') == page.count("<a ") == links == 2
    # What is our own: two links, a commit, and the sign of a warning.
    innocent = page.replace(f'<a href="{RUN.address}">', "<a>").replace(RUN.address, "")
    innocent = innocent.replace(HEAD, "").replace("⚠️", "")
    assert alive(innocent, _TAGS, {"align", "class"}) == []
    # Nor does it change the layout: innocent texts in the same places give the same tags.
    names: dict[str, str] = {}
    tame = read(renamed(document, names))
    calm = body.compose(tame, run, change, failures)
    assert layout(comment) == layout(calm)
    for own, shown in zip(cells(as_github(calm)), cells(page), strict=True):
        assert own == shown or re.search(r"x\d", own)


@pytest.mark.long
@needs_cmark
@given(texts)
def test_no_text_comes_alive_in_any_place_at_once(text: str) -> None:
    names = (text, text)
    change = Change(Touched(names, names, names, names, names, True), True, [Edit(text, names, ())])
    failures = [Failure(text, "failed", text)] * 2
    for document in (hostile_facts(text), BAD):
        comment = body.compose(read(document), FAILED, change, failures)
        innocent = re.sub(f'<a href="{RUN.address}">.*?</a>', "", as_github(comment))
        innocent = innocent.replace(HEAD, "").replace("⚠️", "")
        assert alive(innocent, _TAGS - {"a"}, {"align", "class"}) == []


@pytest.mark.long
@given(documents, st.data())
def test_what_is_of_another_shape_is_refused_or_shown_and_never_an_error(
    document: dict[str, Any], data: st.DataObject
) -> None:
    places = [(document, key) for key in document]
    while isinstance(node := places[-1][0][places[-1][1]], (dict, list)) and node:
        keys = list(node) if isinstance(node, dict) else range(len(node))
        places.append((node, data.draw(st.sampled_from(keys))))
    parent, key = data.draw(st.sampled_from(places))
    odd = st.sampled_from(
        [None, True, -1, 1.5, 1e300, float("nan"), "", "x", [], {}, [[]], {"": 0}]
    )
    parent[key] = data.draw(odd)
    try:
        found = read(json.loads(json.dumps(document)))
    except ValueError as error:
        said = str(error)
    else:
        said = body.compose(found, RUN, UNTOUCHED, []).partition(" ")[0]
    assert re.fullmatch(r"##|[\w.]+: [\w .,'-]+", said)


@pytest.mark.long
def test_a_comment_keeps_below_githubs_length_whatever_there_is_to_say() -> None:
    # Each text is too long alone, and so is their number.
    loud, many = ("*" * 5000, 500) if EXHAUSTIVE else ("*" * 1000, 100)
    gates = [dict.fromkeys(("name", "value", "limit", "reason"), loud) | {"passed": True}] * many
    verdict = {"passed": True, "outcome": "judged", "reason": loud, "gates": gates}
    review = read(facts(verdict=verdict))
    files = Touched(*[(loud,) * many] * 5, True)
    change = Change(files, False, [Edit(loud, (loud,) * 50, (loud,) * 50)] * many)
    failures = [Failure(loud, "failed", loud)] * 100
    for run in (RUN, FAILED):
        comment = body.compose(review, run, change, failures)
        assert len(comment) < 65_000
        assert comment.startswith("## ")
        assert "---\n\n<sub>[Run 12]" in comment
    assert len(body.notice(loud[:100], FAILED, change, failures)) < 65_000


@pytest.mark.long
@pytest.mark.parametrize("repeated", ["slices", "gates", "baselines"])
def test_a_review_as_large_as_it_may_be_takes_seconds(repeated: str) -> None:
    import time

    one = BAD["comparison"]["baselines"][0]
    part = one["slices"][0] | {"column": "\u0316\u0301" * 100}
    gate = dict.fromkeys(("name", "value", "limit", "reason"), "|" * 200) | {"passed": False}
    document = {
        "slices": facts(comparison={"baselines": [one | {"slices": [part] * 8000}]}),
        "gates": facts(verdict={**BAD["verdict"], "gates": [gate] * 5000}),
        "baselines": facts(comparison={"baselines": [one] * 20}),
    }[repeated]
    started = time.process_time()  # what else the machine does does not count
    assert len(body.compose(read(document), RUN, UNTOUCHED, [])) < 65_000
    assert time.process_time() - started < 10
