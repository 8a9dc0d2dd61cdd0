"""What has to hold before a version is moved by hand, and which commit is older."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from churn.core.errors import CandidateError, RegistryError
from churn.deploy import promotion
from churn.deploy.promotion import Commit, promote, require_newer, rollback
from churn.provenance.candidate import git, input_fingerprint
from churn.registry import Version
from tests.unit.releases import Candidates
from tests.unit.repositories import commit, write


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


def test_what_failed_and_was_brought_back_by_hand_can_be_rolled_back_to(
    candidates: Candidates,
) -> None:
    candidates.release(1)
    made = candidates.release(2).version
    registry, root = candidates.registry, candidates.roots[1]
    rollback(registry, None, "me", "it failed")
    registry.tag(made, {"smoke": "failed"})
    with pytest.raises(RegistryError, match="was never in Production"):
        rollback(registry, 2, "me", "why")
    promote(root, registry, 2, "production", "me", "I know better")
    promote(root, registry, 2, "production", "me", "given twice")
    rollback(registry, None, "me", "it was not better")
    assert rollback(registry, 2, "me", "it was")[1].number == 2


def test_what_was_moved_meanwhile_is_not_called_released(
    candidates: Candidates, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidates.release(1)
    candidates.release(2)
    registry, root = candidates.registry, candidates.roots[1]
    head, print_of = Commit.of(root, "HEAD"), input_fingerprint(root)
    assert promotion.confirm_released(root, registry, head, print_of) == registry.production()
    seen = registry.version(2)
    rollback(registry, None, "me", "meanwhile")
    real, told = registry.production, [seen]
    monkeypatch.setattr(registry, "production", lambda: told.pop() if told else real())
    assert promotion.confirm_released(root, registry, head, print_of) is None


def test_who_only_looks_whether_it_is_released_neither_waits_nor_writes(
    candidates: Candidates,
) -> None:
    candidates.release(1)
    registry, root = candidates.registry, candidates.roots[0]
    print_of = input_fingerprint(root)
    (root / "README.md").write_text("words")
    head = Commit.of(root, commit(root))
    before = Path("mlflow.db").read_bytes()
    with registry.locked("somebody else"):
        pass
    locked = Path("mlflow.db").read_bytes()
    assert locked != before
    assert promotion.released(root, registry, head, print_of) == registry.production()
    assert Path("mlflow.db").read_bytes() == locked
    assert promotion.released(root, registry, head, "0" * 64) is None
    candidates.release(2)
    assert promotion.released(root, registry, head, print_of) is None


def test_a_commit_has_stayed_only_where_no_input_was_touched_nor_merged_away(
    repository: Path,
) -> None:
    write(repository, {"params.yaml": "a: 1\n"})
    at(repository, 1_700_000_000)
    git(repository, "branch", "side")
    write(repository, {"params.yaml": "a: 2\n"})
    made = at(repository, 1_700_000_001)
    fingerprint = input_fingerprint(repository)
    known = promotion.newest(made, fingerprint)
    there = Version(7, "Archived", frozenset(), "", "run", known)
    write(repository, {"README.md": "words\n"})
    assert promotion.inputs_unchanged_since(
        repository, there, at(repository, 1_700_000_002), fingerprint
    )
    git(repository, "switch", "--quiet", "side")
    write(repository, {"other.md": "words\n"})
    at(repository, 1_700_000_003)
    git(repository, "switch", "--quiet", "main")
    git(repository, "merge", "--quiet", "--strategy=ours", "--message", "merged", "side")
    assert promotion.inputs_unchanged_since(
        repository, there, Commit.of(repository, "HEAD"), fingerprint
    )
    git(repository, "switch", "--quiet", "side")
    git(repository, "merge", "--quiet", "--strategy=ours", "--message", "merged", "main")
    assert not promotion.inputs_unchanged_since(
        repository, there, Commit.of(repository, "HEAD"), input_fingerprint(repository)
    )


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ({"model_digest": ""}, "registered without a digest"),
        ({"serving_digest": ""}, "before it was noted with which code it is served"),
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


def append(text: str) -> Callable[[Path], object]:
    return lambda file: file.write_text(file.read_text() + text)


def elsewhere(description: Path) -> None:
    text = description.read_text()
    assert "code: code" in text
    description.write_text(text.replace("code: code", "code: elsewhere"))


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("artifacts/model/model.json", append(" "), "its model is .* its files were changed"),
        ("code/churn/model/threshold.py", append("# 1\n"), "the code beside its model"),
        ("code/churn/other.py", lambda file: file.write_text("1"), "the code beside its model"),
        ("code/churn/core/errors.py", Path.unlink, "the code beside its model"),
        ("requirements.txt", append("other\n"), "the code beside its model"),
        ("MLmodel", elsewhere, "or how it is loaded"),
        ("MLmodel", append("metadata: {}\n"), "or how it is loaded"),
        ("MLmodel", lambda file: file.write_text("a: [1"), "holds no model of this project"),
        ("MLmodel", Path.unlink, "holds no model of this project|MLflow"),
        ("code/skops.py", lambda file: file.write_text("1"), "the code beside its model"),
        ("artifacts/model/more.py", lambda file: file.write_text("1"), "its model is"),
        ("artifacts/more", lambda file: file.write_text("1"), "the code beside its model"),
        ("MLmodel.py", lambda file: file.write_text("1"), "the code beside its model"),
        ("registered_model_meta.py", lambda file: file.write_text("1"), "the code beside its"),
    ],
)
def test_a_version_whose_files_were_changed_goes_nowhere(
    name: str, change: Callable[[Path], object], said: str, candidates: Candidates
) -> None:
    candidates.release(1, until="integration")
    [stored] = Path().glob("**/mlruns/**/models/*/artifacts")
    change(stored / name)
    with pytest.raises(CandidateError, match=said):
        candidates.release(1)
    with pytest.raises(CandidateError, match=said):
        promote(candidates.roots[0], candidates.registry, 1, "production", "me", "why")
    assert candidates.production is None


def test_a_rollback_that_is_taken_back_says_nothing_of_what_it_leaves(
    candidates: Candidates,
) -> None:
    candidates.release(1)
    candidates.release(2)
    registry = candidates.registry

    def marked() -> set[int]:
        return {v.number for v in registry.versions() if promotion.rolled_back(v)}

    rollback(registry, None, "me", "it was worse")
    assert marked() == {2}
    rollback(registry, 2, "me", "it was not")
    assert marked() == set()
    rollback(registry, None, "me", "it was, after all")
    assert marked() == {2}
    assert candidates.production == registry.version(1)


def test_what_was_in_production_before_code_was_noted_can_come_back(
    candidates: Candidates,
) -> None:
    first = candidates.release(1).version
    candidates.registry.tag(first, {"serving_digest": ""})
    candidates.release(2)
    rollback(candidates.registry, None, "me", "it was worse")
    assert candidates.production == candidates.registry.version(1)


def test_who_it_was(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTOR", "octocat")
    assert promotion.current_actor(repository) == "octocat"
    monkeypatch.delenv("GITHUB_ACTOR")
    git(repository, "config", "user.name", "At the desk")
    assert promotion.current_actor(repository) == "At the desk"
    git(repository, "config", "--unset", "user.name")
    assert promotion.current_actor(repository)
