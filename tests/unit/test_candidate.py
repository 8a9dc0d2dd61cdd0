"""The digest of a model and the fingerprint of its inputs, in real git repositories."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from churn.candidate import git, input_fingerprint, model_digest
from churn.errors import ArtifactError
from tests.unit.repositories import commit, write


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_the_digest_is_over_names_and_contents_sorted(tmp_path: Path) -> None:
    write(tmp_path, {"b.json": "two", "a/c.bin": "one"})
    lines = f"{sha256(b'one')}  a/c.bin\n{sha256(b'two')}  b.json"
    assert model_digest(tmp_path) == sha256(lines.encode())


def test_the_digest_does_not_depend_on_place_order_or_times(tmp_path: Path) -> None:
    write(tmp_path / "here", {"a": "1", "b": "2"})
    write(tmp_path / "there", {"b": "2", "a": "1"})
    os.utime(tmp_path / "there" / "a", (0, 0))
    assert model_digest(tmp_path / "here") == model_digest(tmp_path / "there")


@pytest.mark.parametrize("files", [{"a": "2"}, {"b": "1"}, {"a": "1", "b": ""}])
def test_the_digest_depends_on_contents_and_names(files: dict[str, str], tmp_path: Path) -> None:
    write(tmp_path / "one", {"a": "1"})
    write(tmp_path / "other", files)
    assert model_digest(tmp_path / "one") != model_digest(tmp_path / "other")


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(ArtifactError, match="no model there"):
            model_digest(folder)


def test_the_fingerprint_is_over_git_s_object_ids_of_the_inputs(repository: Path) -> None:
    def object_id(content: bytes) -> str:
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()

    contents = {"params.yaml": b"a: 1\n", "src/churn/x.py": b"x = 1\n"}
    lines = "\n".join(f"{object_id(content)}  {name}" for name, content in contents.items())
    assert input_fingerprint(repository) == sha256(lines.encode())


@pytest.mark.parametrize(
    "files",
    [{"params.yaml": "a: 2\n"}, {"src/churn/new.py": ""}, {"requirements/pipeline.txt": "x\n"}],
)
def test_a_change_counts_whether_committed_or_not(files: dict[str, str], repository: Path) -> None:
    before = input_fingerprint(repository)
    write(repository, files)
    in_work_tree = input_fingerprint(repository)
    commit(repository)
    assert in_work_tree != before
    assert input_fingerprint(repository) == in_work_tree


def test_a_deleted_input_counts(repository: Path) -> None:
    before = input_fingerprint(repository)
    (repository / "src/churn/x.py").unlink()
    assert input_fingerprint(repository) != before


def test_other_and_ignored_files_do_not_count(repository: Path) -> None:
    before = input_fingerprint(repository)
    write(repository, {"README.md": "other", "src/churn/x.pyc": "x", "dvc.lock": "x"})
    assert input_fingerprint(repository) == before


def test_the_same_content_has_one_fingerprint_in_a_clone_and_after_a_squash(
    repository: Path, tmp_path: Path
) -> None:
    write(repository, {"params.yaml": "a: 2\n"})
    commit(repository)
    write(repository, {"params.yaml": "a: 3\n"})
    commit(repository)
    before = input_fingerprint(repository)
    git(repository, "reset", "--quiet", "--soft", "HEAD~2")
    commit(repository)
    assert input_fingerprint(repository) == before
    subprocess.run(["git", "clone", "--quiet", repository, tmp_path / "clone"], check=True)
    assert input_fingerprint(tmp_path / "clone") == before


def test_outside_git_there_is_no_fingerprint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(ArtifactError, match=r"git ls-files in .*not a git repository"):
        input_fingerprint(tmp_path)
