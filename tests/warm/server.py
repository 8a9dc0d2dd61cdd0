"""Fork commands from a process that has imported all packages.

``server.py ADDRESS PACKAGE SOURCES OWNER``. It ends when the process of that number has ended.

Runs in the environment whose packages these are, by itself. A command gets the project's modules as
well where its code is the same, file by file; else it imports its own.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import hashlib
import importlib
import json
import os
import pkgutil
import runpy
import selectors
import shutil
import signal
import socket
import sqlite3
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, NoReturn

OWN = ("churn", "checks")
# What `dvc` imports when it runs a command.
_OF_DVC = ("dvc.cli", "dvc.cli.parser", "dvc.commands", "dvc.repo", "dvc.stage", "dvc.output",
           "dvc.dependency", "dvc.cachemgr", "dvc.fs", "dvc.ignore", "dvc.rwlock",
           "dvc_data.index", "dvc_data.hashfile", "dvc.parsing")  # fmt: skip
_LATE = ("alembic.command", "dvc.data_cloud", "dvc.dirs", "dvc.utils.strictyaml", "dulwich.ignore",
         "dulwich.worktree", "fsspec.implementations.memory", "matplotlib.backends.backend_agg",
         "mlflow.store.model_registry.sqlalchemy_store", "mlflow.store.tracking.sqlalchemy_store",
         "mlflow.tracing.processor.base_mlflow", "networkx", "platformdirs.unix", "ruamel.yaml",
         "pandera.backends.pandas.builtin_checks", "pyarrow.dataset")  # fmt: skip
_PR_SET_PDEATHSIG = 1


class Project(NamedTuple):
    """The project as it was imported: the digest of its files, and its modules by name."""

    digest: str
    modules: dict[str, ModuleType]


def main(address: str, package: str, sources: str, owner: str) -> None:
    """Import, listen, and, in a forked process, run a command to its end."""
    before, folder = dict(os.environ), Path(address).parent
    try:
        owner_handle = os.pidfd_open(int(owner))
    except ProcessLookupError:
        _end(folder)
    sys.path.pop(0)  # the folder of this file
    project = _preload(package, sources)
    set_by_imports = {k: v for k, v in os.environ.items() if before.get(k) != v}
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{address}.new")
    listener.listen(64)
    Path(f"{address}.new").rename(address)  # from now on somebody answers
    command = _next_command(listener, owner_handle, folder)
    installed = sources if package == "churn" else None
    _end_with(_exit_code(command, set_by_imports, installed, project))


def _preload(package: str, sources: str) -> Project:
    """Import the project and by it the packages, and put the project aside."""
    gc.disable()  # there is no garbage
    digest = digest_of(sources)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sys.path.insert(0, sources)
        if package == "checks":
            importlib.import_module("checks.__main__")  # which tells deepchecks how to behave
        for name in _modules(package):
            importlib.import_module(name)
        if package == "churn":
            for name in ("pytest", "shap"):  # not imported with the modules that need them
                importlib.import_module(name)
            sqlalchemy = importlib.import_module("sqlalchemy")
            sqlalchemy.event.listen(sqlalchemy.Engine, "connect", _without_waiting_for_the_disk)
            for name in _LATE:
                importlib.import_module(name)
            for parent in _OF_DVC:
                for name in (parent, *_modules(parent)):
                    with suppress(ImportError):  # of a remote that is not installed
                        importlib.import_module(name)
    own = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in OWN}
    for name in own:
        del sys.modules[name]
    # The code that a command runs is where its environment says.
    sys.path[:] = [p for p in sys.path if not Path(p, OWN[0]).is_dir()]
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)  # as tests/conftest.py does, for what a command makes
    gc.enable()
    return Project(digest, own)


def digest_of(sources: str) -> str:
    """Digest the files of the project in a folder, by name and content."""
    digest = hashlib.sha256()
    for package in OWN:
        for path in sorted(Path(sources, package).rglob("*")):
            if path.is_file() and path.parent.name != "__pycache__":
                content = path.read_bytes()
                digest.update(f"{path.relative_to(sources)} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _without_waiting_for_the_disk(connection: Any, _: object) -> None:
    """Do in a command what tests/conftest.py does in a test."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("pragma synchronous=off")


def _modules(package: str) -> Iterator[str]:
    for found in pkgutil.walk_packages(
        getattr(importlib.import_module(package), "__path__", []), f"{package}."
    ):
        if not found.name.endswith("__main__"):
            yield found.name


