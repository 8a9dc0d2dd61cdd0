"""One release at a time, by the one thing that every registry does atomically.

A registered model of a name can be made once; a second attempt is refused. Whoever has made the
one called ``<model>-release-lock`` has the lease: it may move versions, counts its heartbeats in
the model's description, and deletes it in the end. A lease whose heart has stopped is taken over.
Whether it has is judged by watching it, on the watcher's own clock; no two machines' clocks are
ever compared.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import platform
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from churn.core.errors import LostLockError, NoAnswerError, NotNowError, RegistryError
from churn.core.files import is_alive
from churn.core.progress import announce
from churn.tracking import connection

_BEAT_S = 15.0
_LOOK_S = 3.0
STALE_AFTER_S = 120.0
# Two may take the same dead lease over: the later one may delete the first one's new lease instead
# of the dead one. Who is slower than this between looking and deleting gives up, and who has made
# a new lease waits for longer than this before it looks whether it is still there.
_WINDOW_S = 5.0
_SETTLE_S = 6.0


class Clock:
    """The time that passes here, whatever the time of day is said to be."""

    def now(self) -> float:
        """Return seconds since some moment."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


@dataclass(frozen=True)
class _Holder:
    by: str
    host: str
    machine: str
    pid: int
    token: str
    since: float
    beat: int

    @classmethod
    def me(cls, by: str) -> _Holder:
        return cls(by, platform.node(), _machine(), os.getpid(), uuid.uuid4().hex, time.time(), 0)

    @classmethod
    def parse(cls, text: str | None) -> _Holder | None:
        try:
            told = json.loads(text or "")
            # Fields of a newer release of this project are left out.
            return cls(**{field.name: told[field.name] for field in fields(cls)})
        except (ValueError, TypeError, KeyError):
            return None

    @property
    def text(self) -> str:
        return json.dumps(asdict(self))

    @property
    def is_dead(self) -> bool:
        """Whether it was a process of this machine that is not there any more."""
        return self.machine == _machine() and not is_alive(self.pid)


class Lock:
    """The right to move versions, as long as the block lasts that has taken it."""

    def __init__(self, client: MlflowClient, name: str, holder: _Holder) -> None:
        self._client, self._name, self._holder = client, name, holder
        self._ended = threading.Event()
        self._beats = threading.Thread(target=self._beat, daemon=True)

    def require(self) -> None:
        """Make sure that nobody else has taken over, as from a process that was asleep too long.

        Raises
        ------
        RegistryError
            If somebody has.
        TrackingError
            If the registry does not answer.
        """
        with connection.translate_errors():
            found = _read(self._client, self._name)
        if not _is_of(self._holder, found):
            raise LostLockError("another release has taken over; nothing more is moved by this one")

    def _beat(self) -> None:
        for beat in itertools.count(1):
            if self._ended.wait(_BEAT_S):
                return
            # Where the server is away for a moment: `require` decides.
            with suppress(Exception):
                self.require()  # never into the lock of who has taken over
                alive = replace(self._holder, beat=beat)
                self._client.update_registered_model(self._name, alive.text)


@contextmanager
def held(client: MlflowClient, model: str, by: str, clock: Clock | None = None) -> Iterator[Lock]:
    """Hold the lock for a block.

    Somebody else's is watched first: for as long as it takes to see a sign of life, or for
    `STALE_AFTER_S`. What a killed process of this machine has left is taken over at once.

    Parameters
    ----------
    client : MlflowClient
    model : str
        Name of the registered model.
    by : str
        Who wants it, for others to be told.
    clock : Clock, optional
        Another one than this machine's.

    Raises
    ------
    NotNowError
        If somebody else holds it; the message says who, and for how long it was watched.
    TrackingError
        If the registry does not answer.
    """
    name, holder = f"{model}-release-lock", _Holder.me(by)
    with connection.translate_errors():
        _take(client, name, holder, clock or Clock())
    lock = Lock(client, name, holder)
    lock._beats.start()
    answers = True
    try:
        yield lock
    except NoAnswerError:
        answers = False
        raise
    finally:
        lock._ended.set()
        lock._beats.join(timeout=1)
        # Where that fails, the next one sees that this process is gone.
        with suppress(Exception):
            if answers:
                lock.require()
                client.delete_registered_model(name)


