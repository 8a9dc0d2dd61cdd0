"""Programs that this one runs: what they get, what they give back, and why they failed."""

from __future__ import annotations

import sys

import pytest

from churn.core import process

ECHO = [sys.executable, "-c", "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())"]
BOTH = [sys.executable, "-c", "import os; os.write(1, b'out\\n'); os.write(2, b'err\\n'); exit(3)"]


def test_output_and_exit_code_are_returned() -> None:
    assert process.run(BOTH) == process.Finished(3, "out\n", "err\n")
    assert process.run(BOTH, merge_output=True) == process.Finished(3, "out\nerr\n", "")


@pytest.mark.parametrize("text", ["", "ä\n", "a\r\nb\r"])
def test_text_arrives_as_it_was_sent(text: str) -> None:
    assert process.run(ECHO, stdin=text).stdout == text


def test_file_names_that_are_not_utf_8_survive() -> None:
    name = b"\xff.csv".decode("utf-8", "surrogateescape")
    assert process.run(ECHO, stdin=name, errors="surrogateescape").stdout == name


@pytest.mark.slow
def test_a_program_that_hangs_is_killed() -> None:
    with pytest.raises(TimeoutError, match=r"no end after 0\.2 s"):
        process.run([sys.executable, "-c", "import time; time.sleep(60)"], timeout_s=0.2)


@pytest.mark.parametrize(
    ("output", "prefixes", "last", "line"),
    [
        ("one\ntwo\n", (), False, "one"),
        ("one\ntwo\n\n", (), True, "two"),
        ("fetching\nfatal: a\nfatal: b\nhint", ("fatal: ",), False, "fatal: a"),
        ("fetching\nfatal: a\nfatal: b\nhint", ("fatal: ",), True, "fatal: b"),
        ("one\ntwo", ("fatal: ",), True, "two"),
        (" \n", ("fatal: ",), True, "it printed no reason"),
    ],
)
def test_the_line_that_says_why_is_found(
    output: str, prefixes: tuple[str, ...], last: bool, line: str
) -> None:
    assert process.error_line(output, prefixes, last=last) == line


def test_credentials_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GH_TOKEN", "secret")
    monkeypatch.setenv("OTHER", "kept")
    assert process.without_credentials()["OTHER"] == "kept"
    assert "GH_TOKEN" not in process.without_credentials()
