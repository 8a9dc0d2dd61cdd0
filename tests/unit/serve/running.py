"""`churn serve` as a process of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from tests.conftest import ROOT

_ADDRESS = re.compile(r"serves (http://\S+)")
_START_S = 60
Record = dict[str, Any]


@dataclass
class Running:
    """A server that was started.

    Attributes
    ----------
    process : Popen
        The supervisor.
    url : str
    lines : list of str
        What it has printed.
    """

    process: subprocess.Popen[str]
    url: str = ""
    lines: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def get(self, path: str, **options: Any) -> requests.Response:
        return _session().get(f"{self.url}{path}", timeout=30, **options)

    def ask(self, customers: list[Record], **options: Any) -> requests.Response:
        body = json.dumps({"dataframe_records": customers})
        headers = {"Content-Type": "application/json", **options.pop("headers", {})}
        return _session().post(
            f"{self.url}/invocations", data=body, headers=headers, timeout=30, **options
        )

    def version(self, customer: Record) -> str:
        """Return the version that answers for a customer."""
        return self.ask([customer]).headers["X-Model-Version"]

    def number(self, name: str, **labels: str) -> float:
        """Return a number of the server's metrics, added up over what labels are not given."""
        found = 0.0
        for line in self.get("/metrics").text.splitlines():
            if line.startswith((f"{name}{{", f"{name} ")) and all(
                f'{label}="{value}"' in line for label, value in labels.items()
            ):
                found += float(line.rpartition(" ")[2])
        return found

    def workers(self) -> list[int]:
        """Return the workers' process ids."""
        found = subprocess.run(
            ["pgrep", "--parent", str(self.process.pid), "--full", "churn.serve.worker"],
            capture_output=True,
            text=True,
        )
        return [int(line) for line in found.stdout.split()]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send it a signal, and return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(60)


def _session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # a proxy does not know this address
    return session


@contextmanager
def serving(
    folder: Path, *options: str, environment: Mapping[str, str] | None = None, wait: bool = True
) -> Iterator[Running]:
    """Run `churn serve` in a folder until the block ends.

    Parameters
    ----------
    folder : Path
        With params.yaml.
    *options : str
        Of the command.
    environment : mapping of str to str, optional
        Further variables.
    wait : bool
        Whether to wait until it answers.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "churn", "serve", "--port", "0", *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    running = Running(process)
    reader = threading.Thread(target=_read, args=(running,), daemon=True)
    reader.start()
    try:
        if wait:
            eventually(lambda: bool(running.url) or process.poll() is not None, _START_S)
            assert running.url, f"it ended with {process.returncode}:\n{running.text}"
            eventually(lambda: _is_ready(running), _START_S)
        yield running
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                for pid in running.workers():
                    os.kill(pid, signal.SIGKILL)
                process.kill()
                process.wait()
        reader.join(10)


def _read(running: Running) -> None:
    assert running.process.stdout is not None
    for line in running.process.stdout:
        running.lines.append(line.rstrip())
        if found := _ADDRESS.search(line):
            running.url = found[1]


def _is_ready(running: Running) -> bool:
    assert running.process.poll() is None, f"it has ended:\n{running.text}"
    with suppress(requests.RequestException):
        return running.get("/v2/health/ready").status_code == 200
    return False


def eventually(holds: Callable[[], bool], limit_s: float = 30) -> None:
    """Wait until something holds.

    Raises
    ------
    AssertionError
        If it does not within the time.
    """
    until = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < until, f"not within {limit_s:g} s"
        time.sleep(0.05)
