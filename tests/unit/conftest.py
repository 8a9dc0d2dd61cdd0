"""An MLflow store and a git repository of its own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pandas as pd
import pytest

from churn.provenance.git import git
from tests.unit import releases
from tests.unit.releases import Candidates
from tests.unit.repositories import commit, write

# The same examples each time, however busy the machine is.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.load_profile("repeatable")


@pytest.fixture
def store(empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Work in a folder with an MLflow store of its own, and forget it afterwards."""
    from churn.tracking import connection

    shutil.copy(empty_store, tmp_path / "mlflow.db")
    monkeypatch.chdir(tmp_path)
    connection.mlflow.set_tracking_uri(None)
    yield tmp_path
    connection.mlflow.set_tracking_uri(None)


def as_somebody(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let git know who commits, and nothing above `folder`."""
    patch.setenv("GIT_CEILING_DIRECTORIES", str(folder))
    patch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    for who in ("AUTHOR", "COMMITTER"):
        patch.setenv(f"GIT_{who}_NAME", "test")
        patch.setenv(f"GIT_{who}_EMAIL", "test@example.org")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a git repository with one commit, on `main`."""
    as_somebody(monkeypatch, tmp_path)
    root = tmp_path / "repository"
    root.mkdir()
    git(root, "init", "--quiet", "--initial-branch=main")
    files = {"params.yaml": "a: 1\n", "src/churn/x.py": "x = 1\n", "README.md": "hello\n"}
    write(root, {**files, ".gitignore": "*.pyc\n/build\n/reports/report.*\n"})
    commit(root)
    return root


@pytest.fixture(scope="session")
def _both(
    customers: pd.DataFrame, empty_store: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Two commits with their candidates, the first of them released; tests copy it."""
    from churn.tracking import connection

    folder = tmp_path_factory.mktemp("released")
    connection.mlflow.set_tracking_uri(
        None
    )  # an earlier test's store, which counts before a variable
    with pytest.MonkeyPatch.context() as patch:
        as_somebody(patch, folder)
        patch.chdir(folder)
        shutil.copy(empty_store, folder / "mlflow.db")
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
        releases.make(folder, customers)
        connection.mlflow.set_tracking_uri(None)
    return folder


@pytest.fixture
def candidates(
    _both: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Candidates]:
    """Two commits with their candidates, and a registry in which nothing is yet.

    The integration tests of a served model have tests of their own; here they pass.
    """
    from churn.deploy import integration
    from churn.tracking import connection

    as_somebody(monkeypatch, tmp_path)
    shutil.copytree(_both, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    connection.mlflow.set_tracking_uri(None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.setattr(integration, "run", lambda *_: releases.PASSED)
    yield Candidates((tmp_path / "first", tmp_path / "second"))
    connection.mlflow.set_tracking_uri(None)
