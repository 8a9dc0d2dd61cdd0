"""A process that answers requests; `churn.serve.supervisor` starts several on one socket."""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from churn.core.errors import ChurnError
from churn.serve import metrics, served
from churn.serve.access import Keys
from churn.serve.app import App
from churn.serve.orders import Orders
from churn.serve.prediction_log import PredictionLog
from churn.serve.protocol import Protocol, close_idle, close_slow
from churn.serve.served import Served
from churn.serve.store import Loadable, State, Store
from churn.serve.versions import Serving, Trial

_logger = logging.getLogger("churn.serve")
_LOOK_S = 0.2  # between two looks at the state
_COLLECT_TURNS = 50  # of those looks
_AGAIN_S = 30.0  # until a version that could not be loaded is tried once more
_ACCEPT_S = 0.4  # in which the supervisor sees that nobody new is let in
_GRACE_S = 0.8  # in which callers are told to open new connections
_LAST_S = 2.0  # for shadows, and for the log, at the end
_SWITCH_S = 0.0005  # for which another thread, which loads or logs, may hold up the answers


class Loader(threading.Thread):
    """Watches the state, loads what it names, and swaps it in.

    A version that cannot be loaded stays out; what was served goes on.

    Parameters
    ----------
    store : Store
    max_rows : int
        Maximum number of customers of a request.
    swap : callable
        Gets what is to be served from now on.
    """

    def __init__(self, store: Store, max_rows: int, swap: Callable[[Serving], None]) -> None:
        super().__init__(name="load", daemon=True)
        self._store, self._max_rows, self._swap = store, max_rows, swap
        self._serving: Serving | None = None
        self._loaded: dict[str, Served] = {}
        self._champion = self._before = ""  # folders
        self._again = 0.0  # when to try once more what could not be loaded; 0 if all could
        self._ended = threading.Event()

    def run(self) -> None:
        """Look at the state until the process ends."""
        last = -1
        while True:
            stamp, now = self._store.stamp(), time.monotonic()
            if stamp not in (0, last) or now > self._again > 0:
                last, self._again = stamp, 0.0
                try:
                    self._follow(self._store.state())
                except Exception as error:
                    metrics.count("churn_reloads", "failed")
                    # The disk may have been full.
                    self._again = now + (_AGAIN_S if self._serving else _LOOK_S * 5)
                    then = "goes on" if self._serving else "is nothing yet"
                    unexpected = not isinstance(error, ChurnError)
                    _logger.error("%s; what is served %s", error, then, exc_info=unexpected)
            seen = self._store.seen()
            if seen is not None:
                metrics.put("churn_registry_last_answer_timestamp_seconds", seen)
            if self._ended.wait(_LOOK_S):
                return

    def stop(self) -> None:
        """Look no more."""
        self._ended.set()

    def _follow(self, state: State | None) -> None:
        if state is None:
            return
        champion, trial = self._load(state.champion), None
        if (other := state.challenger) is not None:
            try:
                trial = Trial(self._load(other), other.share, other.shadow)
            except Exception as error:  # the champion is served all the same
                metrics.count("churn_reloads", "failed")
                _logger.error("challenger: %s", error)
                self._again = time.monotonic() + _AGAIN_S
        serving = Serving(state.name, champion, trial)
        kept = {one.folder for one in (state.champion, state.challenger) if one is not None}
        # The one before stays as well, for a rollback.
        before = self._champion if self._champion not in kept else self._before
        kept |= {before}
        self._before, self._champion = before, state.champion.folder
        self._loaded = {key: one for key, one in self._loaded.items() if key in kept}
        self._swap(serving)
        _show(serving, self._serving)
        self._serving = serving

    def _load(self, version: Loadable) -> Served:
        key = version.folder
        if key not in self._loaded:
            folder, sample = self._store.model(version), self._store.sample(version)
            known = self._store.verdict(version)
            loaded = served.load(
                version.version, folder, version.digest, sample, self._max_rows, known
            )
            metrics.count("churn_reloads", "loaded")
            if loaded.why_not:
                _logger.warning(
                    "version %s: answered by scikit-learn itself, which is slower: %s",
                    loaded.version,
                    loaded.why_not,
                )
            self._loaded[key] = loaded
            gc.unfreeze()
            gc.collect()
            gc.freeze()  # what was loaded stays, and is not looked through at each collection
        return self._loaded[key]