def _end(folder: Path) -> NoReturn:
    """End, as nobody is there any more who could ask; what was forked ends with this process."""
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def _next_command(listener: socket.socket, owner: int, folder: Path) -> dict[str, Any]:
    """Fork for each command, and tell how it has ended; return in the forked process alone."""
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    selector.register(owner, selectors.EVENT_READ)
    running: dict[socket.socket, tuple[int, int]] = {}  # its process, by number and by handle
    while True:
        for key, _ in selector.select():
            if key.fileobj == owner:
                _end(folder)
            elif key.fileobj is listener:
                connection, _ = listener.accept()
                command, streams = _received(connection)
                if command is None:
                    connection.close()
                elif pid := os.fork():
                    for stream in streams:
                        os.close(stream)
                    handle = os.pidfd_open(pid)
                    running[connection] = pid, handle
                    selector.register(connection, selectors.EVENT_READ, (connection, False))
                    selector.register(handle, selectors.EVENT_READ, (connection, True))
                else:
                    for open_socket in (listener, connection, *running):
                        open_socket.close()
                    for handle in (owner, *(handle for _, handle in running.values())):
                        os.close(handle)
                    selector.close()
                    for number, stream in enumerate(streams):
                        os.dup2(stream, number)
                        os.close(stream)
                    return command
            else:
                connection, has_ended = key.data
                if connection not in running:
                    continue
                pid, handle = running.pop(connection)
                selector.unregister(connection)
                selector.unregister(handle)
                if not has_ended:  # whoever asked for it is gone
                    os.kill(pid, signal.SIGKILL)
                _, status = os.waitpid(pid, 0)
                os.close(handle)
                with suppress(OSError):
                    connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
                connection.close()


def _received(connection: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    head, streams, _, _ = socket.recv_fds(connection, 8, 3)
    text = b""
    while head and len(text) < int.from_bytes(head, "big"):
        part = connection.recv(1 << 20)
        if not part:
            return None, streams
        text += part
    return (json.loads(text) if head else None), streams


def _exit_code(
    command: dict[str, Any],
    set_by_imports: dict[str, str],
    installed: str | None,
    project: Project,
) -> int:
    """Run a command, and return what Python would end with."""
    try:
        _run(command, set_by_imports, installed, project)
    except SystemExit as end:
        if isinstance(end.code, int | None):
            return (end.code or 0) & 0xFF
        print(end.code, file=sys.stderr)
        return 1
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        return -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    return 0


def _end_with(code: int) -> NoReturn:
    """End as Python does, but for freeing what was imported.

    Each object is on a page that is shared with the process this one was forked from. Freeing them
    would copy them all first, which takes longer than most commands.
    """
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # nobody reads, or it is closed
            code = code or 120
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        signal.raise_signal(-code)  # to this thread: it is delivered before anything else
    os._exit(code)


def _run(
    command: dict[str, Any],
    set_by_imports: dict[str, str],
    installed: str | None,
    project: Project,
) -> None:
    """Be the process that was asked for; `installed` is the project's code in the environment."""
    # Where the server is killed, nothing outlives it.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.chdir(command["folder"])
    os.environ.clear()
    os.environ.update(set_by_imports | command["environment"])
    programs = Path(command["program"]).parent
    sys.executable = str(programs / "python")
    if (programs.parent / "pyvenv.cfg").exists():
        sys.prefix = sys.exec_prefix = str(programs.parent)
    first = command["folder"] if command["module"] else str(programs)
    given = os.environ.get("PYTHONPATH", "")
    sys.path[:0] = [first, *filter(None, given.split(os.pathsep))]
    if workspace := os.environ.get("GITHUB_WORKSPACE"):
        installed = f"{workspace}/src"  # as the jobs' environments do it
    if installed:
        sys.path.append(installed)  # at the end, as by an editable install
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    tempfile.tempdir = None  # it is looked up once, and TMPDIR may be another
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()
    importlib.invalidate_caches()
    if command["name"] != "dvc" and command["module"] != "dvc":
        _give_back(project, command["module"])
    sys.argv = [command["program"], *command["arguments"]]
    if command["module"]:
        runpy.run_module(command["module"], run_name="__main__", alter_sys=True)
    elif command["name"] == "churn":
        sys.exit(importlib.import_module("churn.cli.main").main())
    else:
        sys.exit(importlib.import_module("dvc.cli").main())


def _give_back(project: Project, main: str) -> None:
    """Let the command have the project's modules, except the one that it runs."""
    sources = next((entry for entry in sys.path if Path(entry, OWN[0]).is_dir()), None)
    if sources is not None and digest_of(sources) == project.digest:
        apart = {main, f"{main}.__main__"}
        sys.modules.update({k: v for k, v in project.modules.items() if k not in apart})


if __name__ == "__main__":
    main(*sys.argv[1:])
