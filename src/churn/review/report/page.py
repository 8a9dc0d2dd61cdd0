"""Render the report as one self-contained HTML page with embedded images."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import asdict

from markdown_it import MarkdownIt
from markupsafe import Markup

from churn.core import page as template
from churn.evaluation.curve_names import COMPARED
from churn.evaluation.pictures import draw_compared, draw_reasons
from churn.review.comparison import Points
from churn.review.report import markdown
from churn.review.report.facts import Facts, Reason

_NO_LIMIT = 10**9
# The page has colours and words instead of emoji, for which a font may be missing.
_SIGNS = {
    "✅": ("passed", "passed"),
    "❌": ("failed", "failed"),
    "⚠️": ("moved", "look first"),
    "🟡": ("open", "undecided"),
}


def render(facts: Facts, run: str = "") -> str:
    """Render the report as a page with the comment's text, but uncut.

    Parameters
    ----------
    facts : Facts
    run : str, default=""
        URL of the workflow run; empty outside of one.

    Returns
    -------
    str
        HTML without external resources.
    """
    text = markdown.render(facts, _picture, run, limit=_NO_LIMIT, picture=_reasons)
    # Raw HTML is allowed for our own <details> and <code>; everything else in the Markdown is
    # escaped already (`churn.review.report.text`).
    body = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    for sign, (kind, word) in _SIGNS.items():
        body = body.replace(f"<td>{sign}</td>", f'<td class="{kind}">{word}</td>')
        body = body.replace(f"<h2>{sign} ", f'<h2 class="{kind}">')
    return template.render(
        __package__,
        title=facts.verdict.reason,
        body=Markup(body),  # noqa: S704
    )


def _reasons(reasons: Sequence[Reason]) -> str:
    data = base64.b64encode(draw_reasons([asdict(reason) for reason in reasons])).decode()
    return f'<img alt="Mean absolute SHAP value by column" src="data:image/png;base64,{data}">'


def _picture(curve: str, baseline: Points, candidate: Points, name: str) -> str:
    data = base64.b64encode(draw_compared(curve, baseline, candidate, name)).decode()
    return f'<img alt="{COMPARED[curve][2]}" src="data:image/png;base64,{data}">'
