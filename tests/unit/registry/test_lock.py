"""Who may move versions: one at a time, and never nobody because somebody has died."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pytest

from churn.core.errors import NotNowError, RegistryError
from churn.registry import lock
from churn.tracking import connection

pytestmark = pytest.mark.long

NAME = "m-release-lock"


class Passing(lock.Clock):
    """A clock on which time passes only where somebody waits; something may happen then."""

    def __init__(self, happens: Callable[[float], object] = lambda seconds: None) -> None:
        self.seconds, self.happens = 0.0, happens

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        self.happens(seconds)


def beating(client: mlflow.MlflowClient) -> Callable[[float], None]:
    """Let the lock's holder give a heartbeat now and then."""

    def happens(_: float) -> None:
        told = json.loads(client.get_registered_model(NAME).description)
        client.update_registered_model(NAME, json.dumps(told | {"beat": told["beat"] + 1}))

    return happens


@pytest.fixture
def client(store: Path) -> mlflow.MlflowClient:
    connection.configure(store)
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


def test_a_second_one_is_told_who_is_at_it_as_soon_as_that_one_is_seen_alive(
    client: mlflow.MlflowClient, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = Passing(beating(client))
    with lock.held(client, "m", "the night shift"):
        with (
            pytest.raises(NotNowError, match=r"by the night shift on .* since .* for 3 s"),
            lock.held(client, "m", "somebody else", clock),
        ):
            pass
        assert holders(client) == [NAME]
    assert "by the night shift on" in capsys.readouterr().err
    assert clock.seconds == lock.POLL_S


def test_a_newer_release_s_lock_is_one_as_well(client: mlflow.MlflowClient) -> None:
    with lock.held(client, "m", "the night shift"):
        told = json.loads(client.get_registered_model(NAME).description)
        client.update_registered_model(NAME, json.dumps(told | {"shift": "night"}))
        with (
            pytest.raises(NotNowError, match=r"by the night shift on .* since"),
            lock.held(client, "m", "somebody else", Passing(beating(client))),
        ):
            pass


def test_one_that_is_given_back_while_it_is_watched_is_free(client: mlflow.MlflowClient) -> None:
    client.create_registered_model(NAME, description=lock.Holder.this_process("ann").text)
    clock = Passing(lambda _: client.delete_registered_model(NAME))
    with lock.held(client, "m", "me", clock) as held:
        held.require()
    assert clock.seconds == lock.POLL_S


def test_of_many_at_once_one_has_it(
    client: mlflow.MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "BEAT_S", 0.05)
    monkeypatch.setattr(lock, "POLL_S", 0.3)
    start, inside, refused = threading.Barrier(6), [], []

    def attempt(number: int) -> None:
        start.wait()
        try:
            with lock.held(client, "m", str(number)):
                inside.append(number)
                until = time.monotonic() + 60
                while len(refused) < 5 and time.monotonic() < until:
                    time.sleep(0.05)
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
        "from churn.tracking import connection\n"
        "from churn.registry import lock\n"
        "connection.configure(pathlib.Path())\n"
        "with lock.held(mlflow.MlflowClient(), 'm', 'the one that dies'):\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    died = subprocess.run([sys.executable, "-c", program], cwd=store, capture_output=True)
    assert died.returncode == -9, died.stderr
    assert holders(client) == [NAME]
    clock = Passing()
    with lock.held(client, "m", "me", clock):
        pass
    assert holders(client) == []
    assert clock.seconds == lock.SETTLE_S


@pytest.fixture
def elsewhere(client: mlflow.MlflowClient) -> dict[str, Any]:
    """A lock that another machine holds, whose processes nobody here can ask."""
    holder = vars(lock.Holder.this_process("the other machine")) | {
        "machine": "another",
        "host": "far",
    }
    client.create_registered_model(NAME, description=json.dumps(holder))
    return holder


@pytest.mark.parametrize("behind_s", [-3600, 0, 121, 3600])
def test_one_that_is_alive_is_respected_whatever_its_clock_says(
    behind_s: float, client: mlflow.MlflowClient, elsewhere: dict[str, Any]
) -> None:
    late = {name: elsewhere[name] - behind_s for name in ("since", "beat")}
    client.update_registered_model(NAME, json.dumps(elsewhere | late))
    with (
        pytest.raises(NotNowError, match="the other machine on far"),
        lock.held(client, "m", "me", Passing(beating(client))),
    ):
        pass
    assert holders(client) == [NAME]


@pytest.mark.parametrize("ahead_s", [0, 3600])
def test_one_that_gives_no_sign_of_life_is_taken_over_after_it_was_watched(
    ahead_s: float,
    client: mlflow.MlflowClient,
    elsewhere: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    ahead = {name: elsewhere[name] + ahead_s for name in ("since", "beat")}
    client.update_registered_model(NAME, json.dumps(elsewhere | ahead))
    clock = Passing()
    with lock.held(client, "m", "me", clock) as held:
        held.require()
    watched = clock.seconds - lock.SETTLE_S
    assert lock.STALE_AFTER_S < watched <= lock.STALE_AFTER_S + lock.POLL_S
    assert f"no heartbeat in {watched:.0f} s: taking over the lock" in capsys.readouterr().err


def test_one_that_wakes_up_at_the_last_moment_is_left_alone(
    client: mlflow.MlflowClient, elsewhere: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = lock.watch

    def watch(*arguments: Any) -> Any:
        found = real(*arguments)
        beating(client)(0)
        return found

    monkeypatch.setattr(lock, "watch", watch)
    with (
        pytest.raises(NotNowError, match="another release has just begun"),
        lock.held(client, "m", "me", Passing()),
    ):
        pass
    assert json.loads(client.get_registered_model(NAME).description)["beat"] == 1


class Taker(threading.Thread):
    """One of two that take a dead lock over at the same moment; `steps` says who is when where."""

    def __init__(self, name: str, clock: lock.Clock, steps: Callable[[str], None]) -> None:
        super().__init__(name=name)
        self.client, self.clock = mlflow.MlflowClient(), clock
        self.outcome: object = None
        delete = self.client.delete_registered_model

        def step_and_delete(model: str) -> None:
            steps("looked")
            delete(model)

        self.client.delete_registered_model = step_and_delete  # type: ignore[method-assign]

    def run(self) -> None:
        holder = lock.Holder.this_process(self.name)
        try:
            with connection.translate_errors():
                lock.acquire(self.client, NAME, holder, self.clock)
            self.outcome = lock.Lock(self.client, NAME, holder)
        except NotNowError as error:
            self.outcome = error


def two_takers(late_s: float = 0) -> tuple[Taker, Taker]:
    """Let B look at the dead lock, then A take it over, and B delete what it has looked at.

    A waits, as it does after it has made its own, until B is through.
    """
    looked, made, over = threading.Event(), threading.Event(), threading.Event()
    first_clock, second_clock = Passing(), Passing()

    def slow(step: str) -> None:
        looked.set()
        assert made.wait(60)
        second_clock.sleep(late_s)

    def wait(seconds: float) -> None:
        if seconds == lock.SETTLE_S:
            made.set()
            assert over.wait(60)

    first_clock.happens = wait
    late = Taker("b", second_clock, slow)
    early = Taker("a", first_clock, lambda step: None)
    late.start()
    assert looked.wait(60)
    early.start()
    late.join(60)
    over.set()
    early.join(60)
    return early, late


def test_of_two_that_take_over_at_once_one_has_it_and_knows(
    client: mlflow.MlflowClient, elsewhere: dict[str, Any]
) -> None:
    early, late = two_takers()
    assert isinstance(early.outcome, NotNowError)
    assert "at the same moment" in str(early.outcome)
    assert isinstance(late.outcome, lock.Lock)
    late.outcome.require()


def test_who_was_slow_between_looking_and_deleting_goes_no_further(
    client: mlflow.MlflowClient, elsewhere: dict[str, Any]
) -> None:
    early, late = two_takers(late_s=lock.WINDOW_S + 1)
    assert isinstance(late.outcome, NotNowError)
    assert "took 6 s to delete an expired lock" in str(late.outcome)
    assert isinstance(early.outcome, NotNowError)  # its lock was deleted, and it knows
    assert holders(client) == []


def test_it_gives_signs_of_life(
    client: mlflow.MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "BEAT_S", 0.05)
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
        other = json.dumps(vars(lock.Holder.this_process("the next one")))
        client.update_registered_model(NAME, other)
        with pytest.raises(RegistryError, match="another release has taken over"):
            held.require()
    assert holders(client) == [NAME]  # it is the next one's


def test_one_that_nobody_can_read_is_taken_over(client: mlflow.MlflowClient) -> None:
    client.create_registered_model(NAME, description="made by hand")
    with lock.held(client, "m", "me", Passing()) as held:
        held.require()
