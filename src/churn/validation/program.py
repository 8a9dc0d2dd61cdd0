"""Run deepchecks in its own environment (docs/adr/0001)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd

from churn.core import process
from churn.core.errors import ChecksError, ParamsError
from churn.core.files import read_json
from churn.core.params import ChecksParams, DataParams
from churn.core.progress import Advance, silent
from churn.model.outputs import Output
from churn.validation.results import CheckResult, Results

PYTHON_VARIABLE = "CHURN_CHECKS_PYTHON"
_SOURCES = Path(__file__).resolve().parents[2]  # contains `churn` and `checks`


def sample(
    frames: dict[str, pd.DataFrame], data: DataParams, max_rows: int
) -> dict[str, pd.DataFrame]:
    """Sample customers by a hash of their id, with the same share of every frame.

    Parameters
    ----------
    frames : dict of str to DataFrame
        Frames with the id.
    data : DataParams
        Names its column.
    max_rows : int
        Maximum number of rows of all samples together.

    Returns
    -------
    dict of str to DataFrame
        The sampled rows of each frame, in their order.

    Raises
    ------
    ParamsError
        If `max_rows` is so small that the sample of a frame is empty.
    """
    sizes = [len(frame) for frame in frames.values()]
    if sum(sizes) <= max_rows:
        return frames
    ids = pd.concat([frame[data.id] for frame in frames.values()])
    places = pd.util.hash_pandas_object(ids, index=False).to_numpy()
    chosen = np.split(places < np.partition(places, max_rows)[max_rows], np.cumsum(sizes)[:-1])
    for name, rows in zip(frames, chosen, strict=True):
        if not rows.any():
            raise ParamsError(
                f"params.yaml: checks.max_rows: the {name} rows are {len(rows):,} of {sum(sizes):,}"
                f" customers, and none is among {max_rows:,}; set it higher"
            )
    return {name: frame[rows] for (name, frame), rows in zip(frames.items(), chosen, strict=True)}


def run(
    frames: dict[str, pd.DataFrame],
    data: DataParams,
    checks: ChecksParams,
    output: Output,
    advance: Advance = silent,
    whole: dict[str, pd.DataFrame] | None = None,
) -> list[CheckResult]:
    """Run the checks that params.yaml lists.

    Parameters
    ----------
    frames : dict of str to DataFrame
        ``train`` and ``test``: id, target, features, ``prediction`` and scores.
    data : DataParams
    checks : ChecksParams
    output : Output
        Names the columns of the scores.
    advance : callable, optional
        Called with the name of each finished check.
    whole : dict of str to DataFrame, optional
        Every customer of both sides, if `frames` are a sample: for the checks that look for equal
        rows, of which a sample has fewer than its share.

    Returns
    -------
    list of CheckResult
        In the order of params.yaml.

    Raises
    ------
    ParamsError
        If a listed check, argument or condition is unknown.
    ChecksError
        If the program is not installed, or stops without a result.
    """
    with tempfile.TemporaryDirectory(prefix="churn-checks-") as scratch:
        folder = Path(scratch)
        for side, frame in frames.items():
            frame.to_parquet(folder / f"{side}.parquet", index=False)
        if whole is not None and whole is not frames:
            for side, frame in whole.items():
                frame.to_parquet(folder / f"whole_{side}.parquet", index=False)
        specification = {
            "train": str(folder / "train.parquet"),
            "test": str(folder / "test.parquet"),
            **{file.stem: str(file) for file in folder.glob("whole_*.parquet")},
            "id": data.id,
            "target": data.target,
            "categorical": list(data.categorical),
            "task": output.task,
            "scores": list(output.scored),
            "seed": checks.seed,
            "suites": {
                suite: [check.model_dump() for check in listed]
                for suite, listed in checks.suites.items()
            },
        }
        (folder / "specification.json").write_text(json.dumps(specification), encoding="utf-8")
        _call(folder / "specification.json", folder / "results.json", advance)
        return read_json(folder / "results.json", "validate", Results).checks


def _call(specification: Path, output: Path, advance: Advance) -> None:
    environment = os.environ | {
        "PYTHONPATH": str(_SOURCES),
        "PYTHONHASHSEED": "0",  # deepchecks iterates over sets
        "PYTHONWARNINGS": "ignore",
        "MPLBACKEND": "agg",
    }
    command = [str(checks_python()), "-m", "checks", str(specification), str(output)]
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as stderr,
        _start(command, stderr, environment) as checking,
    ):
        assert checking.stdout is not None
        for line in checking.stdout:
            advance(line.strip())
        code = checking.wait()
        stderr.seek(0)
        reason = process.error_line(stderr.read(), last=True)
    if code == 2:
        raise ParamsError(f"params.yaml: {reason}")
    if code or not output.is_file():
        raise ChecksError(f"the checks' program stopped with code {code}: {reason}")


def _start(
    command: list[str], stderr: IO[str], environment: dict[str, str]
) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=environment,
            text=True,
            errors="replace",
        )
    except OSError as error:  # no permission, or no program at all
        raise ChecksError(
            f"{command[0]}: cannot be run ({error.strerror or error}); run `make setup`, or name"
            f" another Python in {PYTHON_VARIABLE}"
        ) from error


def checks_python() -> Path:
    """Find the Python of the checks' environment.

    The one that the variable names, else that of `.venv-checks` beside the sources, else beside the
    running environment, as in a clone by `mlflow run`.
    """
    if named := os.environ.get(PYTHON_VARIABLE):
        candidates = [Path(named)]
    else:
        parents = [_SOURCES.parent, Path(sys.prefix).parent]
        candidates = [parent / ".venv-checks" / "bin" / "python" for parent in parents]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise ChecksError(
        f"{candidates[0]}: the checks' environment is not there; run `make setup`,"
        f" or name its Python in {PYTHON_VARIABLE}"
    )
