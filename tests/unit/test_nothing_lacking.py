"""Tests that lack a program: skipped locally, and failed where everything has to be there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import NOTHING_LACKING, ROOT

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("warm_programs")]


@pytest.mark.parametrize(("value", "ends"), [("", "skipped"), ("1", "errors")])
def test_without_a_program(value: str, ends: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [
            *command,
            "tests/unit/report/test_text.py::test_a_reader_sees_what_stands_there",
            "-k",
            "cmark-gfm",
        ],
        cwd=ROOT,
        env=os.environ | {"PATH": str(tmp_path), NOTHING_LACKING: value},
        capture_output=True,
        text=True,
    )
    assert f"2 {ends}" in done.stdout.splitlines()[-1], done.stdout
    assert done.returncode == (1 if value else 0)
    assert "apt install it" in done.stdout
