"""The table comes into data/, and nothing that is there is lost."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from churn.core.errors import ArtifactError, DataError
from churn.init import place
from churn.provenance.listing import folder_md5
from tests.conftest import ROOT

OLD = b"customer_id,churned\n1,0\n"
NEW = b"client,left\na,yes\n"


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project whose data/ has one table, which DVC's cache has as well."""
    root = tmp_path / "project"
    files = {"customers.csv": md5(OLD)}
    name, listing = folder_md5(files), f'[{{"md5": "{md5(OLD)}", "relpath": "customers.csv"}}]'
    for stored, content in ((name, listing.encode()), (md5(OLD), OLD)):
        target = root / ".dvc/cache/files/md5" / stored[:2] / stored[2:]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    (root / "data.dvc").write_text(f"outs:\n- md5: {name}\n  hash: md5\n  path: data\n")
    (root / "data").mkdir()
    (root / "data/customers.csv").write_bytes(OLD)
    return root


@pytest.fixture
def table(tmp_path: Path) -> Path:
    file = tmp_path / "My shop (1).csv"
    file.write_bytes(NEW)
    return file


def here(project: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (project / "data").iterdir()}


def test_a_table_is_copied_and_the_old_one_that_dvc_has_is_removed(
    project: Path, table: Path
) -> None:
    place.put(project, table)
    assert here(project) == {"My_shop_1_.csv": NEW}
    assert not place.remove_original(project, table)
    assert table.read_bytes() == NEW
    place.put(project, table)  # again
    assert here(project) == {"My_shop_1_.csv": NEW}


@pytest.mark.parametrize("how", ["changed", "another", "not stored", "same name"])
def test_what_dvc_cannot_bring_back_is_refused_and_stays(
    project: Path, table: Path, how: str
) -> None:
    if how == "changed":
        (project / "data/customers.csv").write_bytes(b"mine")
    elif how == "another":
        (project / "data/notes.csv").write_bytes(b"mine")
    elif how == "same name":
        (project / "data/My_shop_1_.csv").write_bytes(b"mine")
    else:
        stored = project / ".dvc/cache/files/md5" / md5(OLD)[:2] / md5(OLD)[2:]
        stored.unlink()
    before = here(project)
    with pytest.raises(ArtifactError, match=r"data/.*: not in data\.dvc, so it would be lost"):
        place.put(project, table)
    assert here(project) == before


def test_a_file_in_the_project_is_moved_so_that_git_does_not_get_it(project: Path) -> None:
    file = project / "shop.csv"
    file.write_bytes(NEW)
    assert place.source_of(project, file) == file
    place.put(project, file)
    assert file.exists()  # until DVC has it
    assert place.remove_original(project, file)
    assert not file.exists()
    assert here(project) == {"shop.csv": NEW}
    # The same command once more finds it where it is.
    assert place.source_of(project, file) == project / "data/shop.csv"
    inside = project / "data/shop.csv"
    place.put(project, inside)
    assert not place.remove_original(project, inside)
    assert here(project) == {"shop.csv": NEW}


@pytest.mark.parametrize("root", [".", "../project"])
def test_a_file_beside_the_project_stays_however_it_is_named(
    project: Path, table: Path, root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    for file in (Path("..") / table.name, Path("data/../..") / table.name):
        place.put(Path(root), file)
        assert not place.remove_original(Path(root), file)
    assert table.read_bytes() == NEW


def test_of_a_link_in_the_project_the_link_goes_and_not_what_it_names(
    project: Path, table: Path
) -> None:
    link = project / "link.csv"
    link.symlink_to(table)
    place.put(project, link)
    assert place.remove_original(project, link)
    assert not link.is_symlink()
    assert table.read_bytes() == here(project)["link.csv"] == NEW


def test_a_file_that_has_changed_meanwhile_is_not_removed(project: Path) -> None:
    file = project / "shop.csv"
    file.write_bytes(NEW)
    place.put(project, file)
    file.write_bytes(NEW + b"b,no\n")
    with pytest.raises(ArtifactError, match="has changed meanwhile"):
        place.remove_original(project, file)
    assert file.exists()


def test_a_file_that_is_nowhere_is_told(project: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.csv: not there"):
        place.source_of(project, tmp_path / "none.csv")


def test_a_link_into_the_cache_is_replaced_and_not_written_through(
    project: Path, table: Path
) -> None:
    stored = project / ".dvc/cache/files/md5" / md5(OLD)[:2] / md5(OLD)[2:]
    (project / "data/customers.csv").unlink()
    (project / "data/customers.csv").symlink_to(stored)
    named = table.rename(table.with_name("customers.csv"))
    place.put(project, named)
    assert stored.read_bytes() == OLD
    assert here(project) == {"customers.csv": NEW}


def test_what_a_killed_copy_has_left_is_removed(project: Path, table: Path) -> None:
    gone = 2**22 + 1 + os.getpid()  # above the system's largest id
    left = project / f"data/.My_shop_1_.csv-{gone}-x"
    left.mkdir()
    (left / "My_shop_1_.csv").write_bytes(NEW[:5])
    place.put(project, table)
    assert here(project) == {"My_shop_1_.csv": NEW}


def test_a_remote_that_git_takes_is_told_from_others(tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    config, local = tmp_path / ".dvc/config", tmp_path / ".dvc/config.local"
    assert not place.remote_is_in_git(tmp_path)
    config.write_text((ROOT / ".dvc/config").read_text())
    assert place.remote_is_in_git(tmp_path)
    for url in ("s3://bucket/churn", "../../elsewhere", "/mnt/elsewhere"):
        text = f"[core]\n    remote = storage\n['remote \"storage\"']\n    url = {url}\n"
        local.write_text(text)
        assert not place.remote_is_in_git(tmp_path)
