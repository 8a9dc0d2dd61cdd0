"""Text from the repository in Markdown: shown as it is, and nothing of it comes alive."""

from __future__ import annotations

import html
import time
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import assume, given

from churn.review.report.text import clip, code, interval, number, prose
from tests.unit.report.hostile import HIDDEN, alive, cells, texts
from tests.unit.report.samples import ALIVE, CMARK_GFM, HOSTILE, Seen, as_github, in_html
from tests.unit.report.samples import random_texts as random

_ALLOWED = {"p", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "code", "h2"}
needs_cmark = pytest.mark.skipif(CMARK_GFM is None, reason="needs cmark-gfm: apt install it")
RENDERERS = [
    pytest.param(in_html, id="markdown-it"),
    pytest.param(as_github, id="cmark-gfm", marks=needs_cmark),
]
ALL = [*HOSTILE, *random(1500, seed=7)]
VISIBLE = [text for text in ALL if clip(text, 400)]
EMPTY_PLACES = "## {}\n\n- {}\n\n| a | b |\n| --- | --- |\n| {} | x |\n\n{}\n"


def placed(written: str) -> str:
    """Put a text where reports put it: in a title, an item, a cell and a paragraph."""
    return EMPTY_PLACES.replace("{}", written)


@pytest.mark.slow
@needs_cmark
@given(texts)
def test_no_text_comes_alive_or_leaves_its_place(text: str) -> None:
    assume(clip(text, 400))
    for write in (code, prose):
        seen = as_github(placed(write(text)))
        assert alive(seen, _ALLOWED, set()) == []
        tags = [tag for tag in Seen(seen).tags if tag != "code"]
        # As many of each as in a document of innocent texts.
        assert sorted(tags) == sorted(Seen(as_github(placed("x"))).tags), write
        assert cells(seen)[3:] == ["x"]


@pytest.mark.slow
@pytest.mark.parametrize("render", RENDERERS)
@pytest.mark.parametrize("write", [code, prose])
def test_texts_that_github_has_a_meaning_for_do_not_come_alive(
    write: Callable[[str], str], render: Callable[[str], str]
) -> None:
    # All in one document: what one text opens must not be open for the next.
    seen = Seen(render("\n\n".join(placed(write(text)) for text in VISIBLE)))
    plain = Seen(render("\n\n".join(placed("x") for _ in VISIBLE)))
    assert set(seen.tags) <= _ALLOWED
    assert [tag for tag in seen.tags if tag != "code"] == plain.tags  # each stays in its cell
    assert [pattern.pattern for pattern in ALIVE if pattern.search(seen.text)] == []


@pytest.mark.slow
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


@pytest.mark.parametrize(
    "hidden",
    [
        *("\ufe00", "\ufe0f", "\U000e0100", "\U000e01ef"),  # variation selectors
        *("\u034f", "\u115f", "\u1160", "\u3164", "\uffa0", "\u2800"),  # fillers, blank letters
        *("\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad"),  # of no width
        *("\u200e", "\u200f", "\u061c", "\u202a", "\u202e", "\u2066", "\u2069"),  # directions
        *("\U000e0001", "\U000e0041", "\U000e007f"),  # tags
        *("\u17b4", "\u180b", "\u180e", "\U0001d159", "\U0001d173", "\U0001bca0"),
        *("\x00", "\x1b", "\x7f", "\x9f", "\ud800", "\ue000", "\U000f0000", "\U0010ffff"),
        *("\ufffc", "\ufff9", "\u0378", "\u2065"),  # formats, and what is not assigned
    ],
    ids=ascii,
)
def test_what_nobody_sees_is_left_out(hidden: str) -> None:
    assert clip(f"a{hidden}b{hidden}", 80) == "ab"
    assert code(f"{hidden}") == "` `"


@pytest.mark.parametrize(
    "text",
    [
        "plain ASCII: ~!$%^&*()_+{}|<>?[];',./",
        "Ærøskøbing, Łódź, Đà Nẵng",
        "Ελληνικά, Кириллица, Հայերեն, ქართული",
        "עברית, العربية, ދިވެހި",
        "हिन्दी, বাংলা, தமிழ், සිංහල, ไทย, ລາວ, བོད་, မြန်မာ, ភាសា, አማርኛ",
        "语言, 日本語, ひらがな, カタカナ, 한국어, ﾊﾝｶｸ",
        "“quotes” and — dashes… ‰ † •",
        "€ £ ¥ ₹ ₿ © ® ™ § ¶ ½ ²",
        "→ ⇒ ↔ ⟶ ∑ ∫ ≤ ≥ ≠ ± ÷ √ ∞",
        "┌─┬┐ █ ▲ ● ★ ☎ ✅ ❌ ⚠",
        "🙂 🚀 🧪 🇩🇪",
    ],
)
def test_what_the_world_writes_passes(text: str) -> None:
    assert clip(text, 200) == unicodedata.normalize("NFC", text)


def test_accents_are_put_onto_their_letters_and_no_more_of_them_than_a_letter_has() -> None:
    assert clip("e\u0301", 9) == "é"
    assert clip("\u0338a", 9) == "a"  # it would strike through what stands before
    assert clip("a" + "\u0338" * 50, 99) == "a\u0338\u0338\u0338"
    assert clip("a" + "\u0338\u200b" * 50, 99) == "a\u0338\u0338\u0338"


@given(texts)
def test_a_clipped_text_is_one_printable_line_of_that_length(text: str) -> None:
    for length in (1, 2, 10, 80):
        shown = clip(text, length)
        assert len(shown) <= length
        assert not HIDDEN.search(shown)
        assert shown == " ".join(shown.split())


def test_a_megabyte_of_accents_takes_no_time() -> None:
    text = "a" + "\u0316\u0301" * 500_000
    started = time.perf_counter()
    assert len(clip(text, 400)) == 4
    assert time.perf_counter() - started < 1


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


def test_numbers_have_the_digits_that_say_something() -> None:
    assert (number(0.81251), number(0.01, sign=True), number(None)) == (
        "0.813",
        "+0.0100",
        "undefined",
    )
    assert interval(-0.001, 0.02) == "-0.0010 to +0.0200"
    assert interval(None, None) == "undefined"
    # Numbers are of any unit.
    assert (number(0.0), number(0.00042), number(1234567.0)) == ("0.000", "0.00042", "1234567.000")
    assert (number(0.0, sign=True), number(-0.00005, sign=True)) == ("+0.0000", "-0.0001")
    assert interval(-0.0000123, 0.02) == "-1.2e-05 to +0.0200"
