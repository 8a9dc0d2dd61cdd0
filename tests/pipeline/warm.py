"""Run `churn` in real processes that have its imports already, which take most of a command's time.

The processes are forked from one that has imported everything and run nothing. A test of how
a command starts, or of what kills it, starts one of its own.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path

TIMEOUT_S = 120
_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(
    [
        "pytest",  # each process looks for the main program's module
        "churn.cli.main",
        "churn.cli.runs",
        "churn.explanation.table",
        "churn.model.prediction",
        "churn.stages.evaluate",
        "churn.stages.prepare",
        "churn.stages.track",
        "churn.stages.train",
        "churn.tune.run",
        "mlflow.store.tracking.sqlalchemy_store",
        "ruamel.yaml",
    ]
)


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder, as ``python -m churn`` would."""
    with tempfile.TemporaryDirectory() as outputs:
        out, err = Path(outputs, "stdout"), Path(outputs, "stderr")
        whole = dict(os.environ) | environment
        process = _SERVER.Process(target=_main, args=(folder, arguments, whole, out, err))
        process.start()
        process.join(TIMEOUT_S)
        if process.exitcode is None:
            process.kill()
            raise TimeoutError(f"churn {' '.join(arguments)}")
        return subprocess.CompletedProcess(
            arguments, process.exitcode, out.read_text(), err.read_text()
        )


def _main(
    folder: Path, arguments: tuple[str, ...], environment: dict[str, str], out: Path, err: Path
) -> None:
    os.chdir(folder)
    os.environ.update(environment)  # beside what the imports have set
    for stream, file in ((1, out), (2, err)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), stream)
    sys.argv = ["churn", *arguments]
    from churn.cli.main import main

    main()
