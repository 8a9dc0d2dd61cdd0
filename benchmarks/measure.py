"""Run a command, and measure its time and memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Usage:
    """The time and memory of a command.

    Attributes
    ----------
    seconds : float
        Wall-clock time.
    peak_mb : float
        Peak resident memory of the command or of one of its children, in megabytes.
    """

    seconds: float
    peak_mb: float


def run(
    command: Sequence[str | Path], folder: Path, environment: Mapping[str, str] | None = None
) -> Usage:
    """Run a command to its end.

    Raises
    ------
    SystemExit
        With its output, if the command fails.
    """
    log = folder / "bench.log"
    with log.open("w+") as output:
        start = time.perf_counter()
        process = subprocess.Popen(
            [str(word) for word in command],
            cwd=folder,
            env=os.environ | dict(environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        # wait4 includes the children that the process has waited for.
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(map(str, command))}: {process.returncode}\n{log.read_text()}")
    log.unlink()
    # Linux counts in kibibytes, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return Usage(seconds, usage.ru_maxrss * unit / 1e6)


def run_alternately(
    first: Sequence[str], second: Sequence[str], folder: Path, times: int
) -> tuple[list[float], list[float]]:
    """Run two commands alternately after one warm-up each, and return the seconds of both."""
    run(first, folder)
    run(second, folder)
    pairs = [(run(first, folder).seconds, run(second, folder).seconds) for _ in range(times)]
    return [a for a, _ in pairs], [b for _, b in pairs]
