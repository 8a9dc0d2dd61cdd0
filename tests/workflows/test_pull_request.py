"""pull-request.yml, run as it is."""

from __future__ import annotations

import json
import zipfile

import pytest

from tests.workflows.forge import Forge

pytestmark = pytest.mark.long

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


def test_every_job_installs_its_environments_from_the_locks(repository: Forge) -> None:
    repository.open_pull_request({"README.md": "changed"})

    ran = repository.pull_request()

    assert ran.code == 0, ran.log
    installed = [call for call in repository.calls if call.startswith("install")]
    assert sorted(installed) == [
        "install .venv requirements/pipeline.txt",
        "install .venv requirements/pipeline.txt",
        "install .venv requirements/pipeline.txt requirements/dev.txt",
        # For the tests, and for the candidate.
        "install .venv-checks requirements/checks.txt",
        "install .venv-checks requirements/checks.txt",
    ]


def test_nothing_that_an_earlier_push_has_left_is_there(repository: Forge) -> None:
    """Push A leaves an environment of its own wherever it can; push B finds a new one."""
    poison = "mkdir -p .venv/bin .dvc/cache && touch .venv/poison .dvc/cache/poison"
    repository.open_pull_request({"standin.sh": poison})
    assert repository.pull_request().code == 0
    repository.push({"standin.sh": "[ ! -e .venv/poison ] && [ ! -e .dvc/cache/poison ]"})

    ran = repository.pull_request()

    assert ran.code == 0, ran.log


@pytest.mark.parametrize("code", [1, pytest.param(2, marks=pytest.mark.exhaustive)])
def test_a_blocked_candidate_blocks_and_is_told_all_the_same(repository: Forge, code: int) -> None:
    repository.open_pull_request({"standin.sh": f"code={code} passed=false reason='cost rose'"})

    ran = repository.pull_request()

    assert ran.code != 0
    assert ran.jobs == PASSED | {"candidate": "failed", "required": "failed"}
    assert ran.summary == "## cost rose"
    with zipfile.ZipFile(repository.artifact("comment")) as comment:
        assert b"cost rose" in comment.read("review.json")


@pytest.mark.parametrize("tool", ["ruff", "mypy", "pytest", "kubernetes-validate"])
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
