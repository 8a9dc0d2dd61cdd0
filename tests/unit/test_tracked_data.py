"""The data that data.dvc names, and that it names nothing else; with a real DVC."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from churn.core.errors import ArtifactError
from churn.provenance import lockfile, tracked_data
from churn.provenance.git import git
from tests.unit.conftest import as_somebody
from tests.unit.repositories import commit, dvc, write

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("warm_programs")]


@pytest.fixture(scope="module")
def made(warm_programs: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository with a table that data.dvc names; tests copy it."""
    folder = tmp_path_factory.mktemp("made")
    root = folder / "repository"
    root.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        as_somebody(patch, folder)
        git(root, "init", "--quiet", "--initial-branch=main")
        write(root, {"params.yaml": "a: 1\ndata: {path: data/t.csv}\n"})
        write(root, {"data/t.csv": "id\n1\n", "src/churn/x.py": "x = 1\n"})
        write(root, {".gitignore": "*.pyc\n/build\n/reports/report.*\n"})
        dvc(root, "init", "--quiet")
        dvc(root, "remote", "add", "--quiet", "--default", "embedded", "dvc-remote")
        dvc(root, "add", "--quiet", "data")
        dvc(root, "push", "--quiet")
        commit(root)
    return root


@pytest.fixture
def with_data(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    as_somebody(monkeypatch, tmp_path)
    shutil.copytree(made, tmp_path / "repository", symlinks=True)
    return tmp_path / "repository"


def test_data_that_data_dvc_names_are_good_and_absent_ones_are_no_fault(with_data: Path) -> None:
    tracked_data.require_data(with_data)
    (with_data / "data/t.csv").unlink()
    (with_data / "data").rmdir()
    tracked_data.require_data(with_data)


def test_other_data_than_data_dvc_names_are_refused(with_data: Path) -> None:
    write(with_data, {"data/t.csv": "id\n2\n"})
    with pytest.raises(ArtifactError, match=r"data differs from data\.dvc; run dvc add data"):
        tracked_data.require_data(with_data)


def test_a_table_that_dvcignore_hides_from_data_dvc_is_refused(with_data: Path) -> None:
    """It would be trained on, and neither DVC nor a reviewer of data.dvc would see a change."""
    write(with_data, {".dvcignore": "data/t.csv\n"})
    dvc(with_data, "add", "--quiet", "data")
    write(with_data, {"data/t.csv": "id\n2\n"})
    assert lockfile.dvc_status(with_data, str(with_data / "data.dvc")) == {}
    with pytest.raises(ArtifactError, match=r"t\.csv: ignored by \.dvcignore"):
        tracked_data.require_data(with_data)


def test_a_table_that_git_tracks_is_refused(with_data: Path) -> None:
    git(with_data, "add", "--force", "data/t.csv")
    with pytest.raises(ArtifactError, match=r"data/t\.csv: tracked by git, but DVC tracks data/"):
        tracked_data.require_data(with_data)


def test_absent_data_are_got_and_changes_are_kept(with_data: Path) -> None:
    (with_data / "data/t.csv").unlink()
    (with_data / "data").rmdir()
    assert tracked_data.get(with_data)
    assert (with_data / "data/t.csv").read_text() == "id\n1\n"
    write(with_data, {"data/t.csv": "id\n2\n", "data/new.csv": "mine"})
    assert not tracked_data.get(with_data)
    assert (with_data / "data/t.csv").read_text() == "id\n2\n"


def test_data_that_nobody_has_are_an_error(with_data: Path) -> None:
    for store in (".dvc/cache", "dvc-remote"):
        subprocess.run(["rm", "-rf", with_data / store], check=True)
    (with_data / "data/t.csv").unlink()
    with pytest.raises(ArtifactError, match=r"dvc (fetch|checkout) data\.dvc: "):
        tracked_data.get(with_data)


@pytest.mark.parametrize("place", ["src/churn/review/gate", ".venv/lib/site-packages/evil"])
def test_a_second_folder_in_data_dvc_never_reaches_its_place(place: str, with_data: Path) -> None:
    """DVC would put code over the code that judges, and git would not show it."""
    write(with_data, {f"{place}/__init__.py": "raise SystemExit('forged')"})
    dvc(with_data, "add", "--quiet", place)
    dvc(with_data, "push", "--quiet")
    other = next(with_data.rglob(f"{Path(place).name}.dvc"))
    document = yaml.safe_load((with_data / "data.dvc").read_text())
    [out] = yaml.safe_load(other.read_text())["outs"]
    document["outs"].append(out | {"path": place})
    other.unlink()
    write(with_data, {"data.dvc": yaml.safe_dump(document)})
    subprocess.run(["rm", "-rf", with_data / place, with_data / "data"], check=True)

    with pytest.raises(ArtifactError, match="must name the folder data and nothing else"):
        tracked_data.get(with_data)

    assert not (with_data / place).exists()
    assert not (with_data / "data").exists()


def test_a_listing_that_leads_out_of_the_folder_is_refused(with_data: Path) -> None:
    [out] = yaml.safe_load((with_data / "data.dvc").read_text())["outs"]
    md5 = out["md5"]
    listing = with_data / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
    entries = json.loads(listing.read_text())
    listing.chmod(0o644)
    listing.write_text(json.dumps([entry | {"relpath": "../src/x.py"} for entry in entries]))
    with pytest.raises(ArtifactError, match="names files outside of data/"):
        tracked_data.require_data_file(with_data)


@pytest.mark.long
@pytest.mark.parametrize(
    "change",
    [
        {"outs": []},
        {"outs": [{"path": "data"}]},
        {"outs": [{"path": "data", "md5": "a" * 32}]},
        {"outs": [{"path": "src", "md5": "a" * 32 + ".dir"}]},
        {"wdir": ".."},
        {"deps": [{"path": "x"}]},
        {"cmd": "make it"},
    ],
    ids=str,
)
def test_a_data_dvc_that_says_more_or_less_is_refused(
    change: dict[str, object], with_data: Path
) -> None:
    document = yaml.safe_load((with_data / "data.dvc").read_text())
    write(with_data, {"data.dvc": yaml.safe_dump(document | change)})
    with pytest.raises(ArtifactError, match=r"data\.dvc: "):
        tracked_data.require_data_file(with_data)
