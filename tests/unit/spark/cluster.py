"""Spark as tests start it: commands in its environment, and a master with two workers."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.conftest import ROOT

PROGRAMS = ROOT / ".venv-spark" / "bin"
# A compiler that is quick itself, and one thread that tidies up: no JVM lives long here.
_JVM = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
_MASTER = re.compile(r"Starting Spark master at (spark://\S+)")
_PATIENCE = 90  # seconds, on a busy machine


def require() -> None:
    """Skip a test that has no Spark."""
    if not (PROGRAMS / "spark-submit").exists():
        pytest.skip("no Spark here; install it with `make spark`")
    if shutil.which("java") is None:
        pytest.skip("no Java here; install it: openjdk-17-jre-headless")


def environment(**other: str) -> dict[str, str]:
    """Return variables with which Spark's environment comes first, with this copy's code."""
    path = f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SPARK_", "PYSPARK_"))}
    local = {"PATH": path, "PYTHONPATH": str(ROOT / "src"), "SPARK_LOCAL_IP": "127.0.0.1"}
    return kept | local | {"SPARK_SUBMIT_OPTS": _JVM, "SPARK_DAEMON_JAVA_OPTS": _JVM} | other


def run(*command: str | Path, **other: str) -> subprocess.CompletedProcess[str]:
    """Run a command in Spark's environment."""
    return subprocess.run(
        [str(word) for word in command],
        env=environment(**other),
        capture_output=True,
        text=True,
        timeout=300,
    )


def predict(*arguments: str | Path, **other: str) -> subprocess.CompletedProcess[str]:
    """Run `churn predict --engine spark`."""
    return run(PROGRAMS / "churn", "predict", "--engine", "spark", *arguments, **other)


@contextmanager
def standalone(folder: Path) -> Iterator[str]:
    """Start a master and two workers of one core each; give the master's address."""
    with ExitStack() as stack:
        master = stack.enter_context(_daemon(folder / "master.log", "master.Master"))
        [address] = _awaited(master, _MASTER, 1)
        for number in (1, 2):
            work = ("--work-dir", str(folder / f"worker-{number}"), "--cores", "1")
            options = (*work, "--memory", "600m", address)
            log = folder / f"worker-{number}.log"
            stack.enter_context(_daemon(log, "worker.Worker", *options))
        _awaited(master, re.compile("Registering worker"), 2)
        yield address


@contextmanager
def _daemon(log: Path, name: str, *options: str) -> Iterator[Path]:
    programs = next((ROOT / ".venv-spark").glob("lib/python*/site-packages/pyspark/bin"))
    common = ("--host", "127.0.0.1", "--port", "0", "--webui-port", "0")
    command = [programs / "spark-class", f"org.apache.spark.deploy.{name}", *common, *options]
    variables = environment(SPARK_DAEMON_MEMORY="256m")
    with log.open("w") as output:
        process = subprocess.Popen(command, env=variables, stdout=output, stderr=output)
    try:
        yield log
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()


def _awaited(log: Path, pattern: re.Pattern[str], count: int) -> list[str]:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        if len(found := pattern.findall(log.read_text())) >= count:
            return found
        time.sleep(0.2)
    raise AssertionError(f"{pattern.pattern} is not in {log}: {log.read_text()[-2000:]}")
