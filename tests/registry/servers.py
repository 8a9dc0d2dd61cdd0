"""PostgreSQL, an S3 server and MLflow's server, started without containers and stopped again."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg2
import requests

from tests.registry import compose

# Debian keeps PostgreSQL's programs off the PATH, by version.
_PATH = os.pathsep.join(
    [os.environ["PATH"], *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))]
)
# What each program is for, and how to get it; it is not downloaded from anywhere else.
PROGRAMS = {
    "initdb": "apt-get install postgresql",
    "postgres": "apt-get install postgresql",
    "pg_dump": "apt-get install postgresql",
    "versitygw": "scripts/tools .venv/bin versitygw",
}
USER, DATABASE, BUCKET = "mlflow", "mlflow", "mlflow"
_START_S = 120


def program(name: str) -> str:
    return str(shutil.which(name, path=_PATH))


def missing() -> list[str]:
    """Say of each program that is not here how to install it."""
    return [
        f"{name} ({how})" for name, how in PROGRAMS.items() if not shutil.which(name, path=_PATH)
    ]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Process:
    """A server that can be killed and started again, in a process group of its own."""

    command: list[str]
    environment: dict[str, str]
    log: Path
    user: str | None = None
    _running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._running = subprocess.Popen(
                self.command,
                cwd=self.log.parent,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=self.user,
            )

    def send(self, number: int) -> None:
        """Send a signal to all of its processes."""
        if self._running is not None:
            os.killpg(self._running.pid, number)

    def kill(self) -> None:
        if self._running is not None:
            self.send(signal.SIGKILL)
            self._running.wait()
            self._running = None

    def wait_for(self, question: str, *errors: type[Exception]) -> Iterator[None]:
        """Go round until the caller's question is answered; give up where it has ended."""
        until = time.monotonic() + _START_S
        while time.monotonic() < until:
            assert self._running is not None
            if self._running.poll() is not None:
                break
            yield
            time.sleep(0.1)
        raise AssertionError(f"{question}: no answer\n{self.log.read_text()[-3000:]}")


@dataclass
class Database:
    """PostgreSQL with one user and one database, by password and over the network only."""

    port: int
    password: str
    process: Process

    def query(self, sql: str, *values: object) -> list[tuple[object, ...]]:
        connection = psycopg2.connect(
            host="127.0.0.1",
            port=self.port,
            user=USER,
            password=self.password,
            dbname=DATABASE,
        )
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql, values)
                return cursor.fetchall()
        finally:
            connection.close()

    def dump(self) -> str:
        """Return everything that it holds, as SQL."""
        address = ["--host=127.0.0.1", f"--port={self.port}", f"--username={USER}"]
        return subprocess.run(
            [program("pg_dump"), *address, DATABASE],
            env=os.environ | {"PGPASSWORD": self.password},
            capture_output=True,
            text=True,
            check=True,
        ).stdout


@contextmanager
def database(folder: Path, password: str) -> Iterator[Database]:
    """Start PostgreSQL; as another user where this is root, which it refuses to be run by."""
    user = None
    if os.geteuid() == 0:
        user = next(name for name in ("postgres", "nobody") if _is_user(name))
        shutil.chown(folder, user)
    secret = folder / "password"
    secret.touch(mode=0o600)
    secret.write_text(password)
    if user:
        shutil.chown(secret, user)
    data, port = folder / "data", free_port()
    environment = {"PATH": _PATH, "LC_ALL": "C.UTF-8"}
    subprocess.run(
        [program("initdb"), f"--pgdata={data}", "--auth=scram-sha-256", f"--username={USER}",
         f"--pwfile={secret}", "--no-sync", "--encoding=UTF8"],
        env=environment, cwd=folder, user=user, capture_output=True, check=True,
    )  # fmt: skip
    secret.unlink()
    command = [program("postgres"), "-D", str(data), "-p", str(port), "-k", ""]
    command += ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
    process = Process(command, environment, folder / "log", user)
    process.start()
    try:
        for _ in process.wait_for("postgres"):
            try:
                made = psycopg2.connect(
                    host="127.0.0.1", port=port, user=USER, password=password, dbname="postgres"
                )
            except psycopg2.OperationalError:
                continue
            made.autocommit = True  # a database is not made within a transaction
            made.cursor().execute(f"create database {DATABASE}")
            made.close()
            break
        yield Database(port, password, process)
    finally:
        process.kill()


