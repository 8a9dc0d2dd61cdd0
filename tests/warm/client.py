"""What a warm program does: it hands its command on, and ends as that has ended.

Runs with the standard library only, and with little of it: this is what a start takes.
"""

# ruff: noqa: PTH100, PTH109, PTH118, PTH119, PTH120

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Mapping
from typing import NamedTuple

# Modules that are run warm with ``python -m``.
MODULES = (
    "checks",
    "churn",
    "churn.serve.explainer",
    "dvc",
    "pytest",
    "tests.behaviour.run_checks",
)
# What Python and libraries read when they start.
AT_START = ("LD_", "MPL", "OMP_", "OPENBLAS_", "PYTHON")
# What the forked process looks at itself (`server`), or what decides about nothing.
_LATER = ("PYTHON", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "OMP_WAIT_POLICY")
_START_S = 60


class Server(NamedTuple):
    """Where commands are forked, and the variables with which that process was started."""

    address: str
    at_start: Mapping[str, str]


def is_at_start(name: str) -> bool:
    """Tell whether a variable is read once, at the start."""
    return name.startswith(AT_START) and name not in _LATER


def at_start(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that are read once, at the start."""
    return {name: value for name, value in environment.items() if is_at_start(name)}


def main(program: str, cold: str, server: Server) -> None:
    """Run a program warm, or the one that starts, at `cold`, where that cannot be."""
    arguments = sys.argv[1:]
    cold = os.path.join(os.path.dirname(program), cold)
    name, module = os.path.basename(program), ""
    if name.startswith("python"):
        if len(arguments) < 2 or arguments[0] != "-m" or arguments[1] not in MODULES:
            os.execv(cold, [cold, *arguments])
        name, (_, module, *arguments) = "", arguments
    if at_start(os.environ) != server.at_start:
        os.execv(cold, [cold, *sys.argv[1:]])
    command = {
        "program": os.path.abspath(program),
        "name": name,
        "module": module,
        "arguments": arguments,
        "folder": os.getcwd(),
        "environment": dict(os.environ),
    }
    text = json.dumps(command).encode()
    with _connected(server.address) as connection:
        socket.send_fds(connection, [len(text).to_bytes(8, "big")], [0, 1, 2])
        connection.sendall(text)
        answer = connection.makefile().readline()
    if not answer:
        sys.exit(f"{program}: the process that commands are forked from is gone")
    if (code := int(answer)) < 0:  # it was killed
        import signal  # seldom, and it takes a while

        if -code != signal.SIGKILL:  # it may be ignored, as in the background of a shell
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def _connected(address: str) -> socket.socket:
    """Connect to the server, which is importing when the first commands come."""
    until = time.monotonic() + _START_S
    while True:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(address)
        except OSError:
            connection.close()
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return connection
