"""A page without its pictures."""

from __future__ import annotations

import pytest

from churn.review.report import page


@pytest.fixture
def without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the drawing out, which takes the most time; names in pictures have their own test."""
    monkeypatch.setattr(page, "draw_compared", lambda *_: b"picture")
    monkeypatch.setattr(page, "draw_reasons", lambda *_: b"picture")
