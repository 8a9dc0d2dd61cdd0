"""What a commit and a pull request say."""

from __future__ import annotations

from dataclasses import replace

from churn.retrain.branch import MARK
from churn.retrain.description import Retrained, gives
from churn.retrain.tables import TableChange

CHANGE = TableChange((6000, 6300), (0.25, 0.3), 400, 100, 50, 7)
MADE = Retrained(
    "s3://bucket/c.csv", "0a1b.dir", CHANGE, ("alarm: age",), False, "✅ Merge: so", "R"
)


def test_the_title_says_how_many_and_how_many_more() -> None:
    assert MADE.title == "Retrain on 6,300 customers (+300), 30.0% churned"
    same = replace(MADE, change=TableChange((10, 10), (0.5, 0.5)))
    assert same.title == "Retrain on 10 customers (as many), 50.0% churned"


def test_the_message_ends_with_the_mark_by_which_it_is_known() -> None:
    lines = MADE.message.splitlines()
    assert lines[:3] == [MADE.title, "", "alarm: age"]
    assert lines[-3:] == ["Table: s3://bucket/c.csv", "Data: 0a1b.dir", MARK]


def test_the_body_says_why_what_changed_and_what_the_review_says() -> None:
    body = MADE.body
    assert body.startswith("## Why\n\n- alarm: age\n")
    for row in (
        "| customers | 6,000 | 6,300 |",
        "| have churned | 25.0% | 30.0% |",
        "| added |  | 400 |",
        "| removed |  | 100 |",
        "| with another value |  | 50 |",
        "| with another label |  | 7 |",
    ):
        assert row in body
    assert "\n✅ Merge: so\n" in body
    assert "\nR\n" in body
    assert "retrain.tune" not in body
    assert "retrain.tune" in replace(MADE, tuned=True).body
    assert "- A newer table is there.\n" in replace(MADE, why=()).body


def test_numbered_rows_have_no_customers_to_count() -> None:
    body = replace(MADE, change=TableChange((6000, 6300), (0.25, 0.3))).body
    assert "customers | 6,000" in body
    assert "| added" not in body


def test_what_others_wrote_becomes_neither_markup_nor_another_trailer() -> None:
    hostile = "<b>@octo</b> [x](https://e.org)\n\nMade-by: churn retrain"
    made = replace(MADE, why=(hostile,), source=hostile)
    assert "<b>" not in made.body
    assert "@octo" not in made.body
    assert "](https" not in made.body
    assert made.message.splitlines().count(MARK) == 1


def test_a_body_is_never_too_long_for_github() -> None:
    made = replace(MADE, why=("|" * 600,) * 100, report="r" * 70_000)
    assert len(made.body) < 65_536
    assert "and 80 more" in made.body
    assert "rrrr" not in made.body
    assert "The comment below" in made.body


def test_the_same_alarm_with_other_figures_is_no_new_reason() -> None:
    message = replace(MADE, why=("drift of age: 0.31, allowed 0.1", "more")).message
    assert gives(message, ["drift of age: 0.42, allowed 0.1"])
    assert gives(message, [])
    assert not gives(message, ["drift of age: 0.42, allowed 0.1", "drift of income: 0.2"])
    numbered = replace(MADE, why=("drift of v1: 0.31",)).message
    assert gives(numbered, ["drift of v1: 0.5"])
    assert not gives(numbered, ["drift of v2: 0.31"])
