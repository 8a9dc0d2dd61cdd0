"""pull-request.yml with the real `churn review`, in the environments that run these tests."""

from __future__ import annotations

import json
import re
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from churn.cli import cli
from churn.comment import artifact, body
from tests.workflows.forge import Forge

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("review" not in cli.commands, reason="there is no `churn review` yet"),
    pytest.mark.skipif(
        not Path(sys.prefix).parent.joinpath(".venv-checks").exists(),
        reason="there is no .venv-checks beside the environment of these tests: make setup",
    ),
]
RUN = body.Run(77, 12, "success", "a" * 40, "better", "octo/shop", "https://github.com/octo/shop")


def verdict(repository: Forge) -> dict[str, Any]:
    with zipfile.ZipFile(repository.artifact("candidate")) as candidate:
        read: dict[str, Any] = json.loads(candidate.read("verdict.json"))
    return read


def report(repository: Forge) -> str:
    """Return the report as comment.yml takes it from the artifact, after checking it."""
    text = artifact.unpack(repository.artifact("comment").read_bytes())
    assert body.compose(text, RUN)
    return text


def test_documents_alone_train_nothing(real_repository: Forge) -> None:
    real_repository.open_pull_request({"docs/note.md": "a word"})

    ran = real_repository.pull_request()

    assert ran.code == 0, ran.log
    assert "no change to the model" in report(real_repository)
    assert "Running stage" not in ran.log


def test_a_worse_model_is_blocked_and_named(real_repository: Forge) -> None:
    params = (real_repository.origin.root / "params.yaml").read_text()
    stump = re.sub(r"max_depth: \d+", "max_depth: 1", params)
    stump = re.sub(r"max_iter: \d+", "max_iter: 1", stump)
    assert stump != params
    real_repository.open_pull_request({"params.yaml": stump})

    ran = real_repository.pull_request()

    assert ran.jobs["required"] == "failed", ran.log
    assert verdict(real_repository)
    assert "blocked" in report(real_repository).partition("\n")[0].lower()
