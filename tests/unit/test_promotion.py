"""What has to hold before a version is moved by hand, and which commit is older."""

from __future__ import annotations

from pathlib import Path

import pytest

from churn import promotion
from churn.candidate import git
from churn.errors import CandidateError, RegistryError
from churn.promotion import Commit, promote, require_newer, rollback
from churn.registry import Version
from tests.unit.releases import Candidates
from tests.unit.repositories import commit


def version(newest: Commit | None, **tags: str) -> Version:
    known = promotion.newest(newest, "f" * 64) if newest else {}
    return Version(7, "Production", frozenset({"champion"}), "", "run", {**known, **tags})


def at(root: Path, seconds: int) -> Commit:
    """Commit at a time of one's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_COMMITTER_DATE", f"{seconds} +0000")
        return Commit.of(root, commit(root))


def test_a_commit_is_looked_up(repository: Path) -> None:
    made = at(repository, 1_700_000_000)
    assert made == Commit.of(repository, "main")
    assert made.time == 1_700_000_000
    assert Commit.newest_of(version(made)) == made
    assert Commit.newest_of(version(None)) is None


def test_history_decides_which_commit_is_older_whatever_the_clocks_say(repository: Path) -> None:
    first, second = at(repository, 1_800_000_000), at(repository, 1_700_000_000)
    require_newer(repository, second, version(first))
    with pytest.raises(RegistryError, match=f"{first.id[:12]} is older than {second.id[:12]}"):
        require_newer(repository, first, version(second))


def test_the_same_commit_may_come_again(repository: Path) -> None:
    made = at(repository, 1_700_000_000)
    require_newer(repository, made, version(made))


def test_of_branches_that_have_parted_the_time_decides(repository: Path) -> None:
    git(repository, "switch", "--quiet", "--create", "left")
    left = at(repository, 1_700_000_000)
    git(repository, "switch", "--quiet", "--create", "right", "main")
    right = at(repository, 1_700_000_001)
    require_newer(repository, right, version(left))
    with pytest.raises(RegistryError, match="is older than"):
        require_newer(repository, left, version(right))


def test_of_a_commit_that_is_not_here_the_time_decides(repository: Path) -> None:
    here = at(repository, 1_700_000_000)
    require_newer(repository, here, version(Commit("0" * 40, 1_699_999_999)))
    with pytest.raises(RegistryError, match="is older than"):
        require_newer(repository, here, version(Commit("0" * 40, 1_700_000_001)))


def test_what_has_no_commit_replaces_nothing_that_has_one(repository: Path) -> None:
    made = at(repository, 1_700_000_000)
    with pytest.raises(RegistryError, match="without a commit"):
        require_newer(repository, None, version(made))
    require_newer(repository, made, version(None))


def test_only_what_was_in_production_can_come_back(candidates: Candidates) -> None:
    registry = candidates.registry
    with pytest.raises(RegistryError, match="nothing is in Production"):
        rollback(registry, None, "me", "why")
    candidates.release(1)
    with pytest.raises(RegistryError, match="version 1 is the first in Production"):
        rollback(registry, None, "me", "why")
    with pytest.raises(RegistryError, match="version 1 is in Production already"):
        rollback(registry, 1, "me", "why")
    candidates.release(2, until="integration")
    with pytest.raises(RegistryError, match="version 2 was never in Production"):
        rollback(registry, 2, "me", "why")
    with pytest.raises(RegistryError, match="has no version 9"):
        rollback(registry, 9, "me", "why")
    assert candidates.production is not None
    assert candidates.production.number == 1


def test_by_hand_only_what_was_tested_goes_into_production(candidates: Candidates) -> None:
    registry, root = candidates.registry, candidates.roots[0]
    candidates.release(1, until="registered")
    with pytest.raises(RegistryError, match="has not passed the integration tests"):
        promote(root, registry, 1, "production", "me", "why")
    assert promote(root, registry, 1, "staging", "me", "why").stage == "Staging"
    candidates.release(1, until="integration")
    assert promote(root, registry, 1, "production", "me", "why").stage == "Production"
    assert promote(root, registry, 1, "production", "me", "why").stage == "Production"
    with pytest.raises(RegistryError, match="it stays there"):
        promote(root, registry, 1, "staging", "me", "why")


def test_by_hand_an_older_commit_s_model_does_not_come_either(candidates: Candidates) -> None:
    candidates.release(1)
    candidates.release(2)
    with pytest.raises(RegistryError, match=r"comes back by churn rollback only"):
        promote(candidates.roots[1], candidates.registry, 1, "production", "me", "why")


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ({"model_digest": ""}, "registered without a digest"),
        ({"model_digest": "0" * 64}, "its manifest is of another model"),
    ],
)
def test_a_version_whose_digest_is_not_its_manifest_s_goes_nowhere(
    tags: dict[str, str], said: str, candidates: Candidates
) -> None:
    made = candidates.release(1, until="integration").version
    candidates.registry.tag(made, tags)
    for to in ("staging", "production"):
        with pytest.raises(CandidateError, match=said):
            promote(candidates.roots[0], candidates.registry, 1, to, "me", "why")


def test_who_it_was(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTOR", "octocat")
    assert promotion.whoever(repository) == "octocat"
    monkeypatch.delenv("GITHUB_ACTOR")
    git(repository, "config", "user.name", "At the desk")
    assert promotion.whoever(repository) == "At the desk"
    git(repository, "config", "--unset", "user.name")
    assert promotion.whoever(repository)
