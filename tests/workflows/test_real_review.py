"""pull-request.yml with the real `churn review`, in the environments that run these tests."""

from __future__ import annotations

import json
import re
import sys
import zipfile
from pathlib import Path

import pytest

from churn.comment import artifact, body
from tests.workflows.fake_github import FakeGitHub, ended
from tests.workflows.forge import Forge

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not Path(sys.prefix).parent.joinpath(".venv-checks").exists(),
        reason=".venv-checks is not installed beside the environment of these tests: make setup",
    ),
]


def report(repository: Forge) -> str:
    """Return the report as comment.yml takes it from the artifact, and check that it may stay."""
    text = artifact.unpack(repository.artifact("comment").read_bytes())
    # The two that make text inert agree: what the report escapes, the comment leaves as it is.
    assert body.inert(text, "https://github.com/octo/shop") == text.rstrip()
    return text


def test_documents_alone_train_nothing(real_repository: Forge) -> None:
    real_repository.open_pull_request({"docs/note.md": "a word"})

    ran = real_repository.pull_request()

    assert ran.code == 0, ran.log
    assert report(real_repository).startswith("## ✅ No change to the model")
    assert "Running stage" not in ran.log


def test_a_worse_model_is_blocked_and_the_comment_says_why(
    real_repository: Forge, github: FakeGitHub
) -> None:
    params = (real_repository.origin.root / "params.yaml").read_text()
    stump = re.sub(r"max_depth: \d+", "max_depth: 1", params)
    stump = re.sub(r"max_iter: \d+", "max_iter: 1", stump)
    assert stump != params
    head = real_repository.open_pull_request({"params.yaml": stump})

    ran = real_repository.pull_request()

    assert ran.jobs["required"] == "failed", ran.log
    assert report(real_repository).startswith("## ❌")
    with zipfile.ZipFile(real_repository.artifact("candidate")) as candidate:
        gates = json.loads(candidate.read("verdict.json"))["gates"]
    assert "ROC AUC against main" in {gate["name"] for gate in gates if not gate["passed"]}

    github.open_pull(3, "octo/shop", "better", head)
    github.add_artifact(real_repository.artifact("comment").read_bytes())
    told = real_repository.comment(ended(head, conclusion="failure"), github.host)

    assert told.code == 0, told.log
    [comment] = github.comments
    assert "ROC AUC is worse than main's" in comment["body"]
    assert f"{head}: failure" in comment["body"]
