"""Run workers on one socket, follow the registry, and stop both in order.

The registry is asked here, so that workers need neither MLflow nor its memory, and start while the
registry is away.
"""

from __future__ import annotations

import contextlib
import http.client
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from churn.core import process
from churn.core.errors import ArtifactError, ChurnError
from churn.core.params import Params
from churn.serve import metrics
from churn.serve.access import Keys, require_safe
from churn.serve.listening import drain, listen
from churn.serve.log_files import Retention, remove_parts
from churn.serve.orders import Orders
from churn.serve.probe import ONE_THREAD
from churn.serve.store import Store
from churn.serve.watch import Watch

if TYPE_CHECKING:
    from churn.serve.follower import Follower

_logger = logging.getLogger("churn.serve")
_LOOK_S = 0.2
_RESTART_S = 1.0  # a worker that ends at once is not started again at once
_SHORT_S, _SHORT_LIVES = 10.0, 5  # seconds of a short life, and how many in a row are too many


@dataclass(frozen=True)
class Options:
    """How the server is started.

    Attributes
    ----------
    root : Path
        Folder of params.yaml and of the local MLflow store.
    store : Path
        Folder of the local copy.
    uri : str or None
        A model that is served for good; None to follow the registry.
    host : str
    port : int
        0 for a free one.
    workers : int
    insecure : bool
        Whether other machines may ask without a key.
    """

    root: Path
    store: Path
    uri: str | None
    host: str
    port: int
    workers: int
    insecure: bool


def run(options: Options, settings: Params, say: Callable[[str], None]) -> int:
    """Serve until SIGTERM or SIGINT.

    Parameters
    ----------
    options : Options
    settings : Params
    say : callable
        Gets a line for people.

    Returns
    -------
    int
        Exit code: 0.

    Raises
    ------
    ParamsError
        If it would be open to other machines.
    ArtifactError
        If the address is taken, nothing can be served, or workers end as soon as they begin.
    """
    require_safe(options.host, Keys.of(os.environ), options.insecure)
    listening = listen(options.host, options.port)
    with tempfile.TemporaryDirectory(prefix="churn-serve-") as name:
        numbers = Path(name) / "numbers"
        numbers.mkdir()
        # Another model is not what the next server of Production may begin with.
        store = Store(options.store if options.uri is None else Path(name) / "store")
        with store.locked():
            return _Supervisor(options, settings, listening, store, numbers, say).run()


