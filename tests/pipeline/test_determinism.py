"""The same rows and parameters give the same bytes, whatever the machine's threads and hashes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from churn.core.params import FAMILIES, Family, TaskName
from churn.data.synthesize import write
from churn.provenance.candidate import model_digest
from tests.conftest import PARAMS

pytestmark = pytest.mark.slow

_TRAIN = """
import json
import sys
from pathlib import Path
from churn.core import params
from churn.core.paths import Workspace
from churn.stages import prepare, train
for name, overrides in json.loads(sys.argv[3]).items():
    workspace = Workspace(Path(sys.argv[1], name))
    settings = params.load(Path(sys.argv[2]), overrides)
    prepare.write(workspace, settings, Path(sys.argv[1], "customers.csv"))
    train.write(workspace, settings)
"""


FEW = {"random_forest": {"n_estimators": 10}, "gradient_boosting": {"n_estimators": 10}}
NUMBERS = ["recency_days", "frequency", "monetary_value", "total_orders", "days_since_signup"]
NUMBERS += ["support_tickets", "age"]
OVERRIDES: dict[TaskName, dict[str, Any]] = {
    "binary": {},
    "regression": {
        "task": "regression",
        "data.target": "avg_order_value",
        "data.positive": None,
        "data.numeric": NUMBERS,
        "decision": {"folds": 5, "max_rows": 100_000},
        "evaluation.slices.numeric": ["recency_days"],
        "evaluation.slices.protected": [],
        "gates.minima": {},
        "gates.margins": {"rmse": 1.0},
        "gates.slice_margins": {},
        "tune.metric": "rmse",
    },
}


KINDS = [(task, family) for task in OVERRIDES for family in FAMILIES[task]]


def of_kind(task: TaskName, family: Family) -> dict[str, Any]:
    hyperparameters = FEW.get(family, {"max_iter": 20})
    model = {"model.family": family, "model.hyperparameters": hyperparameters}
    return OVERRIDES[task] | model


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Train every kind of model in two processes, and return the folder of each process."""
    every = json.dumps({f"{task}-{family}": of_kind(task, family) for task, family in KINDS})
    folders = []
    for hash_seed, threads in (("0", "1"), ("7", "2")):
        folder = tmp_path_factory.mktemp("trained")
        write(folder / "customers.csv", 1500, seed=3)
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", _TRAIN, folder, PARAMS, every],
            env=os.environ | {"PYTHONHASHSEED": hash_seed, "OMP_NUM_THREADS": threads},
            check=True,
        )
        folders.append(folder)
    return folders


@pytest.mark.parametrize(("task", "family"), KINDS)
def test_threads_and_hash_seeds_do_not_change_the_model(
    task: TaskName, family: Family, trained: list[Path]
) -> None:
    one, other = (model_digest(folder / f"{task}-{family}/build/model") for folder in trained)
    assert one == other
