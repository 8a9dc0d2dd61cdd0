"""pull-request.yml, run as it is."""

from __future__ import annotations

import json
import zipfile

import pytest

from tests.workflows.forge import Forge

REVIEW = "churn review --baseline main --production --from-scratch --output candidate"
PASSED = {"quality": "succeeded", "candidate": "succeeded", "required": "succeeded"}


def test_a_change_of_the_model_is_reviewed_and_kept(repository: Forge) -> None:
    repository.open_pull_request({"standin.sh": "reason=better"})

    ran = repository.pull_request()

    assert ran.code == 0, ran.log
    assert ran.jobs == PASSED
    assert repository.calls.count(REVIEW) == 1
    with zipfile.ZipFile(repository.artifact("candidate")) as candidate:
        assert sorted(candidate.namelist()) == ["manifest.json", "report.md", "review.json"]
    with zipfile.ZipFile(repository.artifact("comment")) as comment:
        assert comment.namelist() == ["review.json"]
        assert json.loads(comment.read("review.json"))["verdict"]["reason"] == "better"
    assert ran.summary == "## better"


def test_the_environments_come_from_the_cache(repository: Forge) -> None:
    repository.open_pull_request({"README.md": "changed"})

    ran = repository.pull_request()

    assert ran.code == 0, ran.log
    assert "scripts/install" not in ran.log
    keys = (repository.store / "cache-keys").read_text().splitlines()
    assert {key.split("-Linux")[0] for key in keys} == {
        "venv-false",
        "venv-true",
        "venv-checks",
        "dvc",
    }
    # An empty hash would be one environment for all locks.
    assert all(len(key.rpartition("-")[2]) in (40, 64) for key in keys)


def test_what_the_cache_does_not_have_is_installed(repository: Forge) -> None:
    (repository.store / "cache" / ".venv-checks").rename(repository.store / "gone")
    install = 'echo "install $*" >> "$TEST_STORE/calls"\nmkdir -p "$1"\n'
    repository.commit_to_main({"scripts/install": f"#!/usr/bin/env bash\n{install}"})
    repository.open_pull_request({"README.md": "changed"})

    ran = repository.pull_request()

    assert ran.code == 0, ran.log
    assert [call for call in repository.calls if call.startswith("install")] == [
        "install .venv-checks requirements/checks.txt"
    ]


@pytest.mark.parametrize("code", [1, 2])
def test_a_blocked_candidate_blocks_and_is_told_all_the_same(repository: Forge, code: int) -> None:
    repository.open_pull_request({"standin.sh": f"code={code} passed=false reason='cost rose'"})

    ran = repository.pull_request()

    assert ran.code != 0
    assert ran.jobs == PASSED | {"candidate": "failed", "required": "failed"}
    assert ran.summary == "## cost rose"
    with zipfile.ZipFile(repository.artifact("comment")) as comment:
        assert b"cost rose" in comment.read("review.json")


@pytest.mark.parametrize("tool", ["ruff", "mypy", "pytest"])
def test_a_finding_of_a_tool_blocks(repository: Forge, tool: str) -> None:
    repository.open_pull_request({"README.md": "changed"})
    (repository.store / f"{tool}-fails").touch()

    ran = repository.pull_request()

    assert ran.code != 0
    assert ran.jobs == PASSED | {"quality": "failed", "required": "failed"}


def test_a_review_that_leaves_nothing_blocks(repository: Forge) -> None:
    repository.open_pull_request({"standin.sh": "rm -r candidate; kill -9 $$"})

    ran = repository.pull_request()

    assert ran.code != 0
    assert ran.jobs == PASSED | {"candidate": "failed", "required": "failed"}
    assert not repository.artifact("comment").exists()


def test_only_documents_train_nothing(repository: Forge) -> None:
    repository.open_pull_request({"docs/note.md": "a word"})

    ran = repository.pull_request()

    assert ran.code == 0, ran.log
    assert ran.summary == "## no change to the model"


def test_what_main_has_changed_since_is_not_the_pull_requests_doing(repository: Forge) -> None:
    repository.open_pull_request({"docs/note.md": "a word"})
    repository.commit_to_main({"params.yaml": "changed: true\n"})
    repository.origin.git("switch", "--quiet", "better")
    repository.push({"docs/note.md": "another word"})

    ran = repository.pull_request()

    assert ran.summary == "## no change to the model", ran.log