def _is_user(name: str) -> bool:
    try:
        return bool(pwd.getpwnam(name))
    except KeyError:
        return False


@dataclass(frozen=True)
class Store:
    """VersityGW, whose bucket is a folder."""

    port: int
    bucket: Path


@contextmanager
def store(folder: Path, values: Mapping[str, str]) -> Iterator[Store]:
    """Start it as compose.yaml does."""
    port, data = free_port(), folder / "data"
    (data / BUCKET).mkdir(parents=True)
    words = {"--port=:7070": f"--port=127.0.0.1:{port}", "/data": str(data)}
    found = compose.service(compose.load(values), "store", words)
    command = [program("versitygw"), *found.command]
    if not _keeps_attributes(data):
        (folder / "attributes").mkdir()
        command.append(f"--sidecar={folder / 'attributes'}")
    process = Process(command, found.environment, folder / "log")
    process.start()
    try:
        healthy(process, f"http://127.0.0.1:{port}")
        yield Store(port, data / BUCKET)
    finally:
        process.kill()


def _keeps_attributes(folder: Path) -> bool:
    """Tell whether the file system keeps extended attributes, which hold an object's own."""
    try:
        os.setxattr(folder, "user.test", b"1")
    except OSError:
        return False
    os.removexattr(folder, "user.test")
    return True


@dataclass
class Server:
    """MLflow's server."""

    url: str
    process: Process
    secrets: Mapping[str, str] = field(repr=False)

    @property
    def admin(self) -> tuple[str, str]:
        return "admin", self.secrets["MLFLOW_ADMIN_PASSWORD"]

    def start(self) -> None:
        self.process.start()
        healthy(self.process, self.url)

    def kill(self) -> None:
        """Kill all of its processes in the middle of whatever they do."""
        self.process.kill()

    def make_user(self, name: str, password: str) -> None:
        made = requests.post(
            f"{self.url}/api/2.0/mlflow/users/create",
            json={"username": name, "password": password},
            auth=self.admin,
            timeout=60,
        )
        assert made.ok, made.text


@contextmanager
def server(
    folder: Path, values: Mapping[str, str], database: Database, store: Store
) -> Iterator[Server]:
    """Start it as compose.yaml does."""
    port, document = free_port(), compose.load(values)
    settings = folder / "auth.ini"
    settings.write_text(document["configs"]["auth"]["content"])
    found = compose.service(
        document,
        "mlflow",
        {
            "--host=0.0.0.0": "--host=127.0.0.1",
            "--port=5000": f"--port={port}",
            "--workers=2": "--workers=1",
            "PGHOST": "127.0.0.1",
            "MLFLOW_S3_ENDPOINT_URL": f"http://127.0.0.1:{store.port}",
            "MLFLOW_AUTH_CONFIG_PATH": str(settings),
        },
    )
    assert found.command[0] == "mlflow"
    command = [sys.executable, "-m", *found.command]
    environment = found.environment | {"PGPORT": str(database.port)}
    with _started(command, port, environment, folder, values) as started:
        yield started


@contextmanager
def on_sqlite(folder: Path, *options: str, port: int | None = None) -> Iterator[Server]:
    """Start MLflow's server without users; `options` say where it keeps files."""
    port = port or free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host=127.0.0.1", f"--port={port}"]
    command += ["--workers=1", f"--backend-store-uri=sqlite:///{folder / 'mlflow.db'}", *options]
    # Without consumers of jobs, as compose.yaml.
    environment = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    with _started(command, port, environment, folder, {}) as started:
        yield started


@contextmanager
def _started(
    command: list[str],
    port: int,
    environment: Mapping[str, str],
    folder: Path,
    secrets: Mapping[str, str],
) -> Iterator[Server]:
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "PYTHONPATH", "LANG")}
    process = Process(command, {**kept, **environment, "HOME": str(folder)}, folder / "log")
    started = Server(f"http://127.0.0.1:{port}", process, secrets)
    try:
        started.start()
        yield started
    finally:
        process.kill()


def healthy(process: Process, url: str) -> None:
    for _ in process.wait_for(url):
        try:
            if requests.get(f"{url}/health", timeout=5).ok:
                return
        except requests.RequestException:
            continue
