"""Run another program: with which environment, and why it has failed.

Programs whose output is read while they run are started with `subprocess.Popen` where that is done.
Needs the standard library only, because `churn.comment` runs without packages.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_CREDENTIALS = (
    "GH_TOKEN",
    "MLFLOW_TRACKING_URI",  # may hold a password
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
)


@dataclass(frozen=True)
class Finished:
    """What a program has returned and printed."""

    returncode: int
    stdout: str
    stderr: str


def run(
    command: Sequence[str],
    folder: Path | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    stdin: str = "",
    timeout_s: float | None = None,
    merge_output: bool = False,
    errors: str = "replace",
) -> Finished:
    """Run a program to its end, without a terminal, and capture what it prints.

    Parameters
    ----------
    command : sequence of str
        Program and arguments.
    folder : Path, optional
        Where it runs; default is the current folder.
    environment : mapping of str to str, optional
        All its variables; default is this process's environment.
    stdin : str, default=""
        Its standard input.
    timeout_s : float, optional
        Seconds after which it is killed; default is no limit.
    merge_output : bool, default=False
        Whether `stdout` gets its standard error as well.
    errors : str, default="replace"
        What is done with output that is not UTF-8. Use ``"surrogateescape"`` for file names.

    Returns
    -------
    Finished

    Raises
    ------
    FileNotFoundError
        If the program is not installed.
    TimeoutError
        If it was killed after `timeout_s` seconds.
    """
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            input=stdin.encode("utf-8", errors),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if merge_output else subprocess.PIPE,
            timeout=timeout_s,
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"{command[0]}: no end after {timeout_s} s") from error
    # Decoded here, because text mode would change line ends, and with them file names.
    return Finished(
        done.returncode,
        done.stdout.decode("utf-8", errors),
        (done.stderr or b"").decode("utf-8", errors),
    )


def error_line(output: str, prefixes: Sequence[str] = (), *, last: bool = False) -> str:
    r"""Return the line of a program's output that says why it has failed.

    Parameters
    ----------
    output : str
        What it has printed, usually to standard error.
    prefixes : sequence of str, default=()
        What the program writes in front of an error, such as ``"fatal: "``. If no line begins with
        one of them, every line counts.
    last : bool, default=False
        Whether to return the last of these lines, and not the first.

    Examples
    --------
    >>> error_line("fetching\nfatal: no such remote\nhint: add it", ["fatal: "])
    'fatal: no such remote'
    """
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    marked = [line for line in lines if line.startswith(tuple(prefixes))]
    found = marked or lines or ["it printed no reason"]
    return found[-1 if last else 0]


def without_credentials() -> dict[str, str]:
    """Return this process's environment without the credentials of GitHub and of the registry."""
    return {name: value for name, value in os.environ.items() if name not in _CREDENTIALS}


def path_with_this_python() -> str:
    """Return ``PATH`` with the programs of the running environment first."""
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
