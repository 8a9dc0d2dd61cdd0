"""Programs that start at once: `churn`, `dvc` and `python`, forked from a process that is there.

That process has imported all packages. This project's own code is imported anew from where each
command finds it, unless it is that of these tests, file by file. So a command takes the time of its
work and not of its imports, which are seconds. All else is as in a process that was started: its
folder, environment, arguments, streams, exit code and end. What is not (`client.AT_START`) is
started.

For tests that give many commands in a row. How commands start is tested in `tests/pipeline`, where
clones have the real programs.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.warm import client

_HERE = Path(__file__).resolve().parent
ROOT = _HERE.parents[1]
# That of a run with several workers, which share what is warm.
_RUN = "PYTEST_XDIST_TESTRUNUID"
_started: list[subprocess.Popen[bytes]] = []  # nobody waits for them
# As `validate` starts the checks.
_OF_CHECKS = {"PYTHONHASHSEED": "0", "PYTHONWARNINGS": "ignore", "MPLBACKEND": "agg"}


def install(folder: Path, cold: str) -> None:
    """Write the programs of this environment into a folder.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    cold : str
        Folder with the programs that start, for where nothing warm can run; may be relative to
        `folder`, which may be copied.
    """
    for name in ("churn", "dvc", "python", "python3"):
        _write(folder / name, f"{cold}/{name}", _server("churn", Path(sys.executable)))


def install_checks(folder: Path, python: Path) -> None:
    """Write the Python of deepchecks' environment into a folder."""
    _write(folder / "python", str(python), _server("checks", python))


def is_possible() -> bool:
    return sys.platform == "linux"


@functools.cache
def programs() -> Path:
    """Return the folder of this environment's programs, to be put first on the PATH."""
    folder = _folder() / "bin"
    install(folder, str(Path(sys.executable).parent))
    return folder


def use(patch: pytest.MonkeyPatch) -> None:
    """Let start at once what this process starts by the name of its own Python."""
    if is_possible():
        patch.setattr(sys, "executable", str(programs() / "python"))


@functools.cache
def checks_python(python: Path) -> Path:
    """Return what stands for the Python of deepchecks' environment."""
    folder = _folder() / "checks"
    install_checks(folder, python)
    return folder / "python"


@functools.cache
def _folder() -> Path:
    """Return the folder of all that is warm, which goes with the process that owns it."""
    # The address of a socket has to be short.
    if run := os.environ.get(_RUN):
        folder = Path(tempfile.gettempdir(), f"warm-{run[:12]}")
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder
    return Path(tempfile.mkdtemp(prefix="warm-"))


def _owner() -> int:
    """Return who may use it: these tests, or the process that has started all of their workers."""
    return os.getppid() if os.environ.get(_RUN) else os.getpid()


@functools.cache
def _server(package: str, python: Path) -> client.Server:
    """Return the process from which commands are forked; start it if no other worker has."""
    at_start = client.at_start(os.environ) | (_OF_CHECKS if package == "checks" else {})
    variables = hashlib.sha256(json.dumps(at_start, sort_keys=True).encode()).hexdigest()
    address = str(_folder() / f"{package}-{variables[:8]}.socket")
    with Path(f"{address}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # until it is closed
        if not os.fstat(lock.fileno()).st_size:
            _start(package, python, address, at_start)
            lock.write("started\n")
    return client.Server(address, at_start)


def _start(package: str, python: Path, address: str, at_start: Mapping[str, str]) -> None:
    # Nothing that an import in these tests has set: what the server's own imports set, each command
    # gets, and they set only what is not there.
    kept = {
        k: os.environ[k] for k in ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR") if k in os.environ
    }
    kept |= {"OMP_WAIT_POLICY": "passive", "MLFLOW_DISABLE_TELEMETRY": "true"}
    command = [str(python), str(_HERE / "server.py"), address, package, str(ROOT / "src")]
    with Path(f"{address}.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, str(_owner())],
            env=kept | at_start,
            cwd=_folder(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    _started.append(process)


def _write(program: Path, cold: str, server: client.Server) -> None:
    program.parent.mkdir(parents=True, exist_ok=True)
    program.unlink(missing_ok=True)
    # It starts in a hundredth of a second: without packages, and without the user's settings.
    interpreter = Path(sys.base_prefix, "bin", f"python3.{sys.version_info.minor}")
    program.write_text(
        f"#!{interpreter} -IS\n"
        "import json, sys\n"
        f"sys.path.append({json.dumps(str(_HERE))})\n"
        "import client\n"
        f"server = client.Server({server.address!r}, {server.at_start!r})\n"
        f"client.main(__file__, {cold!r}, server)\n"
    )
    program.chmod(0o755)
