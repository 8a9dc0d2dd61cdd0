"""A table of any length, and what `churn predict` is compared with.

``batch.py predict MODEL INPUT OUTPUT``: read, predict and write; prints the seconds, without the
start of the program and the loading of the model.
``batch.py pyfunc MODEL INPUT``: `mlflow.pyfunc.load_model(…).predict`; prints the seconds of the
call.
``batch.py floor MODEL INPUT OUTPUT``: only read and write; prints the seconds.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import measure

MODEL = "models:/churn-predictor@champion"
_AGAIN = 4
SPEED_TARGET, FLOOR_TARGET, MEMORY_TARGET, SPARK_TARGET = 8.0, 3.0, 1.2, 2.0


def predict(model: str, source: str, target: str) -> float:
    """Predict as the command does."""
    from churn.batch import processes

    processes.context()
    from churn.batch import run

    outcome = run.run(run.Options(model, source, target, overwrite=True))
    return outcome.seconds


def pyfunc(model: str, source: str) -> float:
    """Predict as MLflow's users do."""
    import mlflow
    import pandas as pd

    from churn.tracking import connection

    connection.configure(Path())
    loaded = mlflow.pyfunc.load_model(model)
    customers = pd.read_parquet(source)
    start = time.perf_counter()
    loaded.predict(customers)
    return time.perf_counter() - start


def floor(model: str, source: str, target: str) -> float:
    """Read what is predicted for, and write as many columns as a prediction has."""
    import numpy as np
    import pyarrow as pa

    from churn.batch import inputs, parts, reading
    from churn.model.prediction import columns
    from churn.registry.loading import load_model

    card = load_model(model, Path()).card
    Path(target).mkdir(exist_ok=True)
    start = time.perf_counter()
    data = columns(card, Path())
    writer, draw = None, np.random.default_rng(1)
    for part in reading.parts(
        inputs.found(source), data, {}, reading.CHUNK_ROWS, reading.PART_ROWS
    ):
        if writer is None:
            path = Path(target) / f"{part.part}.parquet"
            writer = parts.Writer(path, path, "1", "2026-11-30T04:00:00+00:00")
        probability = draw.random(len(part.rows))  # as hard to compress as real ones
        columns_of = [part.rows[card.id], probability, (probability > 0.5).astype(int)]
        answers = pa.table(columns_of, names=[card.id, "probability", "prediction"])
        writer.add(part.rows, part.first_row, {}, answers)
        if part.ends:
            writer.close()
            writer = None
    return time.perf_counter() - start


def compare(folder: Path, rows: int) -> tuple[dict[str, float], dict[int, float]]:
    """Measure on a table of `rows` rows, and the memory on one of ten times as many.

    Returns
    -------
    dict of str to float
        Seconds: ``predict``, ``pyfunc`` and ``floor``; ``command``, of all of `churn predict`.
    dict of int to float
        Peak memory of all processes of `churn predict` together, in megabytes, by number of rows.
    """
    tables = {size: folder / f"batch-{size}.parquet" for size in (rows, 10 * rows)}
    for size, path in tables.items():
        words = ["--customers", str(size), "--seed", "7", "--output", str(path)]
        subprocess.run(["churn", "synthesize", *words], cwd=folder, check=True)
    table, memory = str(tables[rows]), {}
    calls = {
        "predict": ("predict", MODEL, table, "batch-predict"),
        "pyfunc": ("pyfunc", MODEL, table),
        "floor": ("floor", MODEL, table, "batch-floor"),
    }
    seconds = {name: _seconds(folder, *words) for name, words in calls.items()}
    for name in ("predict", "floor"):  # under a second, so that chance has a large part in one
        again = [_seconds(folder, *calls[name]) for _ in range(_AGAIN)]
        seconds[name] = statistics.median([seconds[name], *again])
    for size, path in tables.items():
        start = time.perf_counter()
        memory[size] = _peak_mb(folder, path, f"batch-{size}")
        if size == rows:
            seconds["command"] = time.perf_counter() - start
        path.unlink()
    return seconds, memory


def cluster(folder: Path, rows: int, programs: Path) -> dict[str, float]:
    """Measure the whole of `churn predict` by both engines, on two cores.

    Parameters
    ----------
    folder : Path
    rows : int
    programs : Path
        Folder of the programs of the environment with Spark.

    Returns
    -------
    dict of str to float
        Seconds by engine: of the command, with its start.
    """
    table = folder / "batch-cluster.parquet"
    words = ["--customers", str(rows), "--seed", "7", "--output", str(table)]
    subprocess.run(["churn", "synthesize", *words], cwd=folder, check=True)
    common = ["predict", "--model", MODEL, "--input", str(table), "--output"]
    spark = ["--engine", "spark", "--master", "local[2]"]
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    found = {
        "local": measure.run(["churn", *common, folder / "cluster-local"], folder).seconds,
        "spark": measure.run(
            [programs / "churn", *common, folder / "cluster-spark", *spark], folder, {"PATH": path}
        ).seconds,
    }
    table.unlink()
    return found


def _seconds(folder: Path, *words: str) -> float:
    command = [sys.executable, str(Path(__file__).resolve()), *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.returncode}\n{done.stderr}")
    return float(done.stdout.split()[-1])


def _peak_mb(folder: Path, source: Path, target: str) -> float:
    """Return the largest sum of the memory of a command's processes; shared pages count in each."""
    command = ["churn", "predict", "--model", MODEL, "--input", str(source), "--output", target]
    peak = 0.0
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL) as process:
        waiting = threading.Event()
        while process.poll() is None:
            peak = max(peak, sum(map(_resident_mb, _below(process.pid))))
            waiting.wait(0.05)
    if process.returncode:
        sys.exit(f"{' '.join(command)}: {process.returncode}")
    return peak


def _below(pid: int) -> list[int]:
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:  # it has ended
                continue
            parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def _resident_mb(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * 4096 / 1e6


if __name__ == "__main__":
    print({"predict": predict, "pyfunc": pyfunc, "floor": floor}[sys.argv[1]](*sys.argv[2:]))
