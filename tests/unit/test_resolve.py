"""What a merge leaves in conflict: results are made again, what a person chose is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from churn.core.errors import ArtifactError
from churn.provenance.git import git
from churn.review import resolve
from tests.unit.repositories import commit, write


@pytest.fixture
def conflict(repository: Path) -> Path:
    """Return a repository in which both sides of a merge have tuned and trained."""
    names = ("dvc.lock", "reports/metrics.json", "reports/tune.json")
    git(repository, "switch", "--quiet", "--create", "change")
    write(repository, dict.fromkeys(names, "of the change\n"))
    commit(repository)
    git(repository, "switch", "--quiet", "main")
    write(repository, dict.fromkeys(names, "of main\n"))
    commit(repository)
    with pytest.raises(ArtifactError):
        git(repository, "merge", "change")
    assert resolve.unmerged(repository) == sorted(names)
    return repository


def test_what_a_search_has_found_is_chosen_by_a_person(conflict: Path) -> None:
    with pytest.raises(
        ArtifactError, match=r"resolve reports/tune\.json, then run `churn resolve`"
    ):
        resolve.require_merged(conflict)
    with pytest.raises(ArtifactError, match=r"^reports/tune\.json: in conflict, and not a result"):
        resolve.run(conflict, lambda _: pytest.fail("must not run"))
    git(conflict, "checkout", "--ours", "--", "reports/tune.json")
    git(conflict, "add", "reports/tune.json")
    assert resolve.unmerged(conflict) == ["dvc.lock", "reports/metrics.json"]
