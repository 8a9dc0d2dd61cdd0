"""What many tests share: parameters, customers, a small model, and an empty MLflow store."""

from __future__ import annotations

import functools
import gc
import os
import shutil
import sqlite3
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import yaml
from sqlalchemy import Engine, event

from churn.core import params
from churn.core.params import Params
from churn.data import schema
from tests import once
from tests.exhaustive import EXHAUSTIVE
from tests.workflows.fake_github import FakeGitHub, make_certificate, serving

if TYPE_CHECKING:  # scikit-learn and skops take seconds, and not every test wants a model
    from churn.model.artifact import Model

NOTHING_LACKING = "CHURN_TESTS_LACK_NOTHING"
pytest_plugins = ["tests.integration.plugin"]

ROOT = Path(__file__).resolve().parents[1]
# Of the example, whatever the project that was made of it has set.
PARAMS = ROOT / "tests" / "params.yaml"
# Before scikit-learn loads OpenMP, as `churn` itself does: where several tests share the cores,
# threads that spin while they wait turn moments into minutes.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# In a repository that a test makes, each command would start a process that calls DVC's authors.
os.environ.setdefault("DVC_NO_ANALYTICS", "1")


def is_example() -> bool:
    """Tell whether the project has the table that it ships with."""
    own, shipped = (
        yaml.safe_load(file.read_text(encoding="utf-8")) for file in (ROOT / "params.yaml", PARAMS)
    )
    return own.get("task") == shipped.get("task") and all(
        own["data"].get(key) == shipped["data"].get(key) for key in ("path", "id", "target")
    )


def require_example() -> None:
    """Skip a test of the example where the project has another table."""
    if not is_example():
        pytest.skip("the project has a table of its own, and this test is of the example's")


_MLFLOW = (
    "TRACKING_URI",
    "TRACKING_USERNAME",
    "TRACKING_PASSWORD",
    "EXPERIMENT_ID",
    "EXPERIMENT_NAME",
    "RUN_ID",
)


@event.listens_for(Engine, "connect")
def _without_waiting_for_the_disk(connection: Any, record: object) -> None:
    """Let SQLite hand its writes to the system, and not wait until they are on the disk.

    A registry is written to hundreds of times, and each wait takes as long as ten reads. It is for
    the power to fail; what a killed process has written is there.
    """
    if isinstance(connection, sqlite3.Connection):
        connection.execute("pragma synchronous=off")


# The files that take minutes, longest first.
_LONG = (
    "loop/test_loop.py",
    "workflows/test_deploy.py",
    "registry/test_release.py",
    "workflows/test_scenarios_defects.py",
    "workflows/test_scenarios.py",
    "behaviour/test_limits.py",
    "unit/serve/test_stopping.py",
    "pipeline/test_retrain.py",
    "registry/test_unity_catalog.py",
    "pipeline/test_tasks.py",
    "unit/spark/test_session.py",
    "workflows/test_comment.py",
    "pipeline/test_mlproject.py",
    "workflows/test_retrain.py",
    "behaviour/test_monitor.py",
    "pipeline/test_other_tables.py",
    "unit/test_release_failures.py",
    "unit/spark/test_cluster.py",
    "pipeline/test_git_layouts.py",
    "pipeline/test_tune.py",
    "pipeline/test_init.py",
    "workflows/test_real_review.py",
    "unit/alerts/test_firing.py",
    "unit/orchestration/test_engines.py",
    "pipeline/test_clones.py",
    "unit/test_baseline.py",
    "unit/test_compare.py",
    "unit/monitor/test_run.py",
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the variants for the night, and begin with the longest files.

    One worker would be left with these at the end. What is long is slow as well.
    """
    if not EXHAUSTIVE:
        left_out = [item for item in items if item.get_closest_marker("exhaustive")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("exhaustive")]
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker("slow")
    rank = {ROOT / "tests" / name: place for place, name in enumerate(_LONG)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


def pytest_collection_finish() -> None:
    """Look for garbage seldom, and not in what was imported: it took 7% of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail where a test is skipped that lacks a program, and nothing may be lacking.

    Such a test says how to install the program. Locally it is skipped; where everything is
    installed first, a test that is not run proves nothing and would go unseen.
    """
    report = yield
    if report.skipped and os.environ.get(NOTHING_LACKING) and "install" in str(report.longrepr):
        report.outcome = "failed"
        report.longrepr = f"{NOTHING_LACKING} is set, and this test was skipped: {report.longrepr}"
    return report


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep tests off the user's MLflow server, and one test's store out of the next test."""
    forget_server(monkeypatch)


def forget_server(patch: pytest.MonkeyPatch) -> None:
    """Take from the environment what MLflow is told there, and what it will write there itself."""
    patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    for name in _MLFLOW:
        # MLflow sets these itself: what is set first and deleted then is restored in the end.
        patch.setenv(f"MLFLOW_{name}", "")
        patch.delenv(f"MLFLOW_{name}")


@pytest.fixture(scope="session")
def settings() -> Params:
    """Return the parameters of the example."""
    return params.load(PARAMS)


@pytest.fixture(scope="session")
def customers(settings: Params) -> pd.DataFrame:
    """Return 600 customers as `prepare` has checked them; tests do not change them."""
    from churn.data import synthesize  # with scipy.stats, which a release does not wait for

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


@pytest.fixture(scope="session")
def planned(customers: pd.DataFrame) -> pd.DataFrame:
    """Return customers with a category: two plans, three customers of a third, some of none."""
    plan = pd.Series(np.where(customers["total_orders"] > 10, "gold", "basic"), dtype="str")
    plan[::7] = np.nan
    plan[:3] = "trial"
    return customers.assign(plan=plan)


@pytest.fixture(scope="session")
def small(settings: Params) -> Params:
    """Return parameters for a model that takes a plan and fits in a moment."""
    overrides = {
        "data.categorical": ["plan"],
        "model.hyperparameters": {"max_iter": 15, "max_depth": 3, "min_samples_leaf": 20},
        "decision.strategy": "fixed",
        "decision.threshold": 0.4,
        "decision.folds": 2,  # nobody looks at what is out of fold
    }
    return params.load(PARAMS, overrides)


@pytest.fixture(scope="session")
def model(planned: pd.DataFrame, small: Params) -> Model:
    """Return a fitted model."""
    from churn.stages import train

    return train.fit(planned, small).model


@pytest.fixture(scope="session")
def stored(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the fitted model; tests do not change it."""
    from churn.model import artifact

    folder = tmp_path_factory.mktemp("stored") / "model"
    artifact.save(model, folder)
    return folder


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return MLflow's database without runs; its migrations take seconds, a copy of it none.

    From then on an empty database of which MLflow makes a store is a copy of this one.
    """
    from mlflow.store.db import utils

    from churn.tracking import connection

    def make(folder: Path) -> None:
        folder.mkdir()
        with pytest.MonkeyPatch.context() as there:
            there.chdir(folder)
            connection.mlflow.MlflowClient("sqlite:///mlflow.db").search_experiments()

    database = once.made(tmp_path_factory.mktemp("store"), "empty-store", make) / "mlflow.db"
    migrate, last = utils._initialize_tables, functools.cache(utils._get_latest_schema_revision)

    def copy(engine: Engine) -> None:
        if engine.dialect.name != "sqlite" or not utils._is_empty_database(engine):
            migrate(engine)
            return
        with closing(sqlite3.connect(database)) as kept, closing(engine.raw_connection()) as fresh:
            kept.backup(fresh.driver_connection)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utils, "_get_latest_schema_revision", last)
        patch.setattr(utils, "_initialize_tables", copy)
        yield database
