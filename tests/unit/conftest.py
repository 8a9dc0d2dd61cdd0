"""An MLflow store and a git repository of its own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hypothesis
import pandas as pd
import pytest

from churn.provenance.git import git
from tests import once, warm
from tests.conftest import forget_server
from tests.exhaustive import EXHAUSTIVE
from tests.unit import releases
from tests.unit.releases import Candidates
from tests.unit.repositories import commit, write

# The same examples each time, however busy the machine is; more of them every night.
hypothesis.settings.register_profile(
    "repeatable", derandomize=True, deadline=None, max_examples=100 if EXHAUSTIVE else 50
)
hypothesis.settings.load_profile("repeatable")


@pytest.fixture
def store(empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Work in a folder with an MLflow store of its own, and forget it afterwards."""
    with store_in(tmp_path, empty_store, monkeypatch):
        yield tmp_path


@contextmanager
def store_in(folder: Path, empty_store: Path, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Work in a folder with an MLflow store."""
    from churn.tracking import connection

    forget_server(patch)
    shutil.copy(empty_store, folder / "mlflow.db")
    patch.chdir(folder)
    connection.mlflow.set_tracking_uri(None)
    try:
        yield
    finally:
        connection.mlflow.set_tracking_uri(None)


def as_somebody(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let git know who commits, and nothing above `folder`."""
    patch.setenv("GIT_CEILING_DIRECTORIES", str(folder))
    patch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    for who in ("AUTHOR", "COMMITTER"):
        patch.setenv(f"GIT_{who}_NAME", "test")
        patch.setenv(f"GIT_{who}_EMAIL", "test@example.org")


@pytest.fixture(scope="session")
def _repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make it once: four programs are started for it."""
    root = tmp_path_factory.mktemp("repository") / "repository"
    with pytest.MonkeyPatch.context() as patch:
        as_somebody(patch, root.parent)
        return new_repository(root)


@pytest.fixture
def repository(_repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a git repository with one commit, on `main`."""
    as_somebody(monkeypatch, tmp_path)
    return Path(shutil.copytree(_repository, tmp_path / "repository", symlinks=True))


def new_repository(root: Path) -> Path:
    """Make one there."""
    root.mkdir()
    git(root, "init", "--quiet", "--initial-branch=main")
    files = {"params.yaml": "a: 1\n", "src/churn/x.py": "x = 1\n", "README.md": "hello\n"}
    write(root, {**files, ".gitignore": "*.pyc\n/build\n/reports/report.*\n"})
    commit(root)
    return root


@pytest.fixture(scope="module")
def warm_programs() -> Iterator[None]:
    """Let `dvc` and `churn`, which a module starts often, start at once; see `tests.warm`."""
    with pytest.MonkeyPatch.context() as patch:
        warm.use(patch)
        yield


@pytest.fixture(scope="session")
def _both(
    customers: pd.DataFrame, empty_store: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Two commits with their candidates, and a registry in which nothing is; tests copy it."""

    def make(folder: Path) -> None:
        folder.mkdir()
        shutil.copy(empty_store, folder / "mlflow.db")
        with pytest.MonkeyPatch.context() as patch, working_in(folder, patch):
            releases.make(folder, customers)

    return once.made(tmp_path_factory.mktemp("unit"), "both", make)


@pytest.fixture(scope="session")
def _one_released(_both: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both candidates, the first of them in Production; tests copy it."""

    def make(folder: Path) -> None:
        shutil.copytree(_both, folder)
        with pytest.MonkeyPatch.context() as patch, working_in(folder, patch):
            _candidates(folder).release(1)

    return once.made(tmp_path_factory.mktemp("unit"), "released", make)


@pytest.fixture(scope="session")
def _second_tested(_one_released: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first in Production, the second in Staging with its tests passed; tests copy it."""
    folder = tmp_path_factory.mktemp("tested")
    with pytest.MonkeyPatch.context() as patch, copied(_one_released, folder, patch) as found:
        found.release(2, until="integration")
    return folder


@pytest.fixture
def candidates(
    _both: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Candidates]:
    """Two commits with their candidates, and a registry in which nothing is yet.

    The integration tests of a served model have tests of their own; here they pass.
    """
    shutil.copytree(_both, tmp_path, dirs_exist_ok=True)
    with working_in(tmp_path, monkeypatch):
        yield _candidates(tmp_path)


@pytest.fixture
def released(
    _one_released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Candidates]:
    """The same, with the first candidate in Production as version 1."""
    with copied(_one_released, tmp_path, monkeypatch) as found:
        yield found


@pytest.fixture
def tested(
    _second_tested: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Candidates]:
    """The same, with the second as version 2, which has passed its tests."""
    with copied(_second_tested, tmp_path, monkeypatch) as found:
        yield found


@contextmanager
def copied(made: Path, folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Candidates]:
    """Work in a copy of a folder with both candidates and a registry."""
    from churn.tracking import local_store

    shutil.copytree(made, folder, dirs_exist_ok=True)
    local_store.relocate_artifact_uris(folder)
    with working_in(folder, patch):
        yield _candidates(folder)


def _candidates(folder: Path) -> Candidates:
    return Candidates((folder / "first", folder / "second"))


@contextmanager
def working_in(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Work in a folder with its MLflow store, as somebody whom git knows."""
    from churn.deploy import integration
    from churn.tracking import connection

    as_somebody(patch, folder)
    forget_server(patch)
    patch.chdir(folder)
    # An earlier test's store counts before the variable.
    connection.mlflow.set_tracking_uri(None)
    patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
    patch.setattr(integration, "run", lambda *_: releases.PASSED)
    try:
        yield
    finally:
        connection.mlflow.set_tracking_uri(None)
