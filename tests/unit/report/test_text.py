"""Text from the repository in Markdown: shown as it is, and nothing of it comes alive."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Callable

import pytest

from churn.report.text import clip, code, prose
from tests.unit.report.samples import ALIVE, CMARK_GFM, HOSTILE, Seen, as_github, in_html
from tests.unit.report.samples import random_texts as texts

_ALLOWED = {"p", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "code", "h2"}
RENDERERS = [
    pytest.param(in_html, id="markdown-it"),
    pytest.param(
        as_github,
        id="cmark-gfm",
        marks=pytest.mark.skipif(CMARK_GFM is None, reason="needs cmark-gfm: apt install it"),
    ),
]
ALL = [*HOSTILE, *texts(1500, seed=7)]
VISIBLE = [text for text in ALL if clip(text, 400)]
EMPTY_PLACES = "## {}\n\n- {}\n\n| a | b |\n| --- | --- |\n| {} | x |\n\n{}\n"


def placed(written: str) -> str:
    """Put a text where reports put it: in a title, an item, a cell and a paragraph."""
    return EMPTY_PLACES.replace("{}", written)


@pytest.mark.parametrize("render", RENDERERS)
@pytest.mark.parametrize("write", [code, prose])
def test_nothing_of_a_text_comes_alive(
    write: Callable[[str], str], render: Callable[[str], str]
) -> None:
    # All in one document: what one text opens must not be open for the next.
    seen = Seen(render("\n\n".join(placed(write(text)) for text in VISIBLE)))
    plain = Seen(render("\n\n".join(placed("x") for _ in VISIBLE)))
    assert set(seen.tags) <= _ALLOWED
    assert [tag for tag in seen.tags if tag != "code"] == plain.tags  # each stays in its cell
    assert [pattern.pattern for pattern in ALIVE if pattern.search(seen.text)] == []


@pytest.mark.parametrize("render", RENDERERS)
@pytest.mark.parametrize("write", [code, prose])
def test_a_reader_sees_what_stands_there(
    write: Callable[[str, int], str], render: Callable[[str], str]
) -> None:
    written = "\n\n".join(f"a {write(text, 80)} b" for text in VISIBLE)
    paragraphs = render(written).replace("<code>", "").replace("</code>", "").split("</p>\n")
    for text, paragraph in zip(VISIBLE, paragraphs[:-1], strict=True):
        shown = html.unescape(paragraph.removeprefix("<p>")).replace("\u200b", "")
        assert shown.split() == ["a", *clip(text, 80).split(), "b"]


@pytest.mark.parametrize("render", RENDERERS)
@pytest.mark.parametrize("write", [code, prose])
def test_a_text_without_anything_to_see_does_no_harm(
    write: Callable[[str], str], render: Callable[[str], str]
) -> None:
    for text in ("", " ", "\n", "\u200b", "\x00"):
        rendered = Seen(render(f"| a | b |\n| --- | --- |\n| {write(text)} | x |\n"))
        assert rendered.tags.count("td") == 2


def test_code_is_a_code_span_wherever_it_can_be() -> None:
    assert code("model.seed") == "`model.seed`"
    assert code(0.5) == "`0.5`"
    assert code("") == "` `"


@pytest.mark.parametrize("length", [1, 2, 10, 80])
def test_a_clipped_text_is_one_printable_line_of_that_length(length: int) -> None:
    for text in ALL:
        shown = clip(text, length)
        assert len(shown) <= length
        assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
        assert shown == " ".join(shown.split())


def test_what_is_cut_off_is_marked_and_what_fits_is_not() -> None:
    assert clip("x" * 80, 80) == "x" * 80
    assert clip("x" * 81, 80) == "x" * 79 + "…"
    assert clip("two words", 5) == "two…"


def test_a_mark_that_is_left_out_leaves_no_gap() -> None:
    assert clip("\u200b a \u202e b \ufeff", 80) == "a b"


def test_a_line_break_does_not_join_two_words() -> None:
    assert clip("a\nb\tc\u2028d\x85e", 80) == "a b c d e"


def test_prose_of_ordinary_words_has_nothing_to_see_in_it() -> None:
    sentence = "ROC AUC is 0.712, below the minimum of 0.78 (and 2 more)"
    assert prose(sentence) == sentence


def test_prose_has_no_sign_that_github_reads_before_its_parser_does() -> None:
    # Formulas: whatever stands between dollars, wherever in the text.
    for text in ALL:
        assert not set("$`<>|[]*_~\\") & set(prose(text)), text
