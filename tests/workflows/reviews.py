"""A branch, reviewed locally or by pull-request.yml as act runs it."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from churn.comment import artifact
from churn.review.report import markdown
from churn.review.report.facts import read
from tests.pipeline.conftest import Clone
from tests.workflows import forge
from tests.workflows.forge import Forge


@dataclass(frozen=True)
class Reviewed:
    """What a review has said and written."""

    passed: bool
    log: str
    files: dict[str, str]

    @property
    def report(self) -> str:
        return self.files["report.md"]

    @property
    def page(self) -> str:
        return self.files["report.html"]

    @property
    def verdict(self) -> dict[str, Any]:
        return json.loads(self.files["verdict.json"])

    @property
    def manifest(self) -> dict[str, Any]:
        return json.loads(self.files["manifest.json"])

    @property
    def head(self) -> str:
        return self.report.splitlines()[0]

    @property
    def failed(self) -> list[str]:
        return [gate["name"] for gate in self.verdict["gates"] if not gate["passed"]]

    @property
    def trained(self) -> bool:
        return "Running stage 'train'" in self.log


Review = Callable[[Clone], Reviewed]
TEXTS = ("report.md", "report.html", "review.json", "verdict.json", "manifest.json")


def locally(clone: Clone) -> Reviewed:
    # As a runner does it only where the commit may lie about what was computed.
    scratch = ["--from-scratch"] if clone.git("log", "-1", "--format=%s") == "innocent" else []
    done = clone.run("churn", "review", "--baseline", "main", *scratch, check=False)
    folder = clone.root / "build/candidate"
    assert folder.is_dir(), f"{done.stdout}\n{done.stderr}"
    files = {name: (folder / name).read_text() for name in TEXTS}
    reviewed = Reviewed(done.returncode == 0, done.stdout + done.stderr, files)
    if reviewed.verdict["outcome"] == "judged":
        assert done.returncode == (0 if reviewed.passed else 1)
        assert clone.run("churn", "gate", check=False).returncode == done.returncode
        clone.run("churn", "candidate", "verify", "build/candidate", "--commit", "HEAD")
    else:
        assert done.returncode == (0 if reviewed.passed else 2)
    return reviewed


def in_both(workflow: Review) -> Review:
    """Review locally and in the workflow, and return what the workflow has said."""

    def review(clone: Clone) -> Reviewed:
        here, there = locally(clone), workflow(clone)
        assert (here.passed, here.head, here.failed) == (there.passed, there.head, there.failed)
        for key in ("model_digest", "predictions_digest", "fingerprint", "data_md5"):
            assert here.manifest[key] == there.manifest[key]
        return there

    return review


def in_the_workflow(clone: Clone, folder: Path) -> Reviewed:
    store = forge.make_store(folder / clone.git("rev-parse", "--short", "HEAD"))
    forge.make_real_environments(store / "environments", is_warm=True)
    # The commit that merging would make; the branch has all that main has.
    merged = clone.git("commit-tree", "HEAD^{tree}", "-p", "main", "-p", "HEAD", "-m", "merged")
    clone.git("update-ref", "refs/pull/3/merge", merged)
    there = Forge(clone, store)
    ran = there.pull_request()
    assert there.artifact("candidate").exists(), ran.log
    with zipfile.ZipFile(there.artifact("candidate")) as candidate:
        files = {name: candidate.read(name).decode() for name in TEXTS}
    facts = artifact.unpack(there.artifact("comment").read_bytes())
    assert facts == read(json.loads(files["review.json"]))
    assert markdown.headline(facts) in files["report.md"].splitlines()[0]
    assert ran.jobs["candidate"] == ran.jobs["required"], ran.log
    return Reviewed(ran.jobs["required"] == "succeeded", ran.log, files)
