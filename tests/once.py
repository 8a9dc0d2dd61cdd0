"""Make a folder once for all workers of a run; each test copies it."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path


def made(beside: Path, name: str, make: Callable[[Path], None]) -> Path:
    """Return the folder of that name, which the first worker that asks has made.

    Parameters
    ----------
    beside : Path
        One of pytest's folders; pytest removes what is made after some runs.
    name : str
    make : callable
        Makes the folder; none is there.
    """
    own = f"popen-{os.environ.get('PYTEST_XDIST_WORKER')}"
    base = next((found.parent for found in beside.parents if found.name == own), beside.parent)
    folder = base / name
    with (base / f"{name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # until it is closed
        if not os.fstat(lock.fileno()).st_size:
            shutil.rmtree(folder, ignore_errors=True)  # of a worker that was killed
            make(folder)
            lock.write("made\n")
    return folder
