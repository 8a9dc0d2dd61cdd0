"""Predict in processes, one for each core, and give the results in the order of the rows."""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import chain
from multiprocessing import parent_process
from typing import NamedTuple

import pyarrow as pa

from churn.batch import processes
from churn.batch.scoring import Scored, score
from churn.core.errors import ChurnError
from churn.model import artifact
from churn.serve.compiled import compile_model
from churn.serve.questions import Questions
from churn.serve.served import Served
from churn.serve.store import Loadable, Store

FEW_ROWS = 200_000  # take as long as a process to start
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
    parts: Iterable[Part],
    store: Store,
    loadable: Loadable,
    model: Served,
    workers: int,
    few_rows: int = FEW_ROWS,
) -> Iterator[tuple[Part, Scored]]:
    """Predict for parts, in their order.

    Parameters
    ----------
    parts : iterable of Part
        Read as fast as they are predicted, so that memory does not grow with their number.
    store, loadable
        From which the processes load the model.
    model : Served
        The same, loaded.
    workers : int
        Number of processes; 1 for none.
    few_rows : int
        With fewer rows no process is started.

    Raises
    ------
    ChurnError
        If a process was killed.
    """
    parts = iter(parts)
    first: list[Part] = []
    while sum(len(part.rows) for part in first) < few_rows:
        if (part := next(parts, None)) is None:
            break
        first.append(part)
    else:
        few_rows = 0
    if few_rows or workers < 2:
        for part in chain(first, parts):
            yield part, score(model, part.rows, part.first_row)
        return
    arguments = (store, loadable, model.compiled is not None)
    pool = ProcessPoolExecutor(workers, processes.context(), _start, arguments)
    waiting: deque[tuple[Part, Future[Scored]]] = deque()
    try:
        for part in chain(first, parts):
            waiting.append((part, pool.submit(_score, _packed(part.rows), part.first_row)))
            if len(waiting) >= _AHEAD * workers:
                yield _next(waiting)
        while waiting:
            yield _next(waiting)
    except BrokenProcessPool as error:
        raise ChurnError(
            "a process that predicts was killed, perhaps because memory is short; --resume goes on"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _next(waiting: deque[tuple[Part, Future[Scored]]]) -> tuple[Part, Scored]:
    part, future = waiting.popleft()
    return part, future.result()


def _packed(rows: pa.Table) -> bytes:
    # Pickle would send all of a table of which this is a slice.
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    packed: bytes = sink.getvalue().to_pybytes()
    return packed


_loaded: list[Served] = []  # of a process of the pool


def _start(store: Store, loadable: Loadable, is_compiled: bool) -> None:
    """Load the model in a process; the first one has compared both of its forms."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process ends the others
    threading.Thread(target=_end_with_parent, daemon=True).start()
    pa.set_cpu_count(1)
    model = artifact.load(store.model(loadable))
    compiled = compile_model(model) if is_compiled else None
    _loaded.append(Served(loadable.version, model, compiled, "", Questions(model, 1), {}))


def _end_with_parent() -> None:
    """End this process when the one that started it was killed: nobody else would."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _score(packed: bytes, first_row: int) -> Scored:
    return score(_loaded[0], pa.ipc.open_stream(packed).read_all(), first_row)
