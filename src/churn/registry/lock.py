"""A lock for releases: a lease with heartbeats, stored as a registered model.

Every registry creates a registered model of a name atomically. The process that has created
``<model>-release-lock`` holds the lock: it may move versions, counts its heartbeats in the model's
description, and deletes the model in the end. A lock without heartbeats has expired, and another
process takes it over. To find out, a process watches the lock by its own clock; the clocks of two
machines are never compared.
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

BEAT_S = 15.0
POLL_S = 3.0
STALE_AFTER_S = 120.0
# If two processes take over the same expired lock, the second may delete the new lock of the first.
# So a process that needs more than WINDOW_S between reading and deleting gives up, and one that
# has created a lock waits for SETTLE_S, which is longer, and checks that it is still there.
WINDOW_S = 5.0
SETTLE_S = 6.0


class Clock:
    """A clock that does not depend on the time of day."""

    def now(self) -> float:
        """Return seconds since a fixed moment."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait for some seconds."""
        time.sleep(seconds)


@dataclass(frozen=True)
class Holder:
    """A process that holds the lock, as it is written in the registry.

    Attributes
    ----------
    by : str
        Who started it.
    host, machine : str
        Name and identity of the machine.
    pid : int
    token : str
        Unique to each time that the lock is acquired.
    since : float
        In seconds since 1970, by the clock of that machine.
    beat : int
        Counts up while the process is alive.
    """

    by: str
    host: str
    machine: str
    pid: int
    token: str
    since: float
    beat: int

    @classmethod
    def this_process(cls, by: str) -> Holder:
        """Return this process as a new holder."""
        return cls(by, platform.node(), _machine(), os.getpid(), uuid.uuid4().hex, time.time(), 0)

    @classmethod
    def parse(cls, text: str | None) -> Holder | None:
        """Read a holder from its text; None if it is none."""
        try:
            values = json.loads(text or "")
            # Unknown fields, of a newer release of this project, are ignored.
            return cls(**{field.name: values[field.name] for field in fields(cls)})
        except (ValueError, TypeError, KeyError):
            return None

    @property
    def text(self) -> str:
        """The holder as JSON."""
        return json.dumps(asdict(self))

    @property
    def is_dead(self) -> bool:
        """Whether it was a process of this machine that has ended."""
        return self.machine == _machine() and not is_alive(self.pid)


class Lock:
    """The lock, while this process holds it."""

    def __init__(self, client: MlflowClient, name: str, holder: Holder) -> None:
        self._client, self._name, self._holder = client, name, holder
        self._ended = threading.Event()
        self._beats = threading.Thread(target=self._beat, daemon=True)

    def require(self) -> None:
        """Check that no other process has taken over, as it may if this one was suspended.

        Raises
        ------
        LostLockError
            If another process has.
        TrackingError
            If the registry does not answer.
        """
        with connection.translate_errors():
            found = _read(self._client, self._name)
        if not _is_of(self._holder, found):
            raise LostLockError("another release has taken over; nothing more is moved by this one")

    def _beat(self) -> None:
        for beat in itertools.count(1):
            if self._ended.wait(BEAT_S):
                return
            # A server that is away for a moment is no reason to stop; `require` decides later.
            with suppress(Exception):
                self.require()  # so that the lock of another process is never updated
                alive = replace(self._holder, beat=beat)
                self._client.update_registered_model(self._name, alive.text)


@contextmanager
def held(client: MlflowClient, model: str, by: str, clock: Clock | None = None) -> Iterator[Lock]:
    """Hold the lock for a block.

    A lock of another process is watched first, until it has a heartbeat or for `STALE_AFTER_S`
    seconds. That of a killed process of this machine is taken over at once.

    Parameters
    ----------
    client : MlflowClient
    model : str
        Name of the registered model.
    by : str
        Who holds it, for the messages of other processes.
    clock : Clock, optional
        Default is this machine's.

    Raises
    ------
    NotNowError
        If another process holds it; the message says who, and for how long it was watched.
    TrackingError
        If the registry does not answer.
    """
    name, holder = f"{model}-release-lock", Holder.this_process(by)
    with connection.translate_errors():
        acquire(client, name, holder, clock or Clock())
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
        # If this fails, the next process sees that this one has ended.
        with suppress(Exception):
            if answers:
                lock.require()
                client.delete_registered_model(name)


