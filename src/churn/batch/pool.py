"""Predict in processes, one for each core, and give the results in the order of the rows."""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import replace
from multiprocessing import parent_process
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from churn.batch import processes
from churn.batch.scoring import Scored, score
from churn.core.errors import ChurnError
from churn.explanation.top import Top
from churn.model import artifact
from churn.serve.compiled import compile_model
from churn.serve.questions import Questions
from churn.serve.served import Served
from churn.serve.store import Loadable, Store

_AHEAD = 2  # parts for each process that are read before they are predicted


class Part(NamedTuple):
    """Rows of a file that are predicted at once.

    Attributes
    ----------
    rows : Table
    first_row : int
        Number of the first one in the file, from 1 on.
    file, part : int
        Positions of the file in the input, and of the output's part in the file.
    ends : bool
        Whether they are the last of the part.
    is_last : bool
        Whether they are the last of the file.
    """

    rows: pa.Table
    first_row: int
    file: int
    part: int
    ends: bool
    is_last: bool


def scored(
    parts: Iterable[Part], model: Served, top: Top | None = None
) -> Iterator[tuple[Part, Scored]]:
    """Predict for parts in this process."""
    for part in parts:
        yield part, score(model, part.rows, part.first_row, top)


class Pool:
    """Processes that load a model at once, beside what is done meanwhile.

    Parameters
    ----------
    store, loadable
        From which they load it. Rows go to them through a folder in it, which is its owner's to
        remove.
    workers : int
        Number of processes.
    reasons : int
        Number of reasons of each prediction.
    """

    def __init__(self, store: Store, loadable: Loadable, workers: int, reasons: int = 0) -> None:
        arguments = (store, loadable, reasons)
        self._pool = ProcessPoolExecutor(workers, processes.context(), _start, arguments)
        self._ahead = _AHEAD * workers
        self._folder = store.folder / "rows"
        self._folder.mkdir()
        for _ in range(workers):
            self._pool.submit(_nothing)  # starts one

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def scored(self, parts: Iterable[Part], is_compiled: bool) -> Iterator[tuple[Part, Scored]]:
        """Predict for parts, in their order.

        Parameters
        ----------
        parts : iterable of Part
            Read as fast as they are predicted, so that memory does not grow with their number.
        is_compiled : bool
            Whether the compiled model has the bits of the reference.

        Raises
        ------
        ChurnError
            If a process was killed.
        """
        waiting: deque[tuple[Part, Future[Scored]]] = deque()
        try:
            for number, part in enumerate(parts):
                path = self._folder / f"{number}.arrow"
                _write(part.rows, path)
                words = (path, part.first_row, is_compiled)
                waiting.append((part, self._pool.submit(_score, *words)))
                if len(waiting) >= self._ahead:
                    yield _next(waiting)
            while waiting:
                yield _next(waiting)
        except BrokenProcessPool as error:
            raise ChurnError(
                "a process that predicts was killed, perhaps because memory is short; --resume"
                " goes on"
            ) from error


def _next(waiting: deque[tuple[Part, Future[Scored]]]) -> tuple[Part, Scored]:
    part, future = waiting.popleft()
    return part, future.result()


def _write(rows: pa.Table, path: Path) -> None:
    """Write rows where a process maps them into its memory: a pipe would copy them five times."""
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, rows.schema) as writer:
        writer.write_table(rows)


_loaded: list[tuple[Served, Top | None]] = []  # of a process of the pool


def _start(store: Store, loadable: Loadable, reasons: int) -> None:
    """Load the model in a process; whether its forms are equal is found in the first process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process ends the others
    threading.Thread(target=_end_with_parent, daemon=True).start()
    pa.set_cpu_count(1)
    model = artifact.load(store.model(loadable))
    try:
        compiled = compile_model(model)
    except Exception:  # as in `churn.serve.served`: then the reference predicts
        compiled = None
    served = Served(loadable.version, model, compiled, "", Questions(model, 1), {})
    _loaded.append((served, Top(model, reasons) if reasons else None))


def _nothing() -> None:
    return None


def _end_with_parent() -> None:
    """End this process when the one that started it was killed: nobody else would."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _score(path: Path, first_row: int, is_compiled: bool) -> Scored:
    [(model, top)] = _loaded
    model = model if is_compiled else replace(model, compiled=None)
    with pa.memory_map(str(path)) as source:
        rows = pa.ipc.open_file(source).read_all()
    with suppress(PermissionError):  # Windows removes none that is mapped
        path.unlink()
    return score(model, rows, first_row, top)