def _take(client: MlflowClient, name: str, holder: _Holder, clock: Clock) -> None:
    if _make(client, name, holder):
        return
    found = _watch(client, name, clock)
    if found is None:  # it was given back meanwhile
        if not _make(client, name, holder):
            raise NotNowError("another release has just begun; try again when it is through")
        return
    _delete(client, name, found, clock)
    if _make(client, name, holder):
        clock.sleep(_SETTLE_S)
        if _is_of(holder, _read(client, name)):
            return
    raise NotNowError(
        "another release has taken the lock over at the same moment; try again when it is through"
    )


def _watch(client: MlflowClient, name: str, clock: Clock) -> str | None:
    """Watch somebody's lock until it is known whether that one is alive.

    Returns
    -------
    str or None
        What stands in a dead one's; None if it is not there any more.

    Raises
    ------
    NotNowError
        If it is alive.
    """
    begun, first = clock.now(), _read(client, name)
    # One without a readable holder was made by hand.
    holder = _Holder.parse(first)
    if first is None or holder is None or holder.is_dead:
        return first
    announce(f"{_described(holder)}: looking for a sign of life, up to {STALE_AFTER_S:.0f} s")
    while True:
        clock.sleep(_LOOK_S)
        found, watched = _read(client, name), clock.now() - begun
        if found is None:
            return None
        if found != first:
            raise NotNowError(
                f"{_described(_Holder.parse(found) or holder)}, alive: it was watched for"
                f" {watched:.0f} s; try again when it is through"
            )
        if watched > STALE_AFTER_S:
            announce(f"no sign of life in {watched:.0f} s: taken over")
            return found


def _delete(client: MlflowClient, name: str, dead: str, clock: Clock) -> None:
    """Delete a dead one's lock, if it is still that."""
    begun = clock.now()
    found = _read(client, name)
    if found is None:
        return
    if found != dead:
        raise NotNowError("another release has just begun; try again when it is through")
    try:
        client.delete_registered_model(name)
    except MlflowException as error:
        if error.error_code == connection.FORBIDDEN:
            raise RegistryError(_left(_Holder.parse(dead), name)) from error
        if error.error_code != connection.NOT_FOUND:
            raise
    if (took := clock.now() - begun) > _WINDOW_S:  # it may have been another one by then
        raise NotNowError(
            f"the registry took {took:.0f} s to give up a dead release's lock, in which another one"
            " may have begun; try again"
        )


def _make(client: MlflowClient, name: str, holder: _Holder) -> bool:
    try:
        client.create_registered_model(name, description=holder.text)
    except MlflowException as error:
        if error.error_code in connection.ALREADY_EXISTS:
            return _is_of(holder, _read(client, name))  # made, and the answer was lost
        raise
    return True


def _read(client: MlflowClient, name: str) -> str | None:
    """Return what stands in the lock; None if there is none."""
    try:
        return client.get_registered_model(name).description or ""
    except MlflowException as error:
        if error.error_code == connection.NOT_FOUND:
            return None
        raise


def _is_of(holder: _Holder, found: str | None) -> bool:
    other = _Holder.parse(found)
    return other is not None and other.token == holder.token


def _described(holder: _Holder) -> str:
    since = time.strftime("%H:%M:%S UTC", time.gmtime(holder.since))
    return f"another release is under way: by {holder.by} on {holder.host} since {since}"


def _left(other: _Holder | None, name: str) -> str:
    return (
        f"{name} was left by a killed release of {other.by if other else 'somebody'}, and this user"
        " may not delete it; whoever that was may, or an administrator of the server"
    )


def _machine() -> str:
    """Tell machines and containers apart, whatever they are called."""
    parts = [platform.node(), str(uuid.getnode())]
    for source in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        path = Path(source)
        try:
            parts.append(str(path.readlink()) if path.is_symlink() else path.read_text())
        except OSError:
            continue
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