class _Supervisor:
    def __init__(
        self,
        options: Options,
        settings: Params,
        listening: socket.socket,
        store: Store,
        numbers: Path,
        say: Callable[[str], None],
    ) -> None:
        self._options, self._settings, self._say = options, settings, say
        self._listening, self._store = listening, store
        self._folder, self._numbers = numbers, metrics.Shared(numbers)
        self._stopped = threading.Event()
        # Its end tells workers that this process has ended, however it has.
        self._alive_read, self._alive_write = os.pipe()
        self._short_lives = 0
        self._follower: Follower | None = None
        self._watch = Watch(settings.release)
        self._workers: list[tuple[subprocess.Popen[bytes], float]] = []

    def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stopped.set())
        follows = self._prepare()
        retention = self._look_after_log()
        self._workers = [self._start() for _ in range(self._options.workers)]
        if follows:
            threading.Thread(target=self._follow, name="follow", daemon=True).start()
        try:
            self._announce()
            while not self._stopped.wait(_LOOK_S):
                self._restart()
        finally:
            self._end()
            if retention is not None:
                retention.stop()
        return 0

    def _look_after_log(self) -> Retention | None:
        """Remove what killed workers have left in the log, and from now on what is too old."""
        settings = self._settings.serve
        if settings.log is None:
            return None
        if left := remove_parts(settings.log):
            _logger.info("prediction log: %d unfinished files of ended workers removed", left)
        if settings.log_days is None:
            return None
        retention = Retention(settings.log, settings.log_days)
        retention.start()
        return retention

    def _announce(self) -> None:
        """Say where it listens, once it answers there."""
        host, port = self._listening.getsockname()[:2]
        own = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
        while not self._stopped.wait(_LOOK_S):
            self._restart()
            connection = http.client.HTTPConnection(own, port, timeout=_LOOK_S)
            try:
                connection.request("GET", "/v2/health/live")
                connection.getresponse()
            except (OSError, http.client.HTTPException):
                continue  # the workers load; who connects meanwhile waits to be accepted
            finally:
                connection.close()
            shown = f"[{host}]" if ":" in host else host
            self._say(f"serves http://{shown}:{port} (docs at /docs, numbers at /metrics)")
            return

    def _prepare(self) -> bool:
        """Make sure that there is something to serve; return whether the registry is followed."""
        if self._options.uri is not None:
            from churn.serve import follower

            name = self._settings.release.model
            follower.fix(self._options.root, self._options.uri, name, self._store)
            return False
        state = self._store.state()
        if state is not None and state.name == self._settings.release.model:
            age = self._store.age_s()
            old = "" if age is None else f", as the registry said {_told(age)} ago"
            self._say(f"begins with version {state.champion.version} of the local copy{old}")
            return True
        if not self._look():
            raise ArtifactError(
                f"nothing is in Production of {self._settings.release.model}; `churn release`"
                " brings a model there, or --model names another"
            )
        return True

    def _look(self) -> bool:
        from churn.serve.follower import Follower

        if self._follower is None:
            self._follower = Follower(self._options.root, self._settings.release, self._store)
        return self._follower.look()

    def _watch_canary(self) -> None:
        """Stop a canary that fails, whether the registry answers or not."""
        state = self._store.state()
        if state is None or (tried := state.challenger) is None:
            return
        reason = self._watch.reason_to_stop(tried, metrics.collected(self._numbers))
        if reason:
            _logger.error("the canary of version %s is stopped: %s", tried.version, reason)
            self._store.refuse(reason)

    def _follow(self) -> None:
        """Ask the registry again and again; its silence changes nothing."""
        fails = False
        # MLflow takes seconds to import, in which the workers begin to answer.
        self._stopped.wait(self._settings.serve.poll_s)
        while not self._stopped.is_set():
            begun = time.monotonic()
            try:
                self._watch_canary()
                self._look()
                if fails:
                    _logger.info("the registry answers again")
                fails = False
            except ChurnError as error:
                metrics.count("churn_registry_failures")
                if not fails:
                    _logger.warning("%s; what is served goes on", error)
                fails = True
            except Exception:
                metrics.count("churn_registry_failures")
                _logger.exception("the registry could not be followed; what is served goes on")
            with contextlib.suppress(OSError):
                self._numbers.write()
            spent = time.monotonic() - begun
            self._stopped.wait(max(0.1, self._settings.serve.poll_s - spent))

    def _start(self) -> tuple[subprocess.Popen[bytes], float]:
        orders = Orders(
            socket=self._listening.fileno(),
            parent=self._alive_read,
            store=self._store.folder.resolve(),
            numbers=self._folder,
            settings=self._settings.serve,
        )
        started = subprocess.Popen(
            [sys.executable, "-m", "churn.serve.worker", orders.model_dump_json()],
            cwd=self._options.root,
            # A worker is one core's, and asks neither the registry nor GitHub.
            env={**process.without_credentials(), **ONE_THREAD},
            stdin=subprocess.DEVNULL,
            pass_fds=[orders.socket, orders.parent],
            start_new_session=True,  # Ctrl-C reaches this process, which stops them in order
        )
        return started, time.monotonic()

    def _restart(self) -> None:
        """Start a worker for each that has ended."""
        for place, (worker, since) in enumerate(self._workers):
            lived = time.monotonic() - since
            if worker.poll() is not None and lived > _RESTART_S:
                _logger.error("worker %d ended with %s", worker.pid, worker.returncode)
                self._short_lives = self._short_lives + 1 if lived < _SHORT_S else 0
                if self._short_lives > _SHORT_LIVES:
                    raise ArtifactError("workers end as soon as they begin; see above")
                self._numbers.forget(worker.pid)
                self._workers[place] = self._start()

    def _end(self) -> None:
        """Let workers finish what they have accepted, and end."""
        drain(self._listening)
        self._listening.close()  # workers close theirs, and then it is closed
        for worker, _ in self._workers:
            worker.terminate()
        until = time.monotonic() + self._settings.serve.drain_s + 5
        for worker, _ in self._workers:
            try:
                worker.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
        os.close(self._alive_write)


def _told(seconds: float) -> str:
    for name, size in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if (count := int(seconds // size)) >= 1:
            return f"{count} {name}{'s' if count > 1 else ''}"
    return f"{seconds:.0f} s"
