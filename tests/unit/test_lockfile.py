"""Whether dvc.lock belongs to the inputs."""

from __future__ import annotations

import copy
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from churn.core.errors import ArtifactError
from churn.provenance import lockfile
from churn.provenance.git import git
from churn.provenance.lockfile import Lock, differences
from tests.unit.conftest import as_somebody, new_repository
from tests.unit.repositories import commit, dvc, write

LOCK: dict[str, Any] = {
    "schema": "2.0",
    "stages": {
        "prepare": {
            "cmd": "churn prepare",
            "deps": [
                {"path": "data/customers.csv", "md5": "d1", "size": 1},
                {"path": "src/churn/data", "md5": "s1.dir"},
            ],
            "params": {"params.yaml": {"split": {"salt": "churn"}, "data": {"id": "x"}}},
            "outs": [{"path": "build/train.parquet", "md5": "o1"}],
        },
        "train": {
            "cmd": "churn train",
            "deps": [
                {"path": "build/train.parquet", "md5": "o1"},
                {"path": "src/churn/model", "md5": "m1.dir"},
            ],
            "outs": [{"path": "build/model", "md5": "o2.dir"}],
        },
    },
}


def lock(document: dict[str, Any]) -> Lock:
    return lockfile.parse(yaml.safe_dump(document))


def changed(edit: Any) -> Lock:
    other = copy.deepcopy(LOCK)
    edit(other["stages"])
    return lock(other)


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (lambda s: None, []),
        (
            lambda s: s["prepare"]["params"]["params.yaml"].update(split={"salt": "other"}),
            ["prepare: params.yaml split"],
        ),
        (
            lambda s: s["prepare"]["params"]["params.yaml"].pop("data"),
            ["prepare: params.yaml data"],
        ),
        (lambda s: s["prepare"].pop("params"), ["params.yaml data", "params.yaml split"]),
        (lambda s: s["train"]["deps"][1].update(md5="m2.dir"), ["train: src/churn/model"]),
        (lambda s: s["train"]["deps"].pop(), ["train: src/churn/model"]),
        (lambda s: s["train"].update(cmd="other"), ["train: command"]),
        (lambda s: s.pop("train"), ["train: command", "train: src/churn/model"]),
        # What came out, and what a later stage reads of it, may differ from platform to platform.
        (lambda s: s["prepare"]["outs"][0].update(md5="o9"), []),
        (lambda s: s["train"]["deps"][0].update(md5="o9"), []),
        (lambda s: s["train"]["outs"][0].update(md5="o9", size=5), []),
        (lambda s: s["prepare"]["deps"][0].update(size=5), []),
    ],
)
def test_locks_differ_where_what_goes_in_differs(edit: Any, expected: list[str]) -> None:
    other = changed(edit)
    for found in (differences(lock(LOCK), other), differences(other, lock(LOCK))):
        assert [one.removeprefix("prepare: ") for one in found] == [
            one.removeprefix("prepare: ") for one in expected
        ]


def test_a_lock_without_stages_knows_nothing() -> None:
    everything = differences(lock({}), lock(LOCK))
    assert everything == differences(lock({"stages": None}), lock(LOCK))
    assert "train: command" in everything
    assert len(everything) == 7  # what a stage hands on to the next is no input


PIPELINE = """
stages:
  first:
    cmd: cp params.yaml first.txt
    deps: [src/churn/x.py]
    params: [a]
    outs: [build/first.txt]
  train:
    cmd: cp build/first.txt build/model.txt
    deps: [build/first.txt]
    outs: [build/model.txt]
""".replace("cp params.yaml first.txt", "mkdir -p build && cp params.yaml build/first.txt")


@pytest.fixture(scope="module")
def made(warm_programs: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository whose pipeline has run and whose lock is committed; tests copy it."""
    root = tmp_path_factory.mktemp("made") / "repository"
    with pytest.MonkeyPatch.context() as patch:
        as_somebody(patch, root.parent)
        new_repository(root)
        dvc(root, "init", "--quiet")
        write(root, {"dvc.yaml": PIPELINE})
        dvc(root, "repro", "--quiet")
        commit(root)
    return root


@pytest.fixture
def piped(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    as_somebody(monkeypatch, tmp_path)
    return Path(shutil.copytree(made, tmp_path / "repository", symlinks=True))


@pytest.mark.slow
def test_a_real_lock_goes_through_its_states(piped: Path) -> None:
    assert lockfile.stale(piped) == []

    write(piped, {"src/churn/x.py": "x = 2\n"})  # changed, not run
    assert lockfile.stale(piped) == ["first: src/churn/x.py"]

    dvc(piped, "repro", "--quiet")  # run, neither input nor lock committed yet
    assert lockfile.stale(piped) == []

    git(piped, "add", "src")
    git(piped, "commit", "--quiet", "--message", "without the lock")
    assert lockfile.stale(piped) == ["first: src/churn/x.py"]

    commit(piped)
    assert lockfile.stale(piped) == []

    (piped / "build" / "model.txt").write_text("by hand")
    assert lockfile.stale(piped) == ["train: build/model.txt"]


@pytest.mark.slow
@pytest.mark.parametrize("content", ["", "null\n", "[]\n", "x\n", "<<<<<<< HEAD\na: [\n"])
def test_a_committed_lock_that_is_none_is_stale(content: str, piped: Path) -> None:
    right = (piped / "dvc.lock").read_text()
    write(piped, {"dvc.lock": content})
    commit(piped)
    write(piped, {"dvc.lock": right})  # as `dvc repro` would have written it
    assert lockfile.stale(piped) == [
        "first: command",
        "first: params.yaml a",
        "first: src/churn/x.py",
        "train: command",
    ]


@pytest.mark.slow
def test_a_lock_that_is_not_committed_or_not_there_is_stale(piped: Path) -> None:
    git(piped, "rm", "--quiet", "--cached", "dvc.lock")
    git(piped, "commit", "--quiet", "--message", "no lock")
    assert lockfile.stale(piped) == ["dvc.lock: not committed"]
    (piped / "dvc.lock").unlink()
    assert lockfile.stale(piped) == ["dvc.lock: not there"]


@pytest.mark.slow
def test_a_lock_that_dvc_cannot_read_is_no_lock_that_is_up_to_date(piped: Path) -> None:
    write(piped, {"dvc.lock": yaml.safe_dump({"schema": "2.0", "stages": [1]})})
    with pytest.raises(ArtifactError, match="dvc status: "):
        lockfile.stale(piped)


def test_outside_git_nothing_is_up_to_date(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    write(tmp_path, {"dvc.lock": "stages: {}\n"})
    with pytest.raises(ArtifactError):
        lockfile.stale(tmp_path)
    assert os.environ["GIT_CEILING_DIRECTORIES"]
