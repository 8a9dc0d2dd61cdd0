"""What a change proposes, as far as git knows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from churn.core.paths import Workspace
from churn.core.shapes import to_json
from churn.provenance.git import git
from churn.review import proposal
from churn.review.changes import Changes
from tests.unit.repositories import commit, write


@pytest.fixture
def before(repository: Path) -> str:
    """Return a commit with parameters, code and a workflow."""
    write(repository, {
        "params.yaml": "model: {seed: 1}\ngates: {minima: {roc_auc: 0.8}}\n",
        "src/churn/review/gate.py": "",
        "src/churn/model/features.py": "",
        ".github/workflows/a.yml": "",
    })  # fmt: skip
    return commit(repository)


def test_parameters_files_and_judges_are_told_apart(repository: Path, before: str) -> None:
    write(repository, {
        "params.yaml": "model: {seed: 2}\ngates: {minima: {roc_auc: 0.5}}\n",
        "src/churn/review/gate.py": "#", "src/churn/model/features.py": "#",
        ".github/workflows/a.yml": "#", "README.md": "#",
    })  # fmt: skip

    found = proposal.against(Workspace(repository), before)

    proposal.write(Workspace(repository), before)
    assert json.loads((repository / "build/changes.json").read_text()) == to_json(found)
    assert {one.key: one.limit for one in found.parameters} == {
        "model.seed": False,
        "gates.minima.roc_auc": True,
    }
    assert found.files == [
        "params.yaml",
        "src/churn/model/features.py",
        "src/churn/review/gate.py",
    ]
    assert found.judge == [".github/workflows/a.yml", "src/churn/review/gate.py"]


def test_where_nothing_has_changed_nothing_is_said(repository: Path, before: str) -> None:
    found = proposal.against(Workspace(repository), before)
    assert found == Changes(parameters=[], files=[], judge=[], decided=0)


@pytest.mark.slow
def test_commits_with_other_metrics_since_another_table_are_counted(
    repository: Path, tmp_path: Path
) -> None:
    def decided(root: Path, main: str = "HEAD") -> object:
        return proposal.against(Workspace(root), main).decided

    split = "split:\n  test_share: 0.2\n  salt: churn\n"
    write(repository, {"params.yaml": split, "data.dvc": "1", "reports/metrics.json": "1"})
    commit(repository)
    for number in range(3):
        write(repository, {"reports/metrics.json": f"{number + 2}", "README.md": f"{number}"})
        commit(repository)
    assert decided(repository) == 3
    git(repository, "clone", "--quiet", "--depth=2", f"file://{repository}", str(tmp_path / "few"))
    assert decided(tmp_path / "few") is None
    # A change that brings another table is compared on the same exam of main; its newest commit is
    # the one that is decided.
    main = git(repository, "rev-parse", "HEAD").strip()
    for number in range(2):
        write(repository, {"data.dvc": f"new {number}", "reports/metrics.json": f"new {number}"})
        commit(repository)
    assert decided(repository, main) == 4
    assert decided(repository) == 0
    write(repository, {"reports/metrics.json": "10"})
    commit(repository)
    assert decided(repository) == 1
    write(repository, {"params.yaml": split.replace("churn", "other")})
    commit(repository)
    assert decided(repository) == 0


def test_the_first_pull_request_moves_no_limits(repository: Path, before: str) -> None:
    git(repository, "rm", "--quiet", "-r", "--cached", ".")
    git(repository, "commit", "--quiet", "--allow-empty", "--message", "nothing")
    found = proposal.against(Workspace(repository), "HEAD")
    assert (found.parameters, found.judge) == ([], [])
    assert "params.yaml" in found.files


def test_a_baseline_that_cannot_be_read_makes_every_limit_a_change(repository: Path) -> None:
    write(repository, {"params.yaml": "gates: ["})
    broken = commit(repository)
    write(repository, {"params.yaml": "gates: {minima: {roc_auc: 0.5}}\n"})
    [one] = proposal.against(Workspace(repository), broken).parameters
    assert one.limit
