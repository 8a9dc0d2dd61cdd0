"""Which files of the prediction log are removed, and which never."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import fsspec
import pytest

from churn.serve import log_files
from churn.serve.log_files import Retention, part, remove_days, remove_parts

TODAY = date(2026, 3, 10)
DAYS = ("2025-12-31", "2026-03-02", "2026-03-03", "2026-03-10")
OTHERS = ("2026-03-0", "2026-02-30", "2026-03-01x", "old")


@pytest.fixture
def memory() -> Iterator[Any]:
    files = fsspec.filesystem("memory")
    yield files
    if files.exists("/bucket"):
        files.rm("/bucket", recursive=True)


@pytest.fixture(params=["folder", "memory"])
def address(request: pytest.FixtureRequest, tmp_path: Path, memory: Any) -> str:
    """Return the address of a log with several days, and with what is none."""
    address = "memory://bucket/log" if request.param == "memory" else str(tmp_path / "log")
    files, folder = log_files.file_system(address)
    for name in (*(f"day={day}" for day in (*DAYS, *OTHERS)), "2025-01-01", "days"):
        files.makedirs(f"{folder}/{name}", exist_ok=True)
        files.pipe_file(f"{folder}/{name}/a.parquet", b"x")
    files.pipe_file(f"{folder}/README", b"x")
    return address


def names(address: str) -> set[str]:
    files, folder = log_files.file_system(address)
    return {path.rpartition("/")[2] for path in files.ls(folder, detail=False)}


def test_only_folders_of_days_before_are_removed(address: str) -> None:
    before = names(address)
    assert remove_days(address, date(2026, 3, 3)) == [date(2025, 12, 31), date(2026, 3, 2)]
    assert before - names(address) == {"day=2025-12-31", "day=2026-03-02"}
    assert remove_days(address, date(2026, 3, 3)) == []


def test_the_files_of_each_day_are_listed_and_of_no_other(address: str) -> None:
    files, folder = log_files.file_system(address)
    files.pipe_file(f"{folder}/day=2026-03-03/.b.parquet@x@1.part", b"x")
    files.pipe_file(f"{folder}/day=2026-03-03/b.parquet", b"x")
    found = log_files.of_days(files, folder, "2026-03-01", "2026-03-09")
    assert found == {
        "2026-03-02": [f"{folder}/day=2026-03-02/a.parquet"],
        "2026-03-03": [f"{folder}/day=2026-03-03/{name}.parquet" for name in "ab"],
    }
    assert list(log_files.of_days(files, folder)) == list(DAYS)
    assert log_files.of_days(files, f"{folder}/none") == {}


def test_a_day_that_cannot_be_listed_is_an_error(
    memory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in DAYS:
        memory.pipe_file(f"/bucket/log/day={day}/a.parquet", b"x")
    real = type(memory).ls

    def ls(self: Any, path: str, **options: Any) -> Any:
        if path.endswith(DAYS[1]):
            raise OSError("SlowDown: please reduce your request rate")
        return real(self, path, **options)

    monkeypatch.setattr(type(memory), "ls", ls)
    with pytest.raises(OSError, match="SlowDown"):
        log_files.of_days(memory, "/bucket/log")
    assert list(log_files.of_days(memory, "/bucket/log", DAYS[2])) == list(DAYS[2:])


def test_as_many_days_are_kept_as_the_setting_says_and_today(
    address: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "churn.serve"):
        Retention(address, 7).look(TODAY)
    assert "removed 2025-12-31, 2026-03-02 (serve.log_days)" in caplog.text
    assert {"day=2026-03-03", "day=2026-03-10"} <= names(address)


def test_a_log_that_is_not_there_yet_has_nothing_to_remove(tmp_path: Path) -> None:
    assert remove_days(str(tmp_path / "none"), TODAY) == []
    assert remove_parts(str(tmp_path / "none")) == 0


def test_what_cannot_be_removed_is_told_and_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    retention = Retention("log", 7)
    looks: list[date] = []

    def fail(self: Retention, today: date) -> None:
        looks.append(today)
        if len(looks) == 2:
            retention.stop()
        raise OSError("the bucket is away")

    monkeypatch.setattr(Retention, "look", fail)
    monkeypatch.setattr(log_files, "_LOOK_S", 0.01)
    retention.start()
    retention.join(10)
    assert len(looks) == 2
    assert "could not be removed: the bucket is away" in caplog.text


def test_unfinished_files_of_dead_processes_alone_are_removed(tmp_path: Path) -> None:
    day = tmp_path / "day=2026-03-10"
    day.mkdir()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    mine = part("a.parquet")
    assert f"@{os.getpid()}." in mine
    its = mine.replace(f"@{os.getpid()}.", f"@{dead.pid}.")
    elsewhere = its.replace("@", "@not-", 1)
    kept = {mine, elsewhere, "a.parquet", ".a.parquet.part", f"@{dead.pid}.part"}
    for name in (its, *kept):
        (day / name).write_bytes(b"x")
    assert remove_parts(str(tmp_path)) == 1
    assert {path.name for path in day.iterdir()} == kept


def test_an_object_store_has_no_unfinished_files(memory: Any) -> None:
    memory.pipe_file("/bucket/log/day=2026-03-10/.a@x@1.part", b"x")
    assert remove_parts("memory://bucket/log") == 0
