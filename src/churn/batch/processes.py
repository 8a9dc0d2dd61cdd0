"""Start the processes that predict, early: they import for seconds, as the first one does."""

from __future__ import annotations

import os
from multiprocessing import get_all_start_methods, get_context
from multiprocessing.context import BaseContext

# Threads of the libraries would compete with the processes, which share the cores already.
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
_PRELOADED = ["churn.batch.scoring"]


def cores() -> int:
    """Return the number of cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1


def context() -> BaseContext:
    """Return where processes come from: one that has imported what they need, and nothing else.

    The first call begins the import, beside what is done meanwhile.
    """
    if "forkserver" not in get_all_start_methods():  # Windows
        return get_context("spawn")
    from multiprocessing import forkserver

    found = get_context("forkserver")
    found.set_forkserver_preload(_PRELOADED)
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(_ONE_THREAD)
    try:
        forkserver.ensure_running()
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
    return found
