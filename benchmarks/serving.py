"""Measure `churn serve`, beside `mlflow models serve` and a server that only returns the body.

Alone: ``python benchmarks/serving.py``; `make bench` does it too.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from unittest import mock
from urllib.request import urlopen

import numpy as np
import pandas as pd
from callers import Answers, call

from churn.core import params
from churn.data.typical import typical
from churn.provenance.candidate import model_digest
from churn.serve.probe import require_loadable
from churn.serve.store import Loadable, State, Store
from churn.tracking import connection, runs

HERE = Path(__file__).resolve().parent
CONNECTIONS, SECONDS = 32, 5.0
SWAPS, SWAP_S = 4, 2.0
ROWS = 1000
# At least, or at most where the name says seconds, milliseconds or megabytes.
TARGETS = {
    "one row, 32 connections: times mlflow models serve": 40.0,
    "one row, 32 connections: times the echo": 0.5,
    "one row, 32 connections: p99 / the echo's": 5.0,
    "one row, one connection: median ms": 1.5,
    "1,000 rows: times mlflow models serve": 5.0,
    "start to first answer, s": 3.0,
    "memory of a worker, MB": 350.0,
    "p99 during a swap / otherwise": 2.0,
    "requests that failed": 0.0,
}
AT_LEAST = {name for name in TARGETS if ": times" in name}


def measure(root: Path) -> dict[str, tuple[float, str]]:
    """Measure everything on the model of a repository in which the pipeline has run.

    Returns
    -------
    dict of str to (float, str)
        The measurement and its details by the name in `TARGETS`.
    """
    settings = params.load(root / "params.yaml")
    rows = pd.read_parquet(root / "build" / "test.parquet")
    records = json.loads(rows[list(settings.data.inputs)].head(ROWS).to_json(orient="records"))
    one, many = (
        json.dumps({"dataframe_records": records[:count]}).encode() for count in (1, len(records))
    )
    with tempfile.TemporaryDirectory(prefix="churn-bench-") as name:
        folder = Path(name)
        shutil.copy(root / "params.yaml", folder)
        versions = _two_versions(root / "build" / "model", folder / "served")
        logged = _logged(root, folder, typical(rows, settings.data))
        with _echo(folder) as url:
            echo = call(url, one, CONNECTIONS, SECONDS)
        with _mlflow(logged, folder) as url:
            theirs = call(f"{url}/invocations", one, CONNECTIONS, SECONDS)
            theirs_many = call(f"{url}/invocations", many, 2, SECONDS)
        begun = time.monotonic()
        with _churn(folder) as (url, workers):
            started = time.monotonic() - begun
            url += "/invocations"
            call(url, one, CONNECTIONS, 1)
            ours = call(url, one, CONNECTIONS, SECONDS)
            alone = call(url, one, 1, SECONDS / 2)
            ours_many = call(url, many, 2, SECONDS)
            calm, swapping = _swaps(url, one, folder / "served", versions)
            memory = max(_resident_mb(pid) for pid in workers())
    failed = sum(answers.failures for answers in (ours, alone, ours_many))
    found = [
        _ratio(ours.per_second, theirs.per_second, "requests/s"),
        _ratio(ours.per_second, echo.per_second, "requests/s"),
        _ratio(ours.quantile_ms(0.99), echo.quantile_ms(0.99), "ms"),
        (alone.quantile_ms(0.5), f"p99 {alone.quantile_ms(0.99):.1f} ms"),
        _ratio(ours_many.per_second * ROWS, theirs_many.per_second * ROWS, "rows/s"),
        (started, "with the local copy, until /ping is answered"),
        (memory, "resident, after all of this"),
        _ratio(swapping, calm, f"ms, {SWAPS} swaps under load"),
        (float(failed), "of all to churn serve; those during swaps end the measurement"),
    ]
    return dict(zip(TARGETS, found, strict=True))


def _ratio(one: float, other: float, unit: str) -> tuple[float, str]:
    digits = 0 if one > 100 else 1
    return one / other, f"{one:,.{digits}f} / {other:,.{digits}f} {unit}"


def _two_versions(model: Path, folder: Path) -> list[Loadable]:
    """Put the same model into a store as two versions, between which can be swapped."""
    store = Store(folder)
    versions = [Loadable(version=name, digest=model_digest(model)) for name in ("1", "2")]
    for version in versions:
        store.add(version, model, None)
        require_loadable(store, version)  # as a server that follows the registry does it
    store.write(State(name="churn-predictor", champion=versions[0]))
    store.touch()
    return versions


def _logged(root: Path, folder: Path, example: pd.DataFrame) -> str:
    """Log the model in a store of its own, and return its folder there."""
    from churn.core.paths import Workspace
    from churn.model import artifact

    model = Workspace(root).model
    loaded = artifact.load(model)
    inputs, answered = loaded.card.by_kind, loaded.output.answered
    record = runs.Record("bench", {}, {}, {}, {}, model, inputs, answered, example)
    # MLflow writes its address into the environment, where what is measured next would find it.
    with mock.patch.dict(os.environ):
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        tracked = runs.log(connection.connect(folder), record)
        assert tracked.model is not None
        return str(runs.fetch(tracked.model.uri, folder / "logged"))


@contextmanager
def _running(command: Sequence[str], folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends; it has to answer /ping within a minute."""
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *command], cwd=folder, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        until = time.monotonic() + 60
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > until:
                sys.exit((folder / "server.log").read_text(errors="replace"))
            time.sleep(0.02)
        yield process
    finally:
        process.terminate()
        process.wait(30)


