"""Which comment is ours, and when CML may write into it."""

from __future__ import annotations

from churn.comment import sticky
from churn.provenance.github_answers import Comment
from tests.unit.comment.samples import HEAD

BOT = "github-actions[bot]"


def comment(number: int, login: str = BOT, text: str | None = None) -> Comment:
    text = sticky.mark("x", HEAD) if text is None else text
    return Comment(number, text, login)


def test_only_a_comment_of_the_bot_with_the_mark_is_ours() -> None:
    others = [comment(1, "stranger"), comment(2, text="x"), comment(3, text="CML watermark")]
    assert sticky.ours(others, BOT) is None
    assert sticky.ours([*others, comment(4)], BOT) == comment(4)
    gone = {"id": 1, "user": None, "body": None}
    assert sticky.ours([Comment.read(gone)], BOT) is None


def test_cml_writes_only_where_it_finds_what_is_ours() -> None:
    talk = [comment(n, "reviewer", "talk") for n in range(30)]
    assert sticky.cml_finds_ours([], BOT)
    assert sticky.cml_finds_ours([comment(1)], BOT)
    assert sticky.cml_finds_ours(talk, BOT)
    assert not sticky.cml_finds_ours([comment(1, "stranger")], BOT)
    assert not sticky.cml_finds_ours([comment(1), comment(2, "stranger")], BOT)
    assert not sticky.cml_finds_ours([*talk, comment(31)], BOT)
