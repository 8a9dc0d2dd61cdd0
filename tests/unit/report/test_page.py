"""The report as a page: self-contained, and nothing of the repository comes alive."""

from __future__ import annotations

import base64
import io
import re

import matplotlib.image
import pytest

from churn.review.report import page
from churn.review.report.facts import read
from tests.exhaustive import EXHAUSTIVE
from tests.unit.report.samples import ALIVE, HOSTILE, Seen, facts, hostile_facts, random_texts

_ALLOWED = {"html", "head", "meta", "title", "style", "body", "img", "details", "summary"}
_ALLOWED |= {"p", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "code", "h2", "h3"}
_ALLOWED |= {"strong"}


@pytest.fixture(scope="module")
def written() -> str:
    """Return the page of an ordinary report."""
    return page.render(read(facts()))


@pytest.mark.slow
def test_a_page_is_smaller_than_three_megabytes_and_needs_nothing_from_outside(
    written: str,
) -> None:
    assert len(written.encode()) < 3_000_000
    assert "http:" not in written
    assert "https:" not in written
    assert not re.search(r"(?:src|href)=(?!.data:)", written)
    assert "default-src 'none'" in written


def test_three_pictures_are_inside(written: str) -> None:
    pictures = re.findall(r'<img alt="([^"]+)" src="data:image/png;base64,([^"]+)">', written)
    assert [title for title, _ in pictures] == ["ROC", "Precision and recall", "Calibration"]
    for _, data in pictures:
        shape = matplotlib.image.imread(io.BytesIO(base64.b64decode(data))).shape
        assert shape[:2] == (440, 572)
    assert written.count("data:") == 3 + 1  # and once in the policy


@pytest.mark.slow
def test_what_the_model_goes_by_is_drawn_whatever_its_columns_are_called() -> None:
    reasons = [
        {"column": name, "effect": 0.1, "direction": name, "unit": name}
        for name in (r"$\frac{$", "age", "")
    ]
    text = page.render(read(facts(reasons=reasons)))
    assert '<img alt="Mean absolute SHAP value by column" src="data:image/png;base64,' in text


def test_the_title_is_the_reason(written: str) -> None:
    assert "<title>ROC AUC is 0.7</title>" in written


@pytest.mark.slow
@pytest.mark.usefixtures("without_pictures")
def test_hostile_text_is_inert() -> None:
    plain = Seen(page.render(read(hostile_facts("x"))))
    assert plain.tags.count("img") == 4
    for text in [*HOSTILE, *random_texts(60 if EXHAUSTIVE else 20, seed=6)]:
        seen = Seen(page.render(read(hostile_facts(text))))
        assert set(seen.tags) <= _ALLOWED
        assert seen.tags.count("img") == 4
        assert seen.tags.count("details") == plain.tags.count("details")
        assert not {"href", "onerror", "srcset"} & {name for name, _ in seen.attributes}
        body = seen.text.split("Do not merge:", 1)[1]  # in the title nothing can come alive
        assert [pattern.pattern for pattern in ALIVE if pattern.search(body)] == []


@pytest.mark.slow
@pytest.mark.usefixtures("without_pictures")
def test_a_page_leaves_nothing_out_that_a_comment_would() -> None:
    many = [dict.fromkeys(("name", "value", "limit", "reason"), "*" * 900) | {"passed": False}]
    verdict = {"passed": False, "outcome": "judged", "reason": "x", "gates": many * 200}
    text = page.render(read(facts(verdict=verdict)))
    assert len(text) > 60_000
    assert "Left out" not in text
    assert "What this is" in text


@pytest.mark.slow
def test_what_passed_and_what_failed_is_said_in_words() -> None:
    text = page.render(read(facts()))
    assert '<h2 class="failed">Do not merge' in text
    assert text.count('<td class="passed">passed</td>') == 1
    assert text.count('<td class="failed">failed</td>') == 1
    assert not {"✅", "❌"} & set(text)


@pytest.mark.usefixtures("without_pictures")
def test_a_change_of_its_own_limits_is_neither_green_nor_red() -> None:
    verdict = {
        "passed": True,
        "outcome": "judged",
        "reason": "x",
        "gates": [],
        "moved": ["gates.a"],
    }
    text = page.render(read(facts(verdict=verdict)))
    assert '<h2 class="moved">Changes its own limits: x</h2>' in text


def test_an_unchanged_model_has_a_page_as_well() -> None:
    verdict = {"passed": True, "outcome": "unchanged", "reason": "no change", "gates": []}
    known = facts(verdict=verdict, metrics=None, checks=None, comparison=None, model_digest=None)
    assert '<h2 class="passed">No change</h2>' in page.render(read(known))
