"""The program that posts the comment: which pull request, and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import churn.comment.__main__ as program
from churn.comment.run import Run
from churn.core.errors import GitHubError
from churn.provenance import github
from churn.provenance.github_answers import PullRequest
from tests.conftest import ROOT
from tests.unit.comment.samples import HEAD, RUN, WORKFLOW


def pull(
    number: int, source: str, branch: str = "better", head: str = HEAD, base: str = "main"
) -> dict[str, Any]:
    return {
        "number": number,
        "base": {"ref": base},
        "head": {"ref": branch, "sha": head, "repo": source and {"full_name": source}},
    }


class Repository:
    """A repository that has these pull requests open."""

    def __init__(self, *pulls: dict[str, Any]) -> None:
        self.pulls = list(map(PullRequest.read, pulls))

    def pull_requests(self, owner: str, branch: str) -> list[PullRequest]:
        assert (owner, branch) == ("stranger", "better")
        return self.pulls


def found(*pulls: dict[str, Any], run: Run = RUN) -> Any:
    pull = program.find_pull_request(run, Repository(*pulls))  # type: ignore[arg-type]
    return pull and pull.number


def test_the_pull_request_is_found_by_source_branch_and_commit(
    capsys: pytest.CaptureFixture[str],
) -> None:
    # GitHub answers with every open pull request where it does not understand `head`.
    others = [pull(1, "octo/shop"), pull(2, "stranger/shop", "other"), pull(4, "")]
    assert found(*others, pull(3, "stranger/shop")) == 3
    assert found(*others) is None
    assert "not open" in capsys.readouterr().out
    assert found(*others, pull(3, "stranger/shop", head="b" * 40)) is None
    assert "a newer push has superseded it" in capsys.readouterr().out
    with pytest.raises(GitHubError, match="several"):
        found(pull(3, "stranger/shop"), pull(5, "stranger/shop"))


def test_of_two_pull_requests_of_one_commit_the_one_to_the_default_branch_is_meant() -> None:
    ours, other = pull(3, "stranger/shop"), pull(5, "stranger/shop", base="release")
    assert found(ours, other) == found(other, ours) == 3
    assert found(ours, other, run=replace(RUN, base="release")) == 5
    assert found(other) == 5  # the workflow was told to run for that branch as well
    with pytest.raises(GitHubError, match="several"):
        found(other, pull(7, "stranger/shop", base="next"))


def test_a_run_that_waits_for_approval_says_nothing() -> None:
    waiting = replace(RUN, conclusion="action_required")
    assert found(pull(3, "stranger/shop"), run=waiting) is None


@pytest.mark.parametrize("workflow", ["", ".github/workflows/evil.yml", "pull-request.yml"])
def test_another_workflow_of_that_name_says_nothing(
    workflow: str, capsys: pytest.CaptureFixture[str]
) -> None:
    other = replace(RUN, workflow=workflow)
    assert found(pull(3, "stranger/shop"), run=other) is None
    assert capsys.readouterr().out == "run 77 belongs to another workflow: no comment\n"


def test_outside_of_a_workflow_it_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("GITHUB_EVENT_PATH", raising=False)
    with pytest.raises(SystemExit) as stopped:
        program.main([])
    assert stopped.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("Error: 'GITHUB_EVENT_PATH' is missing")


EVENT = {
    "repository": {"default_branch": "main"},
    "workflow_run": {
        "id": 77,
        "run_number": 12,
        "path": f"{WORKFLOW}@refs/heads/main",
        "conclusion": "success",
        "head_sha": HEAD,
        "head_branch": "better",
        "head_repository": {"full_name": "stranger/shop"},
    },
}
PULLS = json.dumps([pull(3, "stranger/shop")])
LISTED = {"id": 1, "name": "comment", "size_in_bytes": 9, "expired": False}
ONE_ARTIFACT = json.dumps({"artifacts": [LISTED]})
# Stand-ins for gh: what they do where pulls, the list of artifacts and the archive are asked for.
GH = """#!/bin/sh
case "$*" in
*/pulls/3/files*) echo '[]' ;;
*/pulls*) {pulls} ;;
*runs/77/artifacts*) {artifacts} ;;
*/zip*) {archive} ;;
esac
"""


@pytest.fixture
def gh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Return what makes a workflow whose gh does as it is told."""
    event = tmp_path / "event.json"
    event.write_text(json.dumps(EVENT))
    monkeypatch.setenv("GITHUB_EVENT_PATH", str(event))
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
    monkeypatch.setenv("GITHUB_REPOSITORY", "octo/shop")
    monkeypatch.setenv("GH_TOKEN", "x")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    def make(
        pulls: str = f"echo '{PULLS}'",
        artifacts: str = f"echo '{ONE_ARTIFACT}'",
        archive: str = "exit 1",
        sent: str | None = None,
    ) -> None:
        (tmp_path / "gh").write_text(GH.format(pulls=pulls, artifacts=artifacts, archive=archive))
        (tmp_path / "gh").chmod(0o755)
        if sent is not None:
            event.write_text(sent)

    return make


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """Run the program, which has to fail, and return its one line."""
    with pytest.raises(SystemExit) as stopped:
        program.main([])
    assert stopped.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("Error: ")
    return line.removeprefix("Error: ")


