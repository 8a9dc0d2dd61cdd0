"""Reviews in clones that are not simply a repository of their own with its whole history."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.pipeline.conftest import Clone
from tests.pipeline.small import commit, commit_with_lock, edit, make_small

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """Give a small project with a change on a branch; tests do not change it."""
    clone = make_small(tmp_path_factory.mktemp("small"))
    clone.git("checkout", "--quiet", "-b", "change")
    edit(clone, {"model.hyperparameters.max_iter": 45})
    commit_with_lock(clone, "more trees")
    return clone


def review(clone: Clone, baseline: str) -> dict:
    """Review, and return the verdict."""
    done = clone.run("churn", "review", "--baseline", baseline, check=False)
    assert done.returncode in (0, 1, 2), done.stderr
    return json.loads((clone.root / "build/candidate/verdict.json").read_text())


def is_a_verdict_over_both_models(verdict: dict) -> bool:
    return verdict["outcome"] == "judged" and len(verdict["gates"]) > 5


@pytest.mark.exhaustive
def test_the_project_in_a_subfolder_of_a_repository(small: Clone, tmp_path: Path) -> None:
    whole = replace(small, root=tmp_path / "company")
    project = replace(small, root=whole.root / "models" / "churn project")
    (whole.root / "other").mkdir(parents=True)
    whole.git("init", "--quiet", "--initial-branch=main")
    small.git("checkout", "--quiet", "main")
    shutil.copytree(small.root, project.root, ignore=shutil.ignore_patterns(".git"))
    (whole.root / "other" / "readme").write_text("another team's")
    commit(whole, "all teams")
    whole.git("checkout", "--quiet", "-b", "change")
    edit(project, {"model.hyperparameters.max_iter": 45})
    commit_with_lock(project, "more trees")
    (whole.root / "other" / "readme").write_text("not the model's business")

    verdict = review(project, "main")

    assert is_a_verdict_over_both_models(verdict)
    changes = json.loads((project.root / "build/changes.json").read_text())
    assert changes["files"] == ["params.yaml"]
    assert review(project, "HEAD")["outcome"] == "unchanged"


@pytest.mark.exhaustive
def test_the_project_as_a_submodule(small: Clone, tmp_path: Path) -> None:
    whole = replace(small, root=tmp_path / "company")
    whole.root.mkdir()
    whole.git("init", "--quiet", "--initial-branch=main")
    whole.git("-c", "protocol.file.allow=always", "submodule", "add", "-b", "change",
              str(small.root), "churn")  # fmt: skip
    project = replace(small, root=whole.root / "churn")
    project.run("dvc", "pull", "--quiet")

    assert is_a_verdict_over_both_models(review(project, "origin/main"))


def test_a_shallow_clone_of_one_branch_says_how_to_get_main(small: Clone, tmp_path: Path) -> None:
    shallow = replace(small, root=tmp_path / "shallow")
    small.git("clone", "--quiet", "--depth=1", "--branch=change", small.root.as_uri(),
              str(shallow.root))  # fmt: skip
    shallow.run("dvc", "pull", "--quiet")

    refused = review(shallow, "origin/main")

    assert refused["outcome"] == "stopped"
    hint = refused["reason"].rpartition("`")[0].rpartition("`")[2]
    shallow.git(*hint.split()[1:])
    assert is_a_verdict_over_both_models(review(shallow, "origin/main"))


@pytest.mark.exhaustive
def test_a_merge_of_two_branches_that_trained_is_ended_by_one_command(
    small: Clone, tmp_path: Path
) -> None:
    clone = replace(small, root=tmp_path / "clone")
    shutil.copytree(small.root, clone.root)
    clone.git("checkout", "--quiet", "main")
    edit(clone, {"decision.threshold": 0.35})
    clone.edit("data/customers.csv", "\nC", "\nD")
    clone.run("dvc", "add", "--quiet", "data")
    commit_with_lock(clone, "main goes on, with other customers")
    clone.git("checkout", "--quiet", "change")
    clone.run("dvc", "checkout", "--quiet", "data.dvc")
    assert "CONFLICT" in clone.run("git", "merge", "main", check=False).stdout

    refused = clone.run("churn", "review", "--baseline", "main", check=False)
    assert "a merge conflict; run `churn resolve`" in refused.stdout

    # The data here are still those of the branch.
    refused = clone.run("churn", "resolve", check=False)
    assert refused.returncode == 2
    assert "data differs from data.dvc; run `dvc pull data.dvc` for the merged" in refused.stderr
    clone.run("dvc", "pull", "--quiet", "data.dvc")
    said = clone.run("churn", "resolve").stdout

    assert said.splitlines()[-1].startswith("regenerated: dvc.lock, reports/")
    assert clone.git("diff", "--name-only", "--diff-filter=U") == ""
    params = (clone.root / "params.yaml").read_text()
    assert "max_iter: 45" in params
    assert "threshold: 0.35" in params
    assert clone.git("diff", "main", "--", "data.dvc") == ""
    assert "up to date" in clone.run("dvc", "status").stdout
    clone.run("dvc", "push", "--quiet")
    commit(clone, "merge main")
    assert is_a_verdict_over_both_models(review(clone, "main"))
    assert clone.run("churn", "resolve").stdout == "no conflict\n"


def test_what_a_person_has_to_resolve_comes_first(small: Clone, tmp_path: Path) -> None:
    clone = replace(small, root=tmp_path / "clone")
    shutil.copytree(small.root, clone.root)
    clone.git("checkout", "--quiet", "main")
    edit(clone, {"model.hyperparameters.max_iter": 50})
    commit_with_lock(clone, "other trees")
    clone.git("checkout", "--quiet", "change")
    assert "CONFLICT" in clone.run("git", "merge", "main", check=False).stdout
    before = (clone.root / "dvc.lock").read_text()

    refused = clone.run("churn", "resolve", check=False)

    assert refused.returncode == 2
    assert refused.stderr.startswith(
        "Error: params.yaml: in conflict, and not a result; correct it"
    )
    assert (clone.root / "dvc.lock").read_text() == before
