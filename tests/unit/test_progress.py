"""A bar on a terminal, nothing anywhere else."""

from __future__ import annotations

import os
import select

import pytest

from churn.core.progress import bar, rows_bar


def test_without_a_terminal_nothing_is_written(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    with bar("training", 2) as advance:
        advance("fold 1")
        advance("fold 2")
    assert capfd.readouterr() == ("", "")


def test_on_a_terminal_the_task_and_its_steps_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    shown, terminal = os.openpty()
    with open(terminal, "w") as stderr:  # noqa: PTH123
        monkeypatch.setattr("sys.stderr", stderr)
        with bar("training", 2) as advance:
            advance("fold 1")
            advance("fold 2")
        written = b""
        while select.select([shown], [], [], 0)[0]:
            written += os.read(shown, 65536)
    os.close(shown)
    assert b"training" in written
    assert b"2/2" in written
    assert b"fold 2" in written


def test_rows_their_rate_and_the_share_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    shown, terminal = os.openpty()
    with open(terminal, "w") as stderr:  # noqa: PTH123
        monkeypatch.setattr("sys.stderr", stderr)
        with rows_bar("predicting", 1_000_000) as count:
            count(500_000, 0.75)
        written = b""
        while select.select([shown], [], [], 0)[0]:
            written += os.read(shown, 65536)
    os.close(shown)
    assert b"75 %" in written
    assert b"1,500,000 rows" in written
    assert b"rows/s" in written
