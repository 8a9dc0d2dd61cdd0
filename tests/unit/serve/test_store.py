"""The local copy of what is served."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from churn.core.errors import ArtifactError
from churn.model import artifact
from churn.provenance.candidate import model_digest
from churn.serve.store import Challenger, Loadable, State, Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "served")


@pytest.fixture(scope="module")
def digest(stored: Path) -> str:
    return model_digest(stored)


def state(champion: Loadable, challenger: Challenger | None = None) -> State:
    return State(name="churn", champion=champion, challenger=challenger)


def test_in_an_empty_store_there_is_nothing(store: Store, digest: str) -> None:
    assert store.state() is None
    assert store.stamp() == 0
    assert store.seen() is None and store.age_s() is None
    assert not store.has(Loadable(version="1", digest=digest))
    assert store.sample(Loadable(version="1", digest=digest)) is None
    assert not store.folder.exists()


def test_a_version_comes_back_as_it_was(store: Store, stored: Path, digest: str) -> None:
    one = Loadable(version="1", digest=digest)
    store.add(one, stored, None)
    assert store.has(one)
    assert model_digest(store.model(one)) == digest
    assert artifact.load(store.model(one)).card == artifact.load(stored).card
    assert store.sample(one) is None


def test_what_is_to_be_served_comes_back_as_it_was(store: Store, stored: Path, digest: str) -> None:
    one = Loadable(version="1", digest=digest)
    tried = Challenger(version="2", digest="b" * 64, share=0.25, shadow=True)
    store.add(one, stored, None)
    store.write(state(one, tried))
    assert Store(store.folder).state() == state(one, tried)


def test_the_stamp_changes_with_the_state_alone(store: Store, stored: Path, digest: str) -> None:
    one = Loadable(version="1", digest=digest)
    store.add(one, stored, None)
    store.write(state(one))
    stamp = store.stamp()
    store.touch()
    store.add(Loadable(version="2", digest=digest), stored, None)
    assert store.stamp() == stamp != 0
    store.write(state(one))
    assert store.stamp() != stamp


def test_the_sample_is_mlflows_input_example(
    store: Store, stored: Path, digest: str, planned: pd.DataFrame, tmp_path: Path
) -> None:
    shown = planned[["age", "plan"]].head(3).astype(object)
    shown = shown.where(shown.notna(), None)
    example = {"columns": list(shown), "data": shown.to_numpy().tolist()}
    (tmp_path / "input_example.json").write_text(json.dumps(example))
    one = Loadable(version="1", digest=digest)
    store.add(one, stored, tmp_path)
    found = store.sample(one)
    assert found is not None
    pd.testing.assert_frame_equal(found, shown.reset_index(drop=True))


def test_a_version_with_other_bytes_is_not_there(store: Store, stored: Path, digest: str) -> None:
    one = Loadable(version="1", digest=digest)
    store.add(one, stored, None)
    path = store.model(one) / artifact.PIPELINE_FILE
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert not store.has(one)
    store.add(one, stored, None)
    assert store.has(one)
    shutil.rmtree(store.model(one))
    assert not store.has(one)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"name": "churn"}', '{"champion": {"version": 1}}', "\x00"]
)
def test_a_damaged_state_is_a_clear_error(content: str, store: Store) -> None:
    store.folder.mkdir()
    (store.folder / "state.json").write_text(content)
    with pytest.raises(ArtifactError, match=r"state\.json: ") as caught:
        store.state()
    assert "churn serve" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_the_registry_was_seen_just_now(store: Store) -> None:
    store.touch()
    age, seen = store.age_s(), store.seen()
    assert age is not None and 0 <= age < 60
    assert seen is not None and abs(time.time() - seen) < 60
    os.utime(store.folder / "seen", (0, time.time() - 100))
    assert (store.age_s() or 0) == pytest.approx(100, abs=60)
    os.utime(store.folder / "seen", (0, time.time() + 100))
    assert store.age_s() == 0
    store.touch()
    assert (store.age_s() or 0) < 60


def versions(store: Store) -> set[str]:
    return {path.name.partition("-")[0] for path in (store.folder / "versions").iterdir()}


def added(store: Store, stored: Path, digest: str, number: int) -> Loadable:
    one = Loadable(version=str(number), digest=digest)
    store.add(one, stored, None)
    folder = store.folder / "versions" / one.folder
    os.utime(folder, (number, number))
    return one


def test_of_the_versions_that_are_no_longer_served_the_newest_is_kept(
    store: Store, stored: Path, digest: str
) -> None:
    for number in range(1, 5):
        store.write(state(added(store, stored, digest, number)))
    assert versions(store) == {"3", "4"}


def test_neither_the_champion_nor_the_challenger_is_removed(
    store: Store, stored: Path, digest: str
) -> None:
    old, tried, *_, new = [added(store, stored, digest, number) for number in range(1, 6)]
    challenger = Challenger(version=tried.version, digest=digest, share=0.1)
    store.write(state(old, challenger))
    assert versions(store) == {"1", "2", "5"}
    store.write(state(new))
    assert versions(store) == {"2", "5"}


def test_the_same_version_with_other_bytes_is_another_one(
    store: Store, stored: Path, digest: str
) -> None:
    assert (
        Loadable(version="1", digest=digest).folder != Loadable(version="1", digest="b" * 64).folder
    )


WRITER = """
import sys, itertools
from pathlib import Path
from churn.serve.store import Loadable, State, Store

store, model, digest = Store(Path(sys.argv[1])), Path(sys.argv[2]), sys.argv[3]
for number in itertools.count(1):
    one = Loadable(version=str(number), digest=digest)
    store.add(one, model, None)
    store.write(State(name="churn" * 1000, champion=one))
    if number == 1:
        print("written", flush=True)
"""


@pytest.mark.slow
def test_a_kill_while_writing_leaves_what_was_or_what_is(
    store: Store, stored: Path, digest: str
) -> None:
    command = [sys.executable, "-c", WRITER, str(store.folder), str(stored), digest]
    for delay in (0.0, 0.013, 0.029, 0.051):
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == b"written\n"
                time.sleep(delay)
            finally:
                process.kill()
        found = store.state()
        assert found is not None
        assert store.has(found.champion)
    # Whoever writes next removes what was left half-way.
    last = Loadable(version="last", digest=digest)
    store.add(last, stored, None)
    store.write(state(last))
    assert store.has(last)
    assert len(list((store.folder / "versions").iterdir())) <= 2