def _show(serving: Serving, before: Serving | None) -> None:
    """Tell the metrics and the log what is served now."""
    for role, one in _roles(before) if before else []:
        metrics.put("churn_model_served", 0, role, one.version, _scorer(one))
    for role, one in _roles(serving):
        metrics.put("churn_model_served", 1, role, one.version, _scorer(one))
    metrics.put("churn_canary_share", serving.trial.share if serving.trial else 0)
    shown = ", ".join(f"{role} {one.version}" for role, one in _roles(serving))
    _logger.info("serves %s", shown)


def _roles(serving: Serving) -> list[tuple[str, Served]]:
    found = [("champion", serving.champion)]
    if serving.trial:
        found.append(("shadow" if serving.trial.shadow else "challenger", serving.trial.served))
    return found


def _scorer(one: Served) -> str:
    return "compiled" if one.compiled else "reference"


class Server(uvicorn.Server):
    """uvicorn's server, whose stop is up to the worker."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to `serve`, which drains first."""
        yield


def config(app: App, drain_s: float) -> uvicorn.Config:
    """Return how uvicorn serves the application; it finishes requests for `drain_s` at the end."""
    return uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=max(1, round(drain_s)),
        backlog=2048,
    )


async def serve(orders: Orders) -> None:
    """Answer requests until SIGTERM, then finish those that are there."""
    settings, loop = orders.settings, asyncio.get_running_loop()
    log = None
    if settings.log is not None:
        log = PredictionLog(
            settings.log, settings.flush_s, settings.log_queue_rows, settings.redact
        )
    shared = metrics.Shared(orders.numbers)
    app = App(settings, Keys.of(os.environ), log, shared)
    loaded = asyncio.Event()

    def install(serving: Serving) -> None:
        app.serving = serving
        loaded.set()

    def swap(serving: Serving) -> None:
        loop.call_soon_threadsafe(install, serving)

    loader = Loader(Store(orders.store), settings.max_rows, swap)
    loader.start()
    server = Server(config(app, settings.drain_s))

    def stop() -> None:
        app.draining = True
        loaded.set()
        loop.remove_reader(orders.parent)
        # Where all processes get the signal at once, connections may wait to be accepted.
        loop.call_later(_ACCEPT_S, close)
        # Answers now close their connections, so that few are idle when the rest are closed.
        loop.call_later(_GRACE_S, end)

    def close() -> None:
        for one in getattr(server, "servers", []):
            one.close()

    def end() -> None:
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    loop.add_reader(orders.parent, stop)
    listening = socket.socket(fileno=orders.socket)
    looking_after = asyncio.create_task(_look_after(app, server, shared, settings.timeout_s))
    # Until there is a model the other workers answer, or callers wait to be accepted.
    await loaded.wait()
    if not app.draining:
        await server.serve([listening])
    looking_after.cancel()
    loader.stop()
    await app.settle(_LAST_S)
    await app.close()
    if log is not None:
        await loop.run_in_executor(None, log.close, _LAST_S)
    shared.write()


async def _look_after(
    app: App, server: uvicorn.Server, shared: metrics.Shared, timeout_s: float
) -> None:
    """Show the numbers to others, close slow connections, collect garbage, from time to time."""
    loop = asyncio.get_running_loop()
    for turn in itertools.count(1):
        connections, now = server.server_state.connections, loop.time()
        close_slow(connections, now - timeout_s)
        close_idle(connections, now - server.config.timeout_keep_alive)
        metrics.put("churn_requests_in_progress", app.in_flight)
        metrics.put("churn_log_queue_rows", app.log_queue)
        try:
            shared.write()
        except OSError:  # a full disk must not end what else is done here
            _logger.exception("the numbers could not be written")
        # A request leaves none; that of errors can wait. By itself Python looks for it so often
        # that a fifth of the requests' time goes into it.
        if turn % _COLLECT_TURNS == 0:
            gc.collect()
        await asyncio.sleep(_LOOK_S)


def main() -> None:
    """Run a worker."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    orders = Orders.model_validate_json(sys.argv[1])
    gc.disable()
    sys.setswitchinterval(_SWITCH_S)
    try:
        import uvloop
    except ImportError:  # Windows has none
        asyncio.run(serve(orders))
    else:
        uvloop.run(serve(orders))


if __name__ == "__main__":
    main()
