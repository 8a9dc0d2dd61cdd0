"""The order of commits: which one is older, and whether inputs have changed since."""

from __future__ import annotations

from pathlib import Path

import pytest

from churn.core.errors import RegistryError
from churn.deploy.commits import Commit, commit_tags, inputs_unchanged_since
from churn.deploy.rules import require_newer
from churn.provenance.candidate import input_fingerprint
from churn.provenance.git import git
from churn.registry import Version
from tests.unit.repositories import commit, write


def version(newest: Commit | None, **tags: str) -> Version:
    known = commit_tags(newest, "f" * 64) if newest else {}
    return Version(7, "Production", frozenset({"champion"}), "", "run", {**known, **tags})


def at(root: Path, seconds: int) -> Commit:
    """Commit at a time of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_COMMITTER_DATE", f"{seconds} +0000")
        return Commit.of(root, commit(root))


def test_a_commit_is_looked_up(repository: Path) -> None:
    made = at(repository, 1_700_000_000)
    assert made == Commit.of(repository, "main")
    assert made.time == 1_700_000_000
    assert Commit.newest_of(version(made)) == made
    assert Commit.newest_of(version(None)) is None


def test_a_signed_commit_is_looked_up_where_signatures_are_shown(
    repository: Path, tmp_path: Path
) -> None:
    made = at(repository, 1_700_000_000)
    unsigned = git(repository, "cat-file", "commit", made.id)
    signature = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n -----END PGP SIGNATURE-----"
    signed = unsigned.replace("\n\n", f"\n{signature}\n\n", 1)
    commit_id = git(repository, "hash-object", "-t", "commit", "-w", "--stdin", stdin=signed)
    program = tmp_path / "gpg"
    program.write_text("#!/bin/sh\necho 'gpg: Good signature from Ann' >&2\n")
    program.chmod(0o755)
    git(repository, "config", "gpg.program", str(program))
    git(repository, "config", "log.showSignature", "true")
    assert Commit.of(repository, commit_id.strip()).time == made.time


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


@pytest.mark.slow
def test_inputs_are_unchanged_only_if_no_commit_touched_them_nor_merged_them_away(
    repository: Path,
) -> None:
    write(repository, {"params.yaml": "a: 1\n"})
    at(repository, 1_700_000_000)
    git(repository, "branch", "side")
    write(repository, {"params.yaml": "a: 2\n"})
    made = at(repository, 1_700_000_001)
    fingerprint = input_fingerprint(repository)
    known = commit_tags(made, fingerprint)
    there = Version(7, "Archived", frozenset(), "", "run", known)
    write(repository, {"README.md": "words\n"})
    assert inputs_unchanged_since(repository, there, at(repository, 1_700_000_002), fingerprint)
    git(repository, "switch", "--quiet", "side")
    write(repository, {"other.md": "words\n"})
    at(repository, 1_700_000_003)
    git(repository, "switch", "--quiet", "main")
    git(repository, "merge", "--quiet", "--strategy=ours", "--message", "merged", "side")
    assert inputs_unchanged_since(repository, there, Commit.of(repository, "HEAD"), fingerprint)
    git(repository, "switch", "--quiet", "side")
    git(repository, "merge", "--quiet", "--strategy=ours", "--message", "merged", "main")
    assert not inputs_unchanged_since(
        repository, there, Commit.of(repository, "HEAD"), input_fingerprint(repository)
    )
