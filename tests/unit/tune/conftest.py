"""A project with a small table, in which a search takes a moment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from churn.core import params
from churn.core.files import read_parquet
from churn.core.params import Params
from churn.core.paths import Workspace
from churn.provenance.git import git
from churn.stages import prepare
from churn.tune.candidate import Rows
from tests.conftest import PARAMS

SPACE = {
    "max_depth": {"low": 1, "high": 4},
    "learning_rate": {"low": 0.01, "high": 0.5, "log": True},
    "max_features": {"choices": [0.5, 1.0]},
}


@pytest.fixture
def project(store: Path, customers: pd.DataFrame) -> Workspace:
    """Return a folder with 600 customers, prepared, an MLflow store and a git repository."""
    document = yaml.safe_load(PARAMS.read_text())
    document["model"]["hyperparameters"] = {"max_iter": 12, "max_depth": 2, "learning_rate": 0.3}
    document["comparison"]["resamples"] = 1000
    document["tune"] = {"trials": 12, "folds": 3, "seed": 1, "space": SPACE}
    (store / "params.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    (store / "data").mkdir()
    customers.to_csv(store / "data/customers.csv", index=False)
    (store / ".gitignore").write_text("/build\n/mlflow.db*\n/mlruns\n")
    (store / "src/churn/tune").mkdir(parents=True)
    (store / "src/churn/tune/space.py").write_text("x = 1\n")
    git(store, "init", "--quiet")
    workspace = Workspace(store)
    prepare.run(workspace)
    return workspace


def load(project: Workspace, **tune: Any) -> Params:
    """Return the project's parameters, some of those of the search replaced."""
    overrides = {f"tune.{name}": value for name, value in tune.items()}
    return params.load(project.params, overrides)


def rows(project: Workspace, settings: Params) -> Rows:
    return Rows.of(read_parquet(project.split("train"), "prepare"), settings)
