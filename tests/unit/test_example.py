"""Tests are of the code, whatever table a project has: they have the parameters of the example."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import PARAMS, ROOT, is_example

# They are of the project: its model, its limits, its files.
OF_THE_PROJECT = {
    "behaviour/conftest.py",
    "conftest.py",
    "integration/conftest.py",
    "unit/init/test_plots.py",
    "unit/test_packaging.py",
    "unit/test_params.py",
}


def test_no_other_test_reads_the_parameters_of_the_project() -> None:
    tests, wanted = ROOT / "tests", f'ROOT / "{PARAMS.name}"'
    readers = {
        path.relative_to(tests).as_posix()
        for path in tests.rglob("*.py")
        if wanted in path.read_text(encoding="utf-8")
    }
    assert readers == OF_THE_PROJECT


def test_another_table_is_not_the_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = PARAMS.read_text(encoding="utf-8")
    for own, expected in ((text, True), (text.replace("target: churned", "target: left"), False)):
        (tmp_path / "params.yaml").write_text(own, encoding="utf-8")
        monkeypatch.setattr("tests.conftest.ROOT", tmp_path)
        assert is_example() is expected
