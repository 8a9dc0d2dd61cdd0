"""The branch with the newest table, in git repositories of its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from churn.core.errors import ArtifactError
from churn.provenance import remote
from churn.provenance.git import git
from churn.provenance.worktree import begin_branch, worktree
from churn.retrain import branch
from tests.unit.repositories import commit, write

OURS = f"a newer table\n\n{branch.MARK}\n"
DATA = "outs: [{{md5: {}.dir, path: data}}]\n"


@pytest.fixture
def project(repository: Path) -> Path:
    """Return a repository with data.dvc, and a remote."""
    write(repository, {"data.dvc": DATA.format("0a"), ".dvc/config": ""})
    commit(repository)
    git(repository, "init", "--quiet", "--bare", "../origin.git")
    git(repository, "remote", "add", "origin", "../origin.git")
    git(repository, "push", "--quiet", "origin", "main")
    return repository


def tip(root: Path, name: str = "HEAD") -> str:
    return git(root, "rev-parse", name).strip()


def propose(root: Path, md5: str, name: str = "retrain/x", message: str = OURS) -> str:
    """Commit another data.dvc in a worktree, and let a branch name it."""
    with worktree(root, tip(root, "main"), share_cache=False) as tree:
        begin_branch(root, tree, tip(root, "main"), "main", name)
        write(tree, {"data.dvc": DATA.format(md5), "secret.txt": "not ours"})
        made = branch.commit(root, tree, message)
        branch.keep(root, tree, made, name)
    return made


def test_a_name_has_the_date_of_today() -> None:
    assert re.fullmatch(r"retrain/\d{4}-\d\d-\d\d", branch.of_today())


@pytest.mark.slow
def test_a_commit_is_made_in_a_worktree_and_kept_under_a_branch(project: Path) -> None:
    write(project, {"README.md": "changed and not committed"})
    before = git(project, "status", "--porcelain"), tip(project)

    made = propose(project, "0b")

    assert tip(project, "retrain/x") == made
    assert tip(project, f"{made}^") == before[1]
    assert git(project, "show", "--name-only", "--format=%an", made).split() == ["test", "data.dvc"]
    assert (git(project, "status", "--porcelain"), tip(project)) == before
    git(project, "fsck", "--strict")  # nothing of it is elsewhere


@pytest.mark.slow
def test_a_project_may_be_below_the_top_of_its_repository(project: Path) -> None:
    below = project / "models/churn"
    write(below, {"data.dvc": DATA.format("0a"), ".dvc/config": ""})
    base = commit(project)
    with worktree(below, base, share_cache=False) as tree:
        begin_branch(below, tree, base, "main", "retrain/x")
        write(tree, {"data.dvc": DATA.format("0b")})
        made = branch.commit(below, tree, OURS)
        branch.keep(below, tree, made, "retrain/x")
    changed = git(project, "show", "--name-only", "--format=", made).split()
    assert changed == ["models/churn/data.dvc"]
    assert branch.has_same(below, tip(project, "retrain/x"), base, "0b.dir")


@pytest.mark.slow
def test_without_a_name_no_branch_appears(project: Path) -> None:
    with worktree(project, tip(project), share_cache=False) as tree:
        begin_branch(project, tree, tip(project), "main", "retrain/x")
        write(tree, {"data.dvc": DATA.format("0b")})
        made = branch.commit(project, tree, OURS)
        branch.keep(project, tree, made)
    assert git(project, "branch", "--format=%(refname:short)").split() == ["main"]
    assert git(project, "cat-file", "-t", made).strip() == "commit"


@pytest.mark.slow
def test_where_git_knows_nobody_the_bot_is_the_author(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for role in ("AUTHOR", "COMMITTER"):
        for key in ("NAME", "EMAIL"):
            monkeypatch.delenv(f"GIT_{role}_{key}")
    made = propose(project, "0b")
    assert git(project, "show", "-s", "--format=%an", made).strip() == "github-actions[bot]"
    git(project, "config", "user.name", "mona")
    git(project, "config", "user.email", "mona@example.org")
    assert git(project, "show", "-s", "--format=%an", propose(project, "0c")).strip() == "mona"


@pytest.mark.slow
def test_a_branch_of_its_own_may_be_replaced(project: Path) -> None:
    made = propose(project, "0b")
    branch.require_own(project, "retrain/x", made, tip(project))
    # "Update branch" on GitHub merges main into it.
    write(project, {"README.md": "main moves on"})
    base = commit(project)
    git(project, "switch", "--quiet", "retrain/x")
    git(project, "merge", "--quiet", "--no-ff", "--no-edit", "main")
    branch.require_own(project, "retrain/x", tip(project), base)


@pytest.mark.slow
def test_a_branch_with_somebody_s_commit_is_not_replaced(project: Path) -> None:
    base = tip(project)
    propose(project, "0b")
    git(project, "switch", "--quiet", "retrain/x")
    write(project, {"params.yaml": "a: 2\n"})
    commit(project)
    with pytest.raises(ArtifactError, match=r"branch retrain/x: commit \w+ test is not one of"):
        branch.require_own(project, "retrain/x", tip(project), base)


@pytest.mark.slow
def test_a_branch_has_the_same_if_table_and_commit_of_main_are_the_same(project: Path) -> None:
    base, made = tip(project), propose(project, "0b")
    assert branch.has_same(project, made, base, "0b.dir")
    assert not branch.has_same(project, made, base, "0c.dir")
    write(project, {"README.md": "main moves on"})
    assert not branch.has_same(project, made, commit(project), "0b.dir")


@pytest.mark.slow
def test_origin_is_written_to_only_if_it_is_as_it_was_read(project: Path) -> None:
    first, second = propose(project, "0b"), propose(project, "0c")
    assert remote.fetch(project, "retrain/x", "refs/churn/tip") == ""
    branch.publish(project, first, "retrain/x", "")
    assert remote.fetch(project, "retrain/x", "refs/churn/tip") == first
    for read in ("", tip(project)):
        with pytest.raises(ArtifactError, match=r"retrain/x: somebody has pushed to it meanwhile"):
            branch.publish(project, second, "retrain/x", read)
    assert remote.newest(project, "retrain/x") == first
    branch.publish(project, second, "retrain/x", first)
    assert remote.newest(project, "retrain/x") == second
    branch.publish(project, second, "retrain/x", first)  # done, but its answer was lost


@pytest.mark.slow
def test_what_origin_refuses_is_told(project: Path) -> None:
    made = propose(project, "0b")
    (project.parent / "origin.git/hooks").mkdir(exist_ok=True)
    hook = project.parent / "origin.git/hooks/pre-receive"
    hook.write_text("#!/bin/sh\necho no such branches here; exit 1\n")
    hook.chmod(0o755)
    with pytest.raises(ArtifactError, match=r"git push: remote: no such branches here"):
        branch.publish(project, made, "retrain/x", "")


def test_a_worktree_reads_origin_although_its_address_is_relative(project: Path) -> None:
    with worktree(project, tip(project), share_cache=False) as tree:
        begin_branch(project, tree, tip(project), "main", "retrain/x")
        assert remote.newest(tree, "main") == tip(project)
        assert git(tree, "log", "--format=%H").split()[0] == tip(project)
        assert git(tree, "status", "--porcelain") == ""
