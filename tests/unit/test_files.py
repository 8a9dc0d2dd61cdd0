"""Writing whole or not at all; reading that names what is missing."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from churn.core.errors import ArtifactError
from churn.core.files import (
    Shape,
    atomic,
    read_any_json,
    read_json,
    read_parquet,
    write_json,
    write_parquet,
)


def fail_half_way(target: Path, make: Callable[[Path], Any]) -> None:
    with atomic(target) as fresh:
        make(fresh)
        raise RuntimeError("half-way")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_with_its_parents(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "out.csv"
    with atomic(target) as fresh:
        assert fresh.suffix == ".csv"
        fresh.write_text("new")
        assert not target.exists()
    assert target.read_text() == "new"
    assert names(target.parent) == ["out.csv"]


def test_a_block_that_raises_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    target.write_text("old")
    with pytest.raises(RuntimeError, match="half-way"):
        fail_half_way(target, lambda fresh: fresh.write_text("half"))
    assert target.read_text() == "old"
    assert names(tmp_path) == ["out.csv"]


def test_where_the_disk_is_full_the_file_is_named(tmp_path: Path) -> None:
    target = tmp_path / "model.json"
    target.write_text("old")
    with pytest.raises(OSError, match="No space left on device: ") as caught, atomic(target):
        raise OSError(errno.ENOSPC, "what Arrow says instead of a name")
    assert caught.value.filename == str(target)
    assert target.read_text() == "old"


@pytest.mark.slow
def test_a_killed_process_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    target.write_text("old")
    program = (
        "import os, pathlib, signal, sys\n"
        "from churn.core.files import atomic\n"
        "with atomic(pathlib.Path(sys.argv[1])) as fresh:\n"
        "    fresh.write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(target)], check=False)
    assert done.returncode == -9
    assert target.read_text() == "old"


@pytest.mark.slow
@pytest.mark.parametrize("goes_on", [True, False], ids=["written again", "failed again"])
def test_a_folder_that_a_killed_process_took_away_is_put_back(
    goes_on: bool, tmp_path: Path
) -> None:
    target = tmp_path / "model"
    target.mkdir()
    (target / "old").touch()
    program = (
        "import os, pathlib, sys\n"
        "from churn.core.files import atomic\n"
        "replace = pathlib.Path.replace\n"
        "def last(self, other):\n"
        "    replace(self, other)\n"
        "    os._exit(9)\n"
        "pathlib.Path.replace = last\n"
        "with atomic(pathlib.Path(sys.argv[1])) as fresh:\n"
        "    fresh.mkdir()\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(target)], check=False)
    assert done.returncode == 9
    assert not target.exists()

    if goes_on:
        with atomic(target) as fresh:
            assert names(target) == ["old"]
            fresh.mkdir()
    else:
        with pytest.raises(RuntimeError, match="half-way"):
            fail_half_way(target, Path.mkdir)

    assert names(target) == ([] if goes_on else ["old"])
    assert names(tmp_path) == ["model"]


def test_a_folder_that_cannot_be_replaced_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "model"
    target.mkdir()
    (target / "old").touch()
    replace = Path.replace

    def refuse(self: Path, other: Path) -> Path:
        if (self.name, Path(other)) == ("model", target):
            raise OSError("no")
        return replace(self, other)

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="no"), atomic(target) as fresh:
        fresh.mkdir()
    assert names(target) == ["old"]
    assert names(tmp_path) == ["model"]


def test_what_a_killed_process_took_away_does_not_replace_what_is_there(tmp_path: Path) -> None:
    target = tmp_path / "model"
    target.mkdir()
    (target / "newer").touch()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (tmp_path / f".model-{dead.pid}-x/old").mkdir(parents=True)
    with pytest.raises(RuntimeError, match="half-way"):
        fail_half_way(target, Path.mkdir)
    assert names(target) == ["newer"]
    assert names(tmp_path) == ["model"]


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "plots"
    target.mkdir()
    (target / "old.png").write_text("old")
    with atomic(target) as fresh:
        fresh.mkdir()
        (fresh / "new.png").write_text("new")
        assert names(target) == ["old.png"]
    assert names(target) == ["new.png"]
    assert names(tmp_path) == ["plots"]


def test_a_block_that_raises_leaves_the_old_folder(tmp_path: Path) -> None:
    target = tmp_path / "plots"
    target.mkdir()
    (target / "old.png").write_text("old")
    with pytest.raises(RuntimeError, match="half-way"):
        fail_half_way(target, Path.mkdir)
    assert names(target) == ["old.png"]


@pytest.mark.parametrize("was_folder", [True, False])
def test_a_file_takes_a_folder_s_place_and_the_other_way_round(
    was_folder: bool, tmp_path: Path
) -> None:
    target = tmp_path / "model"
    target.mkdir() if was_folder else target.touch()
    with atomic(target) as fresh:
        fresh.touch() if was_folder else fresh.mkdir()
    assert target.is_dir() is not was_folder


def test_json_comes_back(tmp_path: Path) -> None:
    value = {"rows": 3, "mean": 0.5, "none": None, "names": ["ä"]}
    write_json(tmp_path / "x.json", value)
    assert read_any_json(tmp_path / "x.json", "prepare") == value
    assert (tmp_path / "x.json").read_text().endswith("}\n")


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_json_cannot_hold_is_refused_and_the_old_file_stays(
    number: float, tmp_path: Path
) -> None:
    file = tmp_path / "x.json"
    write_json(file, {"x": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(file, {"x": number})
    assert json.loads(file.read_text()) == {"x": 1}


def test_a_frame_comes_back_without_its_index(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": ["a", "b"], "x": [1.5, None]}, index=[7, 3])
    write_parquet(tmp_path / "x.parquet", frame)
    read = read_parquet(tmp_path / "x.parquet", "prepare")
    pd.testing.assert_frame_equal(read, frame.reset_index(drop=True))


@pytest.mark.parametrize("read", [read_any_json, read_parquet])
def test_what_is_missing_is_named_with_its_stage(
    read: Callable[[Path, str], Any], tmp_path: Path
) -> None:
    with pytest.raises(ArtifactError, match=r"train\.x: not there; `churn prepare` writes it"):
        read(tmp_path / "train.x", "prepare")


@pytest.mark.parametrize(("read", "kind"), [(read_any_json, "JSON"), (read_parquet, "Parquet")])
def test_what_is_damaged_is_named_with_its_stage(
    read: Callable[[Path, str], Any], kind: str, tmp_path: Path
) -> None:
    (tmp_path / "x").write_text("{nothing of the kind")
    with pytest.raises(ArtifactError, match=f"x: not {kind} .*run `churn prepare` again"):
        read(tmp_path / "x", "prepare")


def test_a_block_that_writes_nothing_leaves_the_old_folder(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model/old").touch()
    with pytest.raises(FileNotFoundError), atomic(tmp_path / "model"):
        pass
    assert (tmp_path / "model/old").exists()


def test_json_of_another_shape_is_named_with_its_stage_and_its_key(tmp_path: Path) -> None:
    class ThisShape(Shape):
        rows: int
        sides: dict[str, float | None]
        note: str = ""

    file = tmp_path / "x.json"
    good = {"rows": 3, "sides": {"train": 0.5, "test": None}, "more": [1]}
    write_json(file, good)
    read = read_json(file, "prepare", ThisShape)
    assert (read.rows, read.sides, read.note) == (3, good["sides"], "")
    write_json(file, read)  # what was given, and nothing that has a default
    assert json.loads(file.read_text()) == {"rows": 3, "sides": good["sides"]}
    for bad, key in (
        ({"rows": 3}, "sides: "),
        (good | {"rows": "3"}, "rows: "),
        (good | {"sides": {"train": "x"}}, "sides.train"),
        ([], "Input should be"),
    ):
        write_json(file, bad)
        with pytest.raises(ArtifactError) as caught:
            read_json(file, "prepare", ThisShape)
        message = str(caught.value)
        assert message.startswith(f"{file}: not what `churn prepare` writes ({key}")
