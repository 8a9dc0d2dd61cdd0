"""One release at a time, by the one thing that every registry does atomically.

A registered model of a name can be made once; a second attempt is refused. Whoever has made the
one called ``<model>-release-lock`` may move versions, says in its description that it is alive,
and deletes it in the end. What a killed process has left is taken over.
"""

from __future__ import annotations

import hashlib
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

from churn import tracking
from churn.errors import LostLockError, NoAnswerError, NotNowError, RegistryError
from churn.files import is_alive

_BEAT_S = 15.0
STALE_AFTER_S = 120.0
_TAKEN = ("RESOURCE_ALREADY_EXISTS", "ALREADY_EXISTS")


@dataclass(frozen=True)
class _Holder:
    by: str
    host: str
    machine: str
    pid: int
    token: str
    since: float
    beat: float

    @classmethod
    def me(cls, by: str) -> _Holder:
        now = time.time()
        return cls(by, platform.node(), _machine(), os.getpid(), uuid.uuid4().hex, now, now)

    @classmethod
    def parse(cls, text: str | None) -> _Holder | None:
        try:
            told = json.loads(text or "")
            # More than these is what a newer release of this project has to say.
            return cls(**{one.name: told[one.name] for one in fields(cls)})
        except (ValueError, TypeError, KeyError):
            return None

    @property
    def is_gone(self) -> bool:
        if self.machine == _machine() and not is_alive(self.pid):
            return True
        return time.time() - self.beat > STALE_AFTER_S


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
        with tracking.clear_errors():
            found = _read(self._client, self._name)
        if found is None or found.token != self._holder.token:
            raise LostLockError("another release has taken over; nothing more is moved by this one")

    def _beat(self) -> None:
        while not self._ended.wait(_BEAT_S):
            alive = replace(self._holder, beat=time.time())
            # Where the server is away for a moment: `require` decides.
            with suppress(Exception):
                self.require()  # never into the lock of who has taken over
                self._client.update_registered_model(self._name, json.dumps(asdict(alive)))


@contextmanager
def held(client: MlflowClient, model: str, by: str) -> Iterator[Lock]:
    """Hold the lock for a block.

    Parameters
    ----------
    client : MlflowClient
    model : str
        Name of the registered model.
    by : str
        Who wants it, for others to be told.

    Raises
    ------
    RegistryError
        If somebody else holds it; the message says who, and since when.
    TrackingError
        If the registry does not answer.
    """
    name, holder = f"{model}-release-lock", _Holder.me(by)
    _take(client, name, holder)
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


def _take(client: MlflowClient, name: str, holder: _Holder) -> None:
    with tracking.clear_errors():
        if _make(client, name, holder):
            return
        other = _read(client, name)
        if other is not None and other.token == holder.token:  # made, and the answer was lost
            return
        # One without a readable holder was made by hand.
        if other is not None and not other.is_gone:
            raise NotNowError(_busy(other))
        try:
            client.delete_registered_model(name)
        except MlflowException as error:
            if error.error_code == tracking.FORBIDDEN:
                raise RegistryError(_left(other, name)) from error
            if error.error_code != tracking.NOT_FOUND:
                raise
        if not _make(client, name, holder):
            raise NotNowError("another release has just begun; try again when it is through")


def _make(client: MlflowClient, name: str, holder: _Holder) -> bool:
    try:
        client.create_registered_model(name, description=json.dumps(asdict(holder)))
    except MlflowException as error:
        if error.error_code in _TAKEN:
            return False
        raise
    return True


def _read(client: MlflowClient, name: str) -> _Holder | None:
    try:
        return _Holder.parse(client.get_registered_model(name).description)
    except MlflowException as error:
        if error.error_code == tracking.NOT_FOUND:
            return None
        raise


def _busy(other: _Holder) -> str:
    since = time.strftime("%H:%M:%S UTC", time.gmtime(other.since))
    quiet = max(0.0, time.time() - other.beat)
    return (
        f"another release is under way: by {other.by} on {other.host} since {since}, last sign of"
        f" life {quiet:.0f} s ago; try again when it is through (a killed one is taken over"
        f" {STALE_AFTER_S:.0f} s after its last sign)"
    )


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
