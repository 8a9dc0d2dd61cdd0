"""An output folder when a move fails, when the driver is killed, and when two jobs write to it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from churn.core.errors import ChurnError
from churn.spark.output_folder import FolderOutput
from churn.spark.tables import Table
from tests.unit.spark.hadoop import Files

Content = dict[str, str]


def alive(steps: Iterator[int]) -> None:
    if next(steps, None) is None:
        raise Killed


class Killed(BaseException):
    """Stands for SIGKILL: all calls of the file system fail from then on."""


def opened(files: Files, target: Path, by: tuple[str, ...], source: str = "in") -> FolderOutput:
    frame: Any = None
    return FolderOutput(files.spark, str(target), source, Table(frame, (), by))


def write(folder: Path, content: Content) -> None:
    for name, text in content.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def seen(target: Path) -> Content:
    """Return what is read of a folder, with the bad rows."""
    files = {str(path.relative_to(target)): path for path in target.rglob("part-*")}
    return {name: path.read_text() for name, path in files.items() if name[:11] != "_unfinished"}


def run(output: FolderOutput, target: Path, content: Content) -> None:
    output.recover()
    with output.begun():
        write(target / output._own / "new", content)
        output.finish()


CASES = {
    "partitions": (
        ("day",),
        {"day=1/part-a": "old", "day=2/part-b": "old", "_bad_rows/day=1/part-c": "old"},
        {"day=1/part-d": "new", "day=2/part-e": "new", "_bad_rows/day=2/part-f": "new"},
    ),
    "two levels": (("day", "shop"), {"day=1/shop=1/part-a": "old"}, {"day=1/shop=1/part-b": "new"}),
    "files": (
        (),
        {"part-a": "old", "part-b": "old", "_bad_rows/part-c": "old"},
        {"part-d": "new", "part-e": "new", "_bad_rows/part-f": "new"},
    ),
}
cases = pytest.mark.parametrize(("by", "old", "new"), CASES.values(), ids=CASES)


def one_of_both(found: Content, by: tuple[str, ...], old: Content, new: Content) -> bool:
    """Tell whether each partition is the old or the new one, as a whole."""

    def partitions(content: Content) -> dict[str, Content]:
        whole: dict[str, Content] = {}
        for name, text in content.items():
            place = name.removeprefix("_bad_rows/").rpartition("/")[0]
            whole.setdefault(place if by else "", {})[name] = text
        return whole

    one, other = partitions(old), partitions(new)
    return all(part in (one.get(name), other[name]) for name, part in partitions(found).items())


@cases
def test_what_was_there_is_replaced(
    by: tuple[str, ...], old: Content, new: Content, tmp_path: Path
) -> None:
    write(tmp_path, old)
    run(opened(Files(), tmp_path, by), tmp_path, new)
    assert seen(tmp_path) == new
    assert (tmp_path / "_SUCCESS").exists() and not (tmp_path / "_unfinished").exists()


@cases
def test_a_move_that_fails_loses_nothing(
    by: tuple[str, ...], old: Content, new: Content, tmp_path: Path
) -> None:
    for number in range(100):
        target, files, calls = tmp_path / str(number), Files(), iter(range(number))
        write(target, {**old, "_SUCCESS": ""})
        # This one fails, and those after it are possible.
        failed: list[Path] = []

        def before(
            path: Path, other: Path, calls: Any = calls, failed: list[Path] = failed
        ) -> bool | None:
            if next(calls, None) is None and not failed:
                failed.append(path)
                return False
            return None

        files.before_rename = before
        output = opened(files, target, by)
        with contextlib.suppress(ChurnError):
            run(output, target, new)
        if not failed:
            break
        found = seen(target)
        assert one_of_both(found, by, old, new), (number, found)
        assert not (target / "_SUCCESS").exists()
        kept = seen(target / output._own / "new")
        assert {**kept, **found}.items() >= new.items(), "what was written is lost"
        run(opened(Files(), target, by), target, new)
        assert seen(target) == new and (target / "_SUCCESS").exists()
    assert number >= 2


@pytest.mark.slow
@cases
def test_a_kill_at_any_moment_loses_nothing(
    by: tuple[str, ...], old: Content, new: Content, tmp_path: Path
) -> None:
    for number in range(200):
        target, files, calls = tmp_path / str(number), Files(), iter(range(number))
        write(target, {**old, "_SUCCESS": ""})
        dead: list[bool] = []

        def step(*_: Path, calls: Any = calls, dead: list[bool] = dead) -> None:
            if next(calls, None) is None:
                dead.append(True)
                raise Killed

        files.before_rename, files.before_delete = step, step
        with contextlib.suppress(Killed):
            run(opened(files, target, by), target, new)
        if not dead:
            break
        # The next run puts back what was there; it is killed too, later each time.
        for later in range(1, 30):
            steps = iter(range(later))
            files.before_rename = files.before_delete = lambda *_, steps=steps: alive(steps)
            with contextlib.suppress(Killed):
                opened(files, target, by).recover()
                break
        again = opened(Files(), target, by)
        found = seen(target)
        places = {name.removeprefix("_bad_rows/").rpartition("/")[0] for name in found}
        assert one_of_both(found, by, old, new), (number, found)
        assert places >= {name.rpartition("/")[0] for name in old if "_bad" not in name}
        run(again, target, new)
        assert seen(target) == new and (target / "_SUCCESS").exists()
    assert number >= 5


def test_a_job_leaves_alone_what_another_writes_to_the_same_folder(tmp_path: Path) -> None:
    files = Files()
    one, other = (opened(files, tmp_path, ("day",), source) for source in ("in/1", "in/2"))
    with other.begun():
        write(tmp_path / other._own / "new", {"day=2/part-b": "new"})
        run(one, tmp_path, {"day=1/part-a": "new"})
        assert seen(tmp_path) == {"day=1/part-a": "new"}
        assert not (tmp_path / "_SUCCESS").exists(), "the other job is not done"
        other.finish()
    assert seen(tmp_path) == {"day=1/part-a": "new", "day=2/part-b": "new"}
    assert (tmp_path / "_SUCCESS").exists() and not (tmp_path / "_unfinished").exists()


def test_a_job_that_begins_as_another_ends_keeps_its_files(tmp_path: Path) -> None:
    files = Files()
    late = tmp_path / "_unfinished/other/1/new/part-z"

    def begins(path: Path) -> None:
        if path.name == "_unfinished":  # it was empty when it was looked at
            write(late.parent, {late.name: "new"})

    files.before_delete = begins
    run(opened(files, tmp_path, ("day",)), tmp_path, {"day=1/part-a": "new"})
    assert late.read_text() == "new"
    assert not (tmp_path / "_SUCCESS").exists()


def test_what_is_refused_before_anything_is_moved_leaves_nothing(tmp_path: Path) -> None:
    output = opened(Files(), tmp_path, ())
    with contextlib.suppress(KeyError), output.begun():
        write(tmp_path / output._own / "new", {"part-a": "new"})
        raise KeyError
    assert not list(tmp_path.iterdir())