@pytest.mark.slow
@pytest.mark.parametrize("asked", ["pulls", "artifacts", "archive"])
def test_a_gh_that_does_not_answer_is_one_line(
    gh: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    asked: str,
) -> None:
    gh(**{asked: "exec sleep 20"})
    monkeypatch.setattr(github, "TIMEOUT_S", 0.5)
    started = time.perf_counter()
    assert "no answer in 0.5 seconds" in said(capsys)
    assert time.perf_counter() - started < 10


@pytest.mark.slow
def test_a_gh_that_sends_and_then_does_not_end_is_one_line(
    gh: Callable[..., None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gh(archive="echo x; exec sleep 20 >&-")
    monkeypatch.setattr(github, "TIMEOUT_S", 0.5)
    assert said(capsys) == "downloading the artifact: no answer in 0.5 seconds"


@pytest.mark.parametrize(
    ("does", "line"),
    [
        ({"pulls": "echo '[{}]'"}, "GitHub's answer is not as expected: KeyError 'head'"),
        ({"artifacts": "echo '{}'"}, "GitHub's answer is not as expected: KeyError 'artifacts'"),
        ({"artifacts": "echo '[]'"}, "GitHub's answer is not as expected: TypeError list indices"),
        ({"pulls": "echo '<html>'"}, "GET pulls: the answer is not JSON"),
        ({"archive": "echo gone >&2; exit 1"}, "downloading the artifact: gone"),
        ({"sent": "{}"}, "GITHUB_EVENT_PATH: not a completed workflow_run: KeyError"),
        ({"sent": "[]"}, "GITHUB_EVENT_PATH: not a completed workflow_run: TypeError"),
        ({"sent": "x"}, "GITHUB_EVENT_PATH: not a completed workflow_run: JSONDecodeError"),
    ],
)
def test_what_is_not_as_expected_is_called_by_its_name(
    gh: Callable[..., None], capsys: pytest.CaptureFixture[str], does: dict[str, str], line: str
) -> None:
    gh(**does)
    found = said(capsys)
    assert found.startswith(line)
    assert "comment.yml" not in found


@pytest.mark.parametrize("name", ["GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GH_TOKEN"])
def test_a_variable_that_is_missing_is_named(
    gh: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    gh()
    monkeypatch.delenv(name)
    assert said(capsys) == f"'{name}' is missing; run this in comment.yml"


@pytest.mark.slow
def test_it_needs_nothing_but_the_standard_library() -> None:
    # -I and -S: no packages of the environment, and none of the user's.
    code = f"import sys; sys.path.insert(0, {str(ROOT / 'src')!r}); import churn.comment.__main__"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True)
    assert done.stderr == ""
