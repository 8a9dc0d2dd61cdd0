"""The commands that move versions: what they say, and how they end."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from churn.cli import main as cli
from churn.core.errors import ChurnError, NoAnswerError, NotNowError, RegistryError, RolledBackError
from churn.core.paths import Workspace
from churn.deploy import commands, integration, release
from churn.deploy.integration import Findings
from churn.registry import Registry
from churn.review import outcome
from churn.review import run as review
from churn.tracking.local_store import BRANCH, reason_not_to_release
from tests.unit.releases import Candidates

pytestmark = pytest.mark.long


@pytest.fixture
def first(candidates: Candidates, monkeypatch: pytest.MonkeyPatch) -> Candidates:
    """Work in the repository at its first commit."""
    monkeypatch.chdir(candidates.roots[0])
    monkeypatch.setenv("GITHUB_ACTOR", "octocat")
    return candidates


def run(*words: str) -> int:
    try:
        cli.main(list(words))
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def last_line(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out.strip().splitlines()[-1]


def test_a_release_says_what_is_in_production(
    first: Candidates, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("release", "build/candidate") == 0
    digest = first.digest(1)[:12]
    assert last_line(capsys) == (f"version 1 is in Production. Production: version 1 ({digest})")
    note = Workspace().release_note.read_text()
    assert note.startswith("## version 1 is in Production\n")
    assert first.production is not None
    assert first.production.tags["promoted_by"] == "octocat"


def test_what_is_blocked_ends_with_one_and_says_that_production_stays(
    first: Candidates, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = Findings(False, "integration tests failed: test_parity", "")
    monkeypatch.setattr(integration, "run", lambda *_: failed)
    assert run("release", "build/candidate") == 1
    assert last_line(capsys) == (
        "blocked: integration tests failed: test_parity. Production: nothing"
    )


def test_a_registry_that_does_not_answer_is_not_asked_once_more(
    first: Candidates, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def no_answer(self: Registry) -> Any:
        asked.append(self)
        raise NoAnswerError("timed out")

    monkeypatch.setattr(Registry, "versions", no_answer)
    assert run("release", "build/candidate") == 2
    assert len(asked) == 1
    assert last_line(capsys) == (
        "stopped, because the registry does not answer. Production: unknown"
    )
    assert Workspace().release_note.read_text().startswith("## stopped, because the registry")


def test_an_error_ends_with_two_and_says_what_is_in_production(
    first: Candidates, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("release", "build/candidate") == 0
    (first.plan(1).candidate / "metrics.json").write_text("{}")
    assert run("release", "build/candidate") == 2
    said = capsys.readouterr()
    assert "Error: build/candidate/metrics.json: differs from the manifest" in said.err
    assert "Production: version 1" in said.out.strip().splitlines()[-1]


def test_the_commands_of_the_registry(
    first: Candidates, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("register", "build/candidate") == 0
    assert run("promote", "1", "--to", "staging") == 0
    assert last_line(capsys) == "version 1 is in Staging"
    assert run("promote", "1", "--to", "production") == 2
    assert "has not passed the integration tests" in capsys.readouterr().err
    assert run("release", "build/candidate") == 0
    os.chdir(first.roots[1])
    assert run("release", "build/candidate") == 0
    assert run("rollback", "--why", "it was slow") == 0
    assert last_line(capsys) == "version 1 is in Production again; it was version 2"
    assert run("rollback") == 2  # said once more, it does not go further back
    assert "version 1 is in Production by a rollback of" in capsys.readouterr().err
    assert run("promote", "1", "--to", "production") == 0
    assert last_line(capsys) == "version 1 is in Production already"
    assert run("rollback", "--to", "x") == 2
    assert run("status") == 0
    assert run("history") == 0
    assert "it was slow" in capsys.readouterr().out


def test_at_the_end_of_make_run_nothing_is_released_to_a_server(
    first: Candidates, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("release", "--embedded") == 0  # the tests' store has an address
    assert "MLFLOW_TRACKING_URI names a server" in last_line(capsys)
    assert first.registry.versions() == []


def test_at_the_end_of_make_run_nothing_is_released_to_a_branch(
    first: Candidates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    monkeypatch.setenv(BRANCH, "registry")
    assert "CHURN_REGISTRY_BRANCH names a branch" in str(reason_not_to_release(Path()))


def test_what_only_confirms_takes_no_candidate(
    first: Candidates, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (("build/candidate",), ("--until", "staging"), ("--embedded",)):
        assert run("release", "--confirm", *words) == 2
        assert "--confirm excludes FOLDER" in capsys.readouterr().err
    assert run("release", "--confirm") == 0
    assert last_line(capsys) == (
        "nothing to note: Production is not of HEAD's inputs. Production: nothing"
    )
    assert run("release", "build/candidate") == 0
    assert run("release", "--confirm") == 0
    assert last_line(capsys).startswith("version 1 is in Production already. Production: version 1")
    note = Workspace().release_note.read_text()
    assert note.startswith("## version 1 is in Production already\n")


def test_at_the_end_of_make_run_nothing_is_released_that_is_not_committed(
    first: Candidates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert reason_not_to_release(Path()) is None
    Path("README.md").write_text("words")
    assert reason_not_to_release(Path()) is None
    with Path("params.yaml").open("a") as file:
        file.write("# changed\n")
    assert reason_not_to_release(Path()) == (
        "params.yaml not committed yet, and a version belongs to a commit"
    )


@pytest.mark.parametrize(
    ("error", "skip_if_not_applicable", "code"),
    [
        (NotNowError("another is newer"), True, 0),
        (NotNowError("another is newer"), False, None),
        (RolledBackError("this is version 2"), True, 0),
        (RegistryError("could not be put back"), True, None),
    ],
    ids=str,
)
def test_at_the_end_of_make_run_a_newer_model_is_no_error_and_all_else_is(
    error: ChurnError,
    skip_if_not_applicable: bool,
    code: int | None,
    first: Candidates,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(release, "run", fail)
    folder = first.plan(1).candidate
    if code is None:
        with pytest.raises(type(error)):
            commands.release(Path(), folder, "HEAD", "production", "why", skip_if_not_applicable)
    else:
        assert (
            commands.release(Path(), folder, "HEAD", "production", "why", skip_if_not_applicable)
            == code
        )
    assert Workspace().release_note.read_text().startswith("## not released")


def test_what_is_in_production_already_is_not_run_again(
    first: Candidates, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("release", "build/candidate") == 0
    monkeypatch.setattr(review, "run", lambda *_: pytest.fail("it was run"))
    assert run("release") == 0
    assert "version 1 is in Production already" in last_line(capsys)


def test_what_is_here_is_judged_first(
    first: Candidates, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(review, "run", lambda *_: outcome.stopped("no data"))
    assert run("release") == 2
    assert "Error: no data" in capsys.readouterr().err
    bad = outcome.Verdict(False, "judged", "it is worse", ())
    monkeypatch.setattr(review, "run", lambda *_: bad)
    assert run("release") == 1
    assert "blocked: it is worse" in last_line(capsys)


def test_versions_are_moved_to_where_the_address_says(
    first: Candidates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    with pytest.raises(RegistryError, match="set MLFLOW_TRACKING_URI"):
        commands.migrate(Path(), "sqlite:///mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(RegistryError, match="not there; name the source"):
        commands.migrate(Path(), "sqlite:///mlflow.db")
