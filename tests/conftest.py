"""What many tests share: the repository's parameters, and customers to look at."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from churn import params
from churn.data import schema, synthesize
from churn.params import Params
from tests.workflows.fake_github import FakeGitHub, make_certificate, serving

ROOT = Path(__file__).resolve().parents[1]
# Before scikit-learn loads OpenMP, as `churn` itself does: where several tests share the cores,
# threads that spin while they wait turn moments into minutes.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

_MLFLOW = ("TRACKING_URI", "EXPERIMENT_ID", "EXPERIMENT_NAME", "RUN_ID")


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep tests off the user's MLflow server, and one test's store out of the next test."""
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    for name in _MLFLOW:
        # MLflow sets these itself: what is set first and deleted then is restored in the end.
        monkeypatch.setenv(f"MLFLOW_{name}", "")
        monkeypatch.delenv(f"MLFLOW_{name}")


@pytest.fixture(scope="session")
def settings() -> Params:
    """Return the parameters that the repository ships."""
    return params.load(ROOT / "params.yaml")


@pytest.fixture(scope="session")
def customers(settings: Params) -> pd.DataFrame:
    """Return 600 customers as `prepare` has checked them; tests do not change them."""
    made = pa.concat_tables(synthesize.customers(600, seed=1)).to_pandas()
    return schema.validate(made, settings.data, Path("customers.csv"))


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a certificate for 127.0.0.1, with its key."""
    if lacking := [name for name in ("gh", "openssl") if not shutil.which(name)]:
        pytest.skip(f"GitHub cannot be asked here; install {', '.join(lacking)}")
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def served_github(certificate: Path) -> Iterator[FakeGitHub]:
    """Return a GitHub without pull requests and comments, trusted by who trusts its certificate."""
    with serving(certificate) as state:
        yield state
