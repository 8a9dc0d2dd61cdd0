"""Who may move versions: one at a time, and never nobody because somebody has died."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import mlflow
import pytest

from churn import tracking
from churn.errors import NotNowError, RegistryError
from churn.registry import lock

NAME = "m-release-lock"


@pytest.fixture
def client(store: Path) -> mlflow.MlflowClient:
    tracking.point_at_store(store)
    return mlflow.MlflowClient()


def holders(client: mlflow.MlflowClient) -> list[str]:
    return [model.name for model in client.search_registered_models()]


def test_it_is_there_while_it_is_held_and_gone_afterwards(client: mlflow.MlflowClient) -> None:
    with lock.held(client, "m", "me") as held:
        held.require()
        assert holders(client) == [NAME]
    assert holders(client) == []


def test_it_is_given_back_after_an_error(client: mlflow.MlflowClient) -> None:
    with pytest.raises(KeyError), lock.held(client, "m", "me"):
        raise KeyError
    assert holders(client) == []


def test_a_second_one_is_told_who_is_at_it(client: mlflow.MlflowClient) -> None:
    with lock.held(client, "m", "the night shift"):
        with pytest.raises(RegistryError, match=r"by the night shift on .* since"):
            lock._take(client, NAME, lock._Holder.me("somebody else"))
        assert holders(client) == [NAME]


def test_a_newer_release_s_lock_is_one_as_well(client: mlflow.MlflowClient) -> None:
    with lock.held(client, "m", "the night shift"):
        told = json.loads(client.get_registered_model(NAME).description)
        client.update_registered_model(NAME, json.dumps(told | {"shift": "night"}))
        with pytest.raises(NotNowError, match=r"by the night shift on .* since"):
            lock._take(client, NAME, lock._Holder.me("somebody else"))


def test_of_many_at_once_one_has_it(client: mlflow.MlflowClient) -> None:
    start, inside, refused = threading.Barrier(6), [], []

    def attempt(number: int) -> None:
        start.wait()
        try:
            with lock.held(client, "m", str(number)):
                inside.append(number)
                time.sleep(0.5)
                inside.remove(number)
        except RegistryError:
            refused.append(number)
        else:
            assert not inside

    threads = [threading.Thread(target=attempt, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 5
    assert holders(client) == []


def test_what_a_killed_process_has_left_is_taken_over_at_once(
    client: mlflow.MlflowClient, store: Path
) -> None:
    program = (
        "import os, pathlib, mlflow\n"
        "from churn import tracking\n"
        "from churn.registry import lock\n"
        "tracking.point_at_store(pathlib.Path())\n"
        "with lock.held(mlflow.MlflowClient(), 'm', 'the one that dies'):\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    died = subprocess.run([sys.executable, "-c", program], cwd=store, capture_output=True)
    assert died.returncode == -9, died.stderr
    assert holders(client) == [NAME]
    with lock.held(client, "m", "me"):
        pass
    assert holders(client) == []


@pytest.fixture
def elsewhere(client: mlflow.MlflowClient) -> dict:
    """A lock that another machine holds, whose processes nobody here can ask."""
    holder = vars(lock._Holder.me("the other machine")) | {"machine": "another", "host": "far"}
    client.create_registered_model(NAME, description=json.dumps(holder))
    return holder


def test_one_of_another_machine_is_respected_while_it_gives_signs_of_life(
    client: mlflow.MlflowClient, elsewhere: dict
) -> None:
    with (
        pytest.raises(RegistryError, match="the other machine on far"),
        lock.held(client, "m", "me"),
    ):
        pass


def test_one_of_another_machine_is_taken_over_when_it_is_silent(
    client: mlflow.MlflowClient, elsewhere: dict
) -> None:
    elsewhere["beat"] -= lock.STALE_AFTER_S + 1
    client.update_registered_model(NAME, json.dumps(elsewhere))
    with lock.held(client, "m", "me"):
        pass


def test_it_gives_signs_of_life(
    client: mlflow.MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "_BEAT_S", 0.05)
    with lock.held(client, "m", "me"):
        beats = set()
        for _ in range(100):
            beats.add(json.loads(client.get_registered_model(NAME).description)["beat"])
            time.sleep(0.05)
            if len(beats) > 2:
                break
    assert len(beats) > 2


def test_who_was_taken_over_moves_nothing_more(client: mlflow.MlflowClient) -> None:
    with lock.held(client, "m", "asleep for an hour") as held:
        other = json.dumps(vars(lock._Holder.me("the next one")))
        client.update_registered_model(NAME, other)
        with pytest.raises(RegistryError, match="another release has taken over"):
            held.require()
    assert holders(client) == [NAME]  # it is the next one's


def test_one_that_nobody_can_read_is_taken_over(client: mlflow.MlflowClient) -> None:
    client.create_registered_model(NAME, description="made by hand")
    with lock.held(client, "m", "me"):
        pass