def acquire(client: MlflowClient, name: str, holder: Holder, clock: Clock) -> None:
    """Create a lock, or take it over once it has expired."""
    if _create(client, name, holder):
        return
    found = watch(client, name, clock)
    if found is None:  # released meanwhile
        if not _create(client, name, holder):
            raise NotNowError("another release has just begun; try again when it has ended")
        return
    _delete(client, name, found, clock)
    if _create(client, name, holder):
        clock.sleep(SETTLE_S)
        if _is_of(holder, _read(client, name)):
            return
    raise NotNowError(
        "another release has taken over the lock at the same moment; try again when it has ended"
    )


def watch(client: MlflowClient, name: str, clock: Clock) -> str | None:
    """Watch a lock until it has a heartbeat or has expired.

    Returns
    -------
    str or None
        The text of an expired lock; None if the lock is gone.

    Raises
    ------
    NotNowError
        If it has a heartbeat.
    """
    begun, first = clock.now(), _read(client, name)
    # A lock without a readable holder was made by hand; it has expired.
    holder = Holder.parse(first)
    if first is None or holder is None or holder.is_dead:
        return first
    announce(f"{_described(holder)}: waiting for a heartbeat, up to {STALE_AFTER_S:.0f} s")
    while True:
        clock.sleep(POLL_S)
        found, watched = _read(client, name), clock.now() - begun
        if found is None:
            return None
        if found != first:
            raise NotNowError(
                f"{_described(Holder.parse(found) or holder)}, alive: it was watched for"
                f" {watched:.0f} s; try again when it has ended"
            )
        if watched > STALE_AFTER_S:
            announce(f"no heartbeat in {watched:.0f} s: taking over the lock")
            return found


def _delete(client: MlflowClient, name: str, expired: str, clock: Clock) -> None:
    """Delete an expired lock, if it is still the same."""
    begun = clock.now()
    found = _read(client, name)
    if found is None:
        return
    if found != expired:
        raise NotNowError("another release has just begun; try again when it has ended")
    try:
        client.delete_registered_model(name)
    except MlflowException as error:
        if error.error_code == connection.FORBIDDEN:
            raise RegistryError(_not_deletable(Holder.parse(expired), name)) from error
        if error.error_code != connection.NOT_FOUND:
            raise
    if (took := clock.now() - begun) > WINDOW_S:  # it may have deleted the lock of another process
        raise NotNowError(
            f"the registry took {took:.0f} s to delete an expired lock, in which another release"
            " may have begun; try again"
        )


def _create(client: MlflowClient, name: str, holder: Holder) -> bool:
    try:
        client.create_registered_model(name, description=holder.text)
    except MlflowException as error:
        if error.error_code in connection.ALREADY_EXISTS:
            return _is_of(holder, _read(client, name))  # created, and the answer was lost
        raise
    return True


def _read(client: MlflowClient, name: str) -> str | None:
    """Return the text of the lock; None if there is none."""
    try:
        return client.get_registered_model(name).description or ""
    except MlflowException as error:
        if error.error_code == connection.NOT_FOUND:
            return None
        raise


def _is_of(holder: Holder, found: str | None) -> bool:
    other = Holder.parse(found)
    return other is not None and other.token == holder.token


def _described(holder: Holder) -> str:
    since = time.strftime("%H:%M:%S UTC", time.gmtime(holder.since))
    return f"another release is under way: by {holder.by} on {holder.host} since {since}"


def _not_deletable(other: Holder | None, name: str) -> str:
    return (
        f"{name} was left by a killed release of {other.by if other else 'somebody'}, and this user"
        " may not delete it; that user may, or an administrator of the server"
    )


def _machine() -> str:
    """Return an id of this machine or container that does not depend on its name."""
    parts = [platform.node(), str(uuid.getnode())]
    for source in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        path = Path(source)
        try:
            parts.append(str(path.readlink()) if path.is_symlink() else path.read_text())
        except OSError:
            continue
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
