"""Letting CML write: which program, what it is told, and what of it nobody is told."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from churn.comment import cml
from churn.provenance import github
from churn.provenance.github import Repository

HERE = Repository("https://github.example/octo/shop", "the-token")
# A stand-in that notes what it was called with, and says what nobody has to hear.
PROGRAM = f"""#!{sys.executable}
import json, os, pathlib, sys
text = open(sys.argv[-1]).read()
called = {{"arguments": sys.argv, "text": text, "environment": dict(os.environ)}}
pathlib.Path("called.json").write_text(json.dumps(called))
print("::error::" + os.environ["REPO_TOKEN"], file=sys.stderr)
print(text)
sys.exit(int(os.environ.get("EXIT_CODE", 0)))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder where no program is found."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("GH_TOKEN", "the-token")
    (tmp_path / "bin").mkdir()
    return tmp_path


def install(program: Path) -> None:
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(PROGRAM)
    program.chmod(0o755)


def test_without_cml_it_is_left_to_gh(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not cml.write_comment(HERE, 3, "text")
    assert capsys.readouterr().out == "cml is not installed: gh posts the comment\n"
    install(folder / ".github/cml/source/bin/cml.js")  # and no node
    assert not cml.write_comment(HERE, 3, "text")


def test_its_source_is_run_by_node_with_one_token_and_without_uploads(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    install(folder / ".github/cml/source/bin/cml.js")
    (folder / "bin/node").symlink_to(sys.executable)

    assert cml.write_comment(HERE, 3, "text")

    called = json.loads((folder / "called.json").read_text())
    assert called["arguments"][:-1] == [
        ".github/cml/source/bin/cml.js",
        *("comment", "update", "--target=pr/3", "--publish=false"),
        "--watermark-title=churn-report",
    ]
    assert called["text"] == "text"
    environment = called["environment"]
    assert [name for name, value in environment.items() if value == "the-token"] == ["REPO_TOKEN"]
    assert environment["CML_REPO"] == "https://github.example/octo/shop"
    assert environment["ITERATIVE_DO_NOT_TRACK"] == "1"
    assert capfd.readouterr() == ("", "")


def test_of_a_failure_only_the_exit_code_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    install(folder / "bin/cml")
    monkeypatch.setenv("EXIT_CODE", "3")
    assert not cml.write_comment(HERE, 3, "::add-path::/evil")
    assert capfd.readouterr() == ("cml failed (exit code 3): gh posts the comment\n", "")


@pytest.mark.slow
def test_a_cml_that_does_not_end_is_left(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "bin/cml").write_text(f"#!{sys.executable}\nimport time\ntime.sleep(20)\n")
    (folder / "bin/cml").chmod(0o755)
    monkeypatch.setattr(github, "TIMEOUT_S", 0.5)
    assert not cml.write_comment(HERE, 3, "text")
    assert capfd.readouterr().out == "cml failed (TimeoutError): gh posts the comment\n"
