"""What has to hold before a version is promoted or rolled back by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from churn.core.errors import CandidateError, RegistryError
from churn.deploy import promotion, rules
from churn.deploy.commits import Commit
from churn.deploy.promotion import promote, rollback
from churn.provenance.candidate import input_fingerprint
from churn.provenance.git import git
from tests.unit.releases import Candidates
from tests.unit.repositories import commit

pytestmark = pytest.mark.long


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


def test_by_hand_an_older_commit_s_model_does_not_come_either(released: Candidates) -> None:
    released.release(2)
    with pytest.raises(RegistryError, match=r"comes back by churn rollback only"):
        promote(released.roots[1], released.registry, 1, "production", "me", "why")


def test_what_failed_and_was_brought_back_by_hand_can_be_rolled_back_to(
    released: Candidates,
) -> None:
    made = released.release(2).version
    registry, root = released.registry, released.roots[1]
    rollback(registry, None, "me", "it failed")
    registry.tag(made, {"smoke": "failed"})
    with pytest.raises(RegistryError, match="was never in Production"):
        rollback(registry, 2, "me", "why")
    promote(root, registry, 2, "production", "me", "I know better")
    promote(root, registry, 2, "production", "me", "given twice")
    rollback(registry, None, "me", "it was not better")
    assert rollback(registry, 2, "me", "it was")[1].number == 2


def test_what_was_moved_meanwhile_is_not_called_released(
    released: Candidates, monkeypatch: pytest.MonkeyPatch
) -> None:
    released.release(2)
    registry, root = released.registry, released.roots[1]
    head, print_of = Commit.of(root, "HEAD"), input_fingerprint(root)
    assert (
        promotion.record_commit_if_released(root, registry, head, print_of) == registry.production()
    )
    seen = registry.version(2)
    rollback(registry, None, "me", "meanwhile")
    real, told = registry.production, [seen]
    monkeypatch.setattr(registry, "production", lambda: told.pop() if told else real())
    assert promotion.record_commit_if_released(root, registry, head, print_of) is None


def test_who_only_looks_whether_it_is_released_neither_waits_nor_writes(
    released: Candidates,
) -> None:
    registry, root = released.registry, released.roots[0]
    print_of = input_fingerprint(root)
    (root / "README.md").write_text("words")
    commit(root)
    before = Path("mlflow.db").read_bytes()
    with registry.locked("somebody else"):
        pass
    locked = Path("mlflow.db").read_bytes()
    assert locked != before
    assert rules.is_released(registry.production(), print_of)
    assert Path("mlflow.db").read_bytes() == locked
    assert not rules.is_released(registry.production(), "0" * 64)
    released.release(2)
    assert not rules.is_released(registry.production(), print_of)


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ({"model_digest": ""}, "registered without a digest"),
        ({"serving_digest": ""}, "without the digest of the code that it is served with"),
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


def link(file: Path) -> None:
    """Put a link in its place that leads to the same bytes."""
    same = file.rename(Path("same").absolute())
    file.symlink_to(same)


def elsewhere(description: Path) -> None:
    text = description.read_text()
    assert "code: code" in text
    description.write_text(text.replace("code: code", "code: elsewhere"))


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("artifacts/model/model.json", append(" "), "its model is .* its files were changed"),
        ("artifacts/model/model.json", link, "model.json is a link; never promoted"),
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


def test_undoing_a_rollback_does_not_flag_the_current_version(
    released: Candidates,
) -> None:
    released.release(2)
    registry = released.registry

    def marked() -> set[int]:
        return {v.number for v in registry.versions() if rules.describe_rollback(v)}

    rollback(registry, None, "me", "it was worse")
    assert marked() == {2}
    rollback(registry, 2, "me", "it was not")
    assert marked() == set()
    rollback(registry, None, "me", "it was, after all")
    assert marked() == {2}
    assert released.production == registry.version(1)


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
    git(repository, "config", "user.name", "Ann")
    assert promotion.current_actor(repository) == "Ann"
    git(repository, "config", "--unset", "user.name")
    assert promotion.current_actor(repository)
