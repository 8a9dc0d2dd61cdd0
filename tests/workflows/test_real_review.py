"""pull-request.yml with the real `churn review`, in the environments that run these tests."""

from __future__ import annotations

import json
import re
import sys
import zipfile
from pathlib import Path

import pytest

from churn.comment import artifact
from churn.review.report import markdown
from tests.conftest import PARAMS
from tests.pipeline.conftest import Clone
from tests.workflows import forge
from tests.workflows.fake_github import BASE, FakeGitHub, ended
from tests.workflows.forge import Forge

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        not Path(sys.prefix).parent.joinpath(".venv-checks").exists(),
        reason=".venv-checks is not installed beside the environment of these tests: make setup",
    ),
]


def stump(params: str) -> str:
    """Return params.yaml with one tree of one split."""
    return re.sub(
        r"max_iter: \d+", "max_iter: 1", re.sub(r"max_depth: \d+", "max_depth: 1", params)
    )


def headline(repository: Forge) -> str:
    """Return what the review says, as comment.yml reads it from the artifact."""
    return markdown.headline(artifact.unpack(repository.artifact("comment").read_bytes()))


@pytest.fixture
def small_repository(branch: Clone, tmp_path: Path) -> Forge:
    """Return a forge with a small table, whose `churn review` is the real one."""
    if lacking := forge.missing():
        pytest.skip(f"the workflows cannot be run here; install {', '.join(lacking)}")
    store = forge.make_store(tmp_path / "store")
    forge.make_real_environments(store / "environments", is_warm=True)
    return Forge(branch, store)


@pytest.fixture(params=["small", pytest.param("shipped", marks=pytest.mark.exhaustive)])
def reviewing(request: pytest.FixtureRequest) -> Forge:
    """Return a forge with a small table, or with the one that ships."""
    names = {"small": "small_repository", "shipped": "real_repository"}
    found: Forge = request.getfixturevalue(names[request.param])
    return found


@pytest.mark.exhaustive
def test_documents_alone_train_nothing(real_repository: Forge) -> None:
    real_repository.open_pull_request({"docs/note.md": "a word"})

    ran = real_repository.pull_request()

    assert ran.code == 0, ran.log
    assert headline(real_repository).startswith("✅ No change to the model")
    assert "Running stage" not in ran.log


def test_a_worse_model_is_blocked_and_the_comment_says_why(
    reviewing: Forge, served_github: FakeGitHub
) -> None:
    github = served_github
    reviewing.environment["SSL_CERT_FILE"] = str(github.certificate)
    params = (reviewing.origin.root / "params.yaml").read_text()
    assert stump(params) != params
    head = reviewing.open_pull_request({"params.yaml": stump(params)})

    ran = reviewing.pull_request()

    assert ran.jobs["required"] == "failed", ran.log
    assert headline(reviewing).startswith("❌")
    with zipfile.ZipFile(reviewing.artifact("candidate")) as candidate:
        gates = json.loads(candidate.read("verdict.json"))["gates"]
    failed = {gate["name"] for gate in gates if not gate["passed"]}
    assert {"minimum of ROC AUC", "ROC AUC against main"} <= failed

    github.open_pull(3, "octo/shop", "better", head)
    github.add_artifact(reviewing.artifact("comment").read_bytes())
    github.files = [{"filename": "params.yaml", "status": "modified"}]
    written = PARAMS.read_text()  # as people do, and not as YAML is dumped
    github.texts = {BASE: written, head: stump(written)}
    told = reviewing.comment(ended(head, conclusion="failure"), github.host)

    assert told.code == 0, told.log
    [comment] = github.comments
    assert comment["body"].startswith("## ❌ Do not merge: ")
    assert "ROC AUC is worse than main" in comment["body"]
    assert "### Metrics against `main`" in comment["body"]
    assert "```mermaid" in comment["body"]
    assert "Limits" not in comment["body"]  # the model is no limit
    assert f"{head}: failure" in comment["body"]
