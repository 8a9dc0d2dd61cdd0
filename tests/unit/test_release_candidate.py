"""The candidate of a commit on main: made there, from that commit, and from nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from churn.core.errors import CandidateError, TrackingError
from churn.core.paths import Workspace
from churn.deploy import promotion, release_candidate
from churn.deploy.commits import Commit
from churn.deploy.release_candidate import Made
from churn.provenance import bundle
from churn.provenance.git import git
from churn.registry import Registry
from churn.review import run as review
from churn.review.outcome import Gate, Verdict
from tests.unit.releases import Candidates
from tests.unit.repositories import write

pytestmark = pytest.mark.long

COMMITTED = Gate("committed results", True, "byte for byte", "those of the inputs", "as reviewed")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[review.Plan]:
    """Replace the pipeline by the candidates that are there, and note how it is asked for."""
    plans: list[review.Plan] = []

    def run(workspace: Workspace, plan: review.Plan, output: Path, say: Any) -> Verdict:
        plans.append(plan)
        bundle.pack(workspace, output)
        return Verdict(True, "judged", "good", (COMMITTED,))

    monkeypatch.setattr(review, "run", run)
    return plans


def make(root: Path, tmp_path: Path) -> Made:
    return release_candidate.make(root, "HEAD", tmp_path / "candidate", lambda step: None)


def test_it_is_made_from_scratch_and_judged_against_production(
    candidates: Candidates, made: list[review.Plan], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))

    done = make(candidates.roots[0], tmp_path)

    [plan] = made
    assert (plan.revision, plan.production, plan.from_scratch) == (None, True, True)
    assert plan.source is not None
    assert plan.source.how == "commit"
    digest = bundle.read_manifest(tmp_path / "candidate").digest
    assert (done.code, done.needed, done.digest) == (0, True, digest)
    assert (tmp_path / "output").read_text() == f"needed=true\ndigest={digest}\n"
    assert "compared with what was reviewed: byte for byte (as reviewed)" in done.lines[-1]
    note = Workspace(candidates.roots[0]).release_note.read_text()
    assert note.startswith("## ")
    assert "byte for byte" in note


def test_the_next_jobs_take_that_candidate_and_no_other(
    candidates: Candidates, made: list[review.Plan], tmp_path: Path
) -> None:
    digest = make(candidates.roots[0], tmp_path).digest
    other = bundle.read_manifest(candidates.plan(2).candidate).digest
    assert digest != other
    with pytest.raises(CandidateError, match="another candidate"):
        candidates.release(1, digest=other)
    assert candidates.production is None
    assert candidates.release(1, digest=bundle.read_manifest(candidates.plan(1).candidate).digest)


def test_a_commit_that_is_not_checked_out_is_not_made(
    candidates: Candidates, made: list[review.Plan], tmp_path: Path
) -> None:
    root = candidates.roots[0]
    write(root, {"src/churn/new.py": "pass\n"})
    with pytest.raises(CandidateError, match=r"the inputs in the work tree differ from \w{12}"):
        make(root, tmp_path)
    assert made == []
    assert "no candidate: " in Workspace(root).release_note.read_text()


def test_what_is_in_production_already_is_not_made_again(
    released: Candidates, made: list[review.Plan], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    done = make(released.roots[0], tmp_path)
    assert (done.code, done.needed, made) == (0, False, [])
    assert "version 1 in Production has the same inputs" in done.lines[-1]
    assert (tmp_path / "output").read_text() == "needed=false\ndigest=\n"
    assert not (tmp_path / "candidate").exists()


def test_what_was_rolled_back_is_not_made_again(
    released: Candidates, made: list[review.Plan], tmp_path: Path
) -> None:
    released.release(2)
    promotion.rollback(released.registry, None, "ann", "complaints")
    done = make(released.roots[1], tmp_path)
    assert (done.needed, made) == (False, [])
    assert "ann rolled back" in done.lines[-1]


@pytest.mark.parametrize(("outcome", "code"), [("judged", 1), ("stopped", 2)])
def test_what_its_gates_block_is_not_needed_and_says_why(
    outcome: Any, code: int, candidates: Candidates, made: list[review.Plan], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def run(workspace: Workspace, plan: review.Plan, output: Path, say: Any) -> Verdict:
        bundle.pack(workspace, output)
        return Verdict(False, outcome, "ROC AUC fell", (COMMITTED,))

    monkeypatch.setattr(review, "run", run)
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    done = make(candidates.roots[0], tmp_path)
    assert (done.code, done.needed) == (code, None)
    assert done.lines[-1].endswith("not to be released: ROC AUC fell")
    assert not (tmp_path / "output").exists()


def test_an_earlier_candidate_is_not_taken_for_this_one(
    candidates: Candidates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle.pack(Workspace(candidates.roots[1]), tmp_path / "candidate")

    def fail(*_: Any) -> Any:
        raise TrackingError("no answer")

    monkeypatch.setattr(Registry, "production", fail)
    with pytest.raises(TrackingError):
        make(candidates.roots[0], tmp_path)
    assert not (tmp_path / "candidate").exists()


def test_where_it_came_from_goes_with_it(candidates: Candidates) -> None:
    version = candidates.release(1).version
    assert (
        json.loads((candidates.plan(1).candidate / "lineage.json").read_text())["how"] == "commit"
    )
    assert version.tags["candidate"] == "commit"
    head = Commit.of(candidates.roots[0], "HEAD").id
    assert version.tags["commit"] == head == git(candidates.roots[0], "rev-parse", "HEAD").strip()
