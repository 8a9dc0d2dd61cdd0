"""Calling deepchecks, which lives in an environment of its own (docs/adr/0001)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from churn.core import process
from churn.core.errors import ChecksError, ParamsError
from churn.core.params import ChecksParams, DataParams
from churn.core.progress import Advance, silent

PYTHON_VARIABLE = "CHURN_CHECKS_PYTHON"
_SOURCES = Path(__file__).resolve().parents[2]  # holds `churn` and `checks` side by side
_BLOCK = 10  # customers with equal features that are taken together


def sample(
    frames: dict[str, pd.DataFrame], data: DataParams, max_rows: int
) -> dict[str, pd.DataFrame]:
    """Choose customers by hashes of what their features hold, the same share of every frame.

    Customers with equal features, of all frames together, form blocks of up to ten, and a block is
    taken as a whole or not at all. So duplicates, conflicting labels and training rows among the
    held-out ones are expected to have the same share in the sample as in the table, however small
    the sample is, where up to ten customers are equal. Where more are, it holds nine tenths of the
    duplicates, and of the rest what ten customers show. Single customers would show nothing of it;
    all who are equal at once would make the sample too large, empty or one-sided where many are,
    such as those who bought nothing.

    Parameters
    ----------
    frames : dict of str to DataFrame
        The frames with the id and the features.
    data : DataParams
        Says which columns these are.
    max_rows : int
        Most rows of all samples together. Where the frames have more, at most nine fewer are taken.

    Returns
    -------
    dict of str to DataFrame
        The frames with the rows that were chosen, in their order.

    Raises
    ------
    ParamsError
        If `max_rows` is so small that nobody of a frame is chosen.
    """
    sizes = [len(frame) for frame in frames.values()]
    if sum(sizes) <= max_rows:
        return frames
    # Each block has a place in a random order, and those before the block that has no room are in.
    places = _places(
        np.concatenate([_hashed(frame[list(data.inputs)]) for frame in frames.values()]),
        np.concatenate([_hashed(frame[data.id]) for frame in frames.values()]),
    )
    chosen = np.split(places < np.partition(places, max_rows)[max_rows], np.cumsum(sizes)[:-1])
    for name, rows in zip(frames, chosen, strict=True):
        if not rows.any():
            raise ParamsError(
                f"params.yaml: checks.max_rows: the {name} rows are {len(rows):,} of {sum(sizes):,}"
                f" customers, and none is among {max_rows:,}; set it higher"
            )
    return {name: frame[rows] for (name, frame), rows in zip(frames.items(), chosen, strict=True)}


def _places(features: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Give the customers of each block one number, uniform over 64 bits, whatever their order is.

    Parameters
    ----------
    features, ids : ndarray of uint64, shape (n_customers,)
        Hashes.

    Returns
    -------
    ndarray of uint64, shape (n_customers,)
    """
    customers = pd.DataFrame({"features": features, "id": ids})
    rank_among_equals = customers.sort_values("id").groupby("features").cumcount()
    return _hashed(customers[["features"]].assign(block=rank_among_equals // _BLOCK))


def _hashed(cells: pd.DataFrame | pd.Series) -> np.ndarray:
    return pd.util.hash_pandas_object(cells, index=False).to_numpy()


def run(
    frames: dict[str, pd.DataFrame],
    data: DataParams,
    checks: ChecksParams,
    threshold: float,
    advance: Advance = silent,
) -> dict[str, Any]:
    """Run the checks that params.yaml lists.

    Parameters
    ----------
    frames : dict of str to DataFrame
        ``train`` and ``test``: id, target, features and ``probability``.
    data : DataParams
    checks : ChecksParams
    threshold : float
        Churn is predicted at this probability and above.
    advance : callable, optional
        Called with the name of each check that is done.

    Returns
    -------
    dict
        What `checks.run.run` returns.

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
        specification = {
            "train": str(folder / "train.parquet"),
            "test": str(folder / "test.parquet"),
            "id": data.id,
            "target": data.target,
            "categorical": list(data.categorical),
            "threshold": threshold,
            "seed": checks.seed,
            "suites": {
                suite: [check.model_dump() for check in listed]
                for suite, listed in checks.suites.items()
            },
        }
        (folder / "specification.json").write_text(json.dumps(specification), encoding="utf-8")
        _call(folder / "specification.json", folder / "results.json", advance)
        results: dict[str, Any] = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        return results


def _call(specification: Path, output: Path, advance: Advance) -> None:
    environment = os.environ | {
        "PYTHONPATH": str(_SOURCES),
        "PYTHONHASHSEED": "0",  # deepchecks walks through sets
        "PYTHONWARNINGS": "ignore",
        "MPLBACKEND": "agg",
    }
    command = [str(_python()), "-m", "checks", str(specification), str(output)]
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


def _python() -> Path:
    """Find the interpreter of the checks' environment.

    The one that the variable names; else `.venv-checks` beside the sources or beside the
    environment that is running (so that a clone made by `mlflow run` finds it too).
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
