"""The digest of a model and the fingerprint of its inputs, in real git repositories."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from churn.core.errors import ArtifactError
from churn.provenance.candidate import (
    INPUTS,
    changed_inputs,
    commit_fingerprint,
    holds_commit,
    input_fingerprint,
    model_digest,
    table_digest,
    work_tree_fingerprint,
)
from churn.provenance.git import git
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
    assert work_tree_fingerprint(repository, INPUTS) == sha256(lines.encode())
    assert input_fingerprint(repository) == sha256(f"{sha256(lines.encode())}\nabsent".encode())


def test_the_fingerprint_knows_the_table_by_sha_256_and_not_by_data_dvc_alone(
    repository: Path,
) -> None:
    write(repository, {"params.yaml": "data: {path: data/t.csv}\n", "data/t.csv": "one\n"})
    write(repository, {"data.dvc": "outs:\n- md5: 0123.dir\n", ".gitignore": "/data\n"})
    before = input_fingerprint(repository)
    assert table_digest(repository) == sha256(b"one\n")
    write(repository, {"data/t.csv": "two\n"})  # under the same MD5, as far as git knows
    assert input_fingerprint(repository) != before


@pytest.mark.parametrize("path", ["data/parts", "data/parts/*.parquet"])
def test_of_several_files_each_counts_and_so_does_their_order(path: str, repository: Path) -> None:
    write(repository, {"params.yaml": f"data: {{path: '{path}'}}\n"})
    assert table_digest(repository) == "absent"
    write(repository, {"data/parts/a.parquet": "one\n", "data/parts/b.parquet": "two\n"})
    before = table_digest(repository)
    write(repository, {"data/parts/b.parquet": "three\n"})
    changed = table_digest(repository)
    (repository / "data/parts/a.parquet").rename(repository / "data/parts/c.parquet")
    assert len({before, changed, table_digest(repository), "absent"}) == 4


@pytest.mark.parametrize("params", ["", "[", "data: 1\n", "data: {}\n", "data: {path: x.csv}\n"])
def test_a_table_that_is_not_there_has_no_digest(params: str, repository: Path) -> None:
    write(repository, {"params.yaml": params})
    assert table_digest(repository) == "absent"


@pytest.mark.parametrize("name", [".dvcignore", ".dvc/config"])
def test_what_says_which_data_are_tracked_is_an_input(name: str, repository: Path) -> None:
    before = input_fingerprint(repository)
    assert holds_commit(repository, "HEAD")
    write(repository, {name: "data/customers.csv\n"})
    assert input_fingerprint(repository) != before
    assert not holds_commit(repository, "HEAD")


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


def test_a_commit_has_the_fingerprint_of_its_clean_work_tree(repository: Path) -> None:
    files = {
        "data.dvc": "outs: []\n",
        "dvc.yaml": "stages: {}\n",
        "requirements/pipeline.txt": "a\n",
        "src/churn/deep/er/y.py": "",
        'src/churn/ä b\t"c".py': "odd\n",
        "src/-n.py": "x\r\n",
        "docs/z.md": "z\n",
    }
    write(repository, files)
    (repository / "src" / "link.py").symlink_to("churn/x.py")
    (repository / "src" / "folder").symlink_to("churn")
    (repository / "src" / "nowhere").symlink_to("/does/not/exist")
    (repository / "src/churn/x.py").chmod(0o755)
    made = commit(repository)
    assert commit_fingerprint(repository, made, INPUTS) == work_tree_fingerprint(repository, INPUTS)
    assert commit_fingerprint(repository, "HEAD", INPUTS) == work_tree_fingerprint(
        repository, INPUTS
    )
    assert commit_fingerprint(repository, "main", INPUTS) == work_tree_fingerprint(
        repository, INPUTS
    )


@pytest.mark.parametrize("name", [b"src/a\nb.py", b"src/\xff\xfe.py", b'src/"quoted".py'])
def test_no_name_of_a_file_is_too_odd_for_a_fingerprint(name: bytes, repository: Path) -> None:
    before = work_tree_fingerprint(repository, INPUTS)
    (repository / os.fsdecode(name)).write_text("x")
    found = work_tree_fingerprint(repository, INPUTS)
    assert found != before
    assert commit_fingerprint(repository, commit(repository), INPUTS) == found
    assert len(changed_inputs(repository, "HEAD~1")) == 1


def test_where_a_link_leads_counts(repository: Path) -> None:
    (repository / "src" / "link.py").symlink_to("churn/x.py")
    before = input_fingerprint(repository)
    write(repository, {"README.md": "x = 1\n"})
    (repository / "src" / "link.py").unlink()
    (repository / "src" / "link.py").symlink_to("../README.md")  # leads to the same bytes
    assert input_fingerprint(repository) != before


@pytest.mark.parametrize("name", ["params.yaml", "src/churn/x.py"])
def test_a_changed_byte_changes_the_fingerprint_of_a_commit(name: str, repository: Path) -> None:
    before = commit_fingerprint(repository, "HEAD", INPUTS)
    content = (repository / name).read_text()
    write(repository, {name: content.replace("1", "2")})
    assert commit_fingerprint(repository, "HEAD", INPUTS) == before  # not committed yet
    assert commit_fingerprint(repository, commit(repository), INPUTS) != before
    write(repository, {name: content})
    assert commit_fingerprint(repository, commit(repository), INPUTS) == before


def test_a_name_alone_changes_the_fingerprint_of_a_commit(repository: Path) -> None:
    before = commit_fingerprint(repository, "HEAD", INPUTS)
    git(repository, "mv", "src/churn/x.py", "src/churn/y.py")
    assert commit_fingerprint(repository, commit(repository), INPUTS) != before


@pytest.mark.slow
def test_the_fingerprint_of_a_commit_survives_squash_rebase_and_clone(
    repository: Path, tmp_path: Path
) -> None:
    git(repository, "switch", "--quiet", "--create", "change")
    for i in (2, 3):
        write(repository, {"params.yaml": f"a: {i}\n"})
        reviewed = commit(repository)
    before = commit_fingerprint(repository, reviewed, INPUTS)
    git(repository, "switch", "--quiet", "main")
    write(repository, {"docs/a.md": "elsewhere\n"})
    commit(repository)

    git(repository, "switch", "--quiet", "change")
    git(repository, "rebase", "--quiet", "main")
    rebased = git(repository, "rev-parse", "HEAD").strip()
    git(repository, "switch", "--quiet", "main")
    git(repository, "merge", "--quiet", "--squash", "change")
    squashed = commit(repository)
    assert len({reviewed, rebased, squashed}) == 3
    assert commit_fingerprint(repository, rebased, INPUTS) == before
    assert commit_fingerprint(repository, squashed, INPUTS) == before

    subprocess.run(["git", "clone", "--quiet", repository, tmp_path / "clone"], check=True)
    assert commit_fingerprint(tmp_path / "clone", "HEAD", INPUTS) == before


@pytest.mark.parametrize("name", ["absent", "--all", "--name-only", "HEAD:src"])
def test_what_is_no_commit_has_no_fingerprint(name: str, repository: Path) -> None:
    with pytest.raises(ArtifactError, match="git rev-parse"):
        commit_fingerprint(repository, name, INPUTS)


def test_changed_inputs_are_modified_new_and_deleted_ones(repository: Path) -> None:
    assert changed_inputs(repository, "HEAD") == []
    write(repository, {"requirements/old.txt": "x\n", "reports/metrics.json": "{}\n"})
    base = commit(repository)

    write(repository, {"params.yaml": "a: 2\n", "src/churn/new.py": "", "dvc.lock": "x\n"})
    write(repository, {"README.md": "other\n", "docs/a.md": "new\n", "tests/test_x.py": "\n"})
    write(repository, {"build/model": "x", "src/churn/y.pyc": "x", "reports/report.md": "x"})
    (repository / "requirements/old.txt").unlink()
    (repository / "reports/metrics.json").write_text('{"a": 1}\n')
    expected = [
        "dvc.lock",
        "params.yaml",
        "reports/metrics.json",
        "requirements/old.txt",
        "src/churn/new.py",
    ]
    assert changed_inputs(repository, base) == expected
    git(repository, "add", "--all")
    assert changed_inputs(repository, base) == expected
    commit(repository)
    assert changed_inputs(repository, base) == expected
    assert changed_inputs(repository, "HEAD") == []


def test_a_renamed_input_is_one_that_went_and_one_that_came(repository: Path) -> None:
    git(repository, "mv", "src/churn/x.py", "src/churn/y.py")
    assert changed_inputs(repository, "HEAD") == ["src/churn/x.py", "src/churn/y.py"]


def test_an_input_that_was_touched_and_not_changed_is_no_change(repository: Path) -> None:
    os.utime(repository / "params.yaml", (0, 0))
    assert changed_inputs(repository, "HEAD") == []


def test_docs_alone_change_no_input(repository: Path) -> None:
    base = git(repository, "rev-parse", "HEAD").strip()
    write(repository, {"README.md": "other\n", "docs/a.md": "new\n", ".github/x.yml": "\n"})
    commit(repository)
    assert changed_inputs(repository, base) == []