def _answers(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/ping", b"", timeout=2):
            return True
    except OSError as error:
        return getattr(error, "code", None) == 405  # the echo takes any method, the others GET


@contextmanager
def _echo(folder: Path) -> Iterator[str]:
    port = _free_port()
    options = ["--no-access-log", "--log-level", "error", "--app-dir", str(HERE)]
    with _running(["uvicorn", "echo:app", "--port", str(port), *options], folder, port):
        yield f"http://127.0.0.1:{port}/"


@contextmanager
def _mlflow(model: str, folder: Path) -> Iterator[str]:
    port = _free_port()
    options = ["--env-manager", "local", "--port", str(port)]
    with _running(["mlflow", "models", "serve", "--model-uri", model, *options], folder, port):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _churn(folder: Path) -> Iterator[tuple[str, object]]:
    port = _free_port()
    with _running(["churn", "serve", "--port", str(port)], folder, port) as process:

        def workers() -> list[int]:
            listed = ["pgrep", "-P", str(process.pid), "-f", "churn.serve.worker"]
            return [int(pid) for pid in subprocess.check_output(listed).split()]

        yield f"http://127.0.0.1:{port}", workers


def _swaps(url: str, body: bytes, folder: Path, versions: list[Loadable]) -> tuple[float, float]:
    """Swap versions under load; return p99 in milliseconds otherwise, and while swapping.

    Raises
    ------
    SystemExit
        If a request fails.
    """
    store, moments = Store(folder), []

    def swap() -> None:
        for i in range(SWAPS):
            time.sleep(SWAP_S)
            moments.append(time.perf_counter())
            champion = versions[(i + 1) % 2]
            store.write(State(name="churn-predictor", champion=champion))

    swapper = threading.Thread(target=swap)
    swapper.start()
    answers = call(url, body, CONNECTIONS, SWAPS * SWAP_S + SWAP_S)
    swapper.join()
    if answers.failures:
        sys.exit(f"{answers.failures} requests failed during a swap")
    return _split_p99(answers, moments)


def _split_p99(answers: Answers, moments: list[float]) -> tuple[float, float]:
    """Divide the answers into those within a second after a swap, and the others."""
    when = np.array(answers.moments)
    during = np.zeros(len(when), dtype=bool)
    for moment in moments:
        during |= (when >= moment) & (when < moment + 1)
    seconds = np.array(answers.seconds)
    calm, swapping = (np.quantile(seconds[mask], 0.99) * 1000 for mask in (~during, during))
    return float(calm), float(swapping)


def _resident_mb(pid: int) -> float:
    shown = subprocess.check_output(["ps", "-o", "rss=", "-p", str(pid)], text=True)
    return int(shown) * 1024 / 1e6


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


if __name__ == "__main__":
    for what, (value, details) in measure(Path(sys.argv[1] if sys.argv[1:] else ".")).items():
        target, sign = TARGETS[what], ">=" if what in AT_LEAST else "<="
        met = value >= target if what in AT_LEAST else value <= target
        verdict = "met" if met else "MISSED"
        print(f"{what:52} {value:9.2f} {sign} {target:6g} {verdict}  {details}")
