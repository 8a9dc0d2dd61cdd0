"""A server of the model as a process of its own: `churn serve`, or MLflow's."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

_LOG_LINES = 15  # shown by each test that wanted the server
_PR_SET_PDEATHSIG = 1
PROGRAMS = ("churn", "mlflow")


@dataclass(frozen=True)
class Server:
    """Where a model is served, and after how many seconds it has answered, if that was seen."""

    url: str
    start_s: float | None = None


@contextmanager
def serving(
    program: str, uri: str, environment: Mapping[str, str], cwd: Path, folder: Path, limit_s: float
) -> Iterator[Server]:
    """Run `churn serve` or `mlflow models serve` until the block ends.

    Parameters
    ----------
    program : {"churn", "mlflow"}
    uri : str
        What is served.
    environment : mapping of str to str
    cwd : Path
    folder : Path
        For the log and for temporary files.
    limit_s : float
        Seconds in which the server has to answer.

    Yields
    ------
    Server
    """
    host, port, log = "127.0.0.1", _free_port(), folder / "server.log"
    command = {
        "churn": ["churn", "serve", "--no-log", "--model", uri, "--store", str(folder / "served")],
        "mlflow": ["mlflow", "models", "serve", "--model-uri", uri, "--env-manager", "local"],
    }[program]
    address = ["--host", host, "--port", str(port)]
    path = f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', '')}"
    own = {"PATH": path, "TMPDIR": str(folder), "MLFLOW_DISABLE_TELEMETRY": "true"}
    begun = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command, *address],
            cwd=cwd,
            env={**environment, **own},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # it starts processes of its own; they are ended together
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
        )
    url = f"http://{host}:{port}"
    try:
        _wait(process, url, begun + limit_s, log)
        yield Server(url, time.monotonic() - begun)
    finally:
        _end(process)


def _wait(process: subprocess.Popen[bytes], url: str, until: float, log: Path) -> None:
    with requests.Session() as session:
        session.trust_env = False  # a proxy does not know this address
        while time.monotonic() < until:
            with suppress(requests.RequestException):
                if session.get(f"{url}/ping", timeout=2).status_code == 200:
                    return
            if process.poll() is not None:
                pytest.fail(
                    f"the server ended with {process.returncode}:\n{_tail(log)}", pytrace=False
                )
            time.sleep(0.1)
    pytest.fail(
        f"the server has not answered in the time that it has:\n{_tail(log)}", pytrace=False
    )


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-_LOG_LINES:])


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(10)
    with suppress(ProcessLookupError):  # what it has started, where that has outlived it
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _end_with_parent() -> None:
    """Let Linux end the server where the tests are killed and cannot."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
