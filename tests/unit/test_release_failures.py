"""A write to the registry fails, or is the last one before the process dies: a table.

Whatever happens, there is a whole version in Production, and the same command started again
finishes. By default the process is killed at each write of an alias, at one of each other kind that
makes or moves a version, and at the last of all. With CHURN_TESTS_EXHAUSTIVE it is killed at each
write, and each is refused, and lost.
"""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.exceptions import MlflowException

from churn.core import params
from churn.core.errors import ChurnError
from churn.core.paths import Workspace
from churn.deploy import promotion
from churn.registry import Registry, Version, lock
from tests.exhaustive import EXHAUSTIVE, rest_by_night
from tests.unit import releases
from tests.unit.releases import Candidates

WRITES = (
    "log_artifacts",
    "create_registered_model",
    "delete_registered_model",
    "create_model_version",
    "set_model_version_tag",
    "delete_model_version_tag",
    "set_registered_model_alias",
    "delete_registered_model_alias",
    "transition_model_version_stage",
)


class KilledError(BaseException):
    """The process is dead: nothing that would tidy up may catch it."""


@contextmanager
def failing(at: int, how: str) -> Iterator[list[str]]:
    """Let the write of a number fail; give the names of those that were begun.

    `how`: ``refused`` before the server has done it, ``lost`` when it has, ``killed`` before, and
    nothing can be written afterwards.
    """
    begun: list[str] = []

    def wrap(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(real)
        def write(*arguments: Any, **options: Any) -> Any:
            begun.append(name)
            if how == "killed" and len(begun) >= at:
                raise KilledError(name)
            if len(begun) != at:
                return real(*arguments, **options)
            if how == "lost":
                real(*arguments, **options)
                raise MlflowException(f"{name} timed out")  # and the registry answers again
            raise MlflowException(f"{name} failed")

        return write

    with pytest.MonkeyPatch.context() as patch:
        for name in WRITES:
            patch.setattr(mlflow.MlflowClient, name, wrap(name, getattr(mlflow.MlflowClient, name)))
        # Each attempt is a process in truth, and here all are this one.
        patch.setattr(lock, "is_alive", lambda pid: False)
        patch.setattr(lock, "SETTLE_S", 0)
        yield begun


@pytest.fixture
def second(released: Candidates) -> Candidates:
    """The first version is in Production, and the second candidate was compared with it."""
    workspace = Workspace(released.roots[1])
    releases.judge(workspace, params.load(workspace.params))
    return released


@contextmanager
def restored(database: Path) -> Iterator[Callable[[], None]]:
    """Give what puts a database back to what it is now."""
    with sqlite3.connect(":memory:") as kept, sqlite3.connect(database) as live:
        live.backup(kept)
        yield lambda: kept.backup(live)


KINDS = (
    "create_model_version",
    "set_model_version_tag",
    "delete_model_version_tag",
    "transition_model_version_stage",
)


def places(writes: list[str]) -> list[int]:
    """Return which writes fail, counted from 1."""
    if EXHAUSTIVE:
        return [*range(1, len(writes) + 1)]
    switches = [at for at, name in enumerate(writes, 1) if name == "set_registered_model_alias"]
    return sorted({*switches, *(writes.index(name) + 1 for name in KINDS), len(writes)})


def require_sound(registry: Registry) -> Version:
    """Return the version in Production, whose bytes are whole."""
    version = registry.production()
    assert version is not None
    promotion.require_unchanged_files(registry, version)
    return version


def require_in_step(registry: Registry, champion: int, previous: int | None) -> None:
    versions = {version.number: version for version in registry.versions()}
    assert {n for n, v in versions.items() if v.stage == "Production"} == {champion}
    assert {n for n, v in versions.items() if "champion" in v.aliases} == {champion}
    assert {n for n, v in versions.items() if "previous" in v.aliases} == (
        set() if previous is None else {previous}
    )
    assert not [n for n, v in versions.items() if "pending" in v.tags]


@pytest.mark.long
@pytest.mark.parametrize("how", rest_by_night(["refused", "lost", "killed"], ["killed"]))
def test_whatever_write_fails_production_stays_whole_and_the_next_try_finishes(
    how: str, second: Candidates, tmp_path: Path
) -> None:
    registry = second.registry
    with restored(tmp_path / "mlflow.db") as restore:
        with failing(0, "never") as writes:
            second.release(2)
        assert {"create_model_version", "set_registered_model_alias", "log_artifacts"} <= set(
            writes
        )
        for at in places(writes):
            restore()
            step = f"{how} at write {at} of {writes}"
            with failing(at, how):
                with suppress(ChurnError, KilledError):
                    second.release(2)
                assert require_sound(registry).number in (1, 2), step
                assert "Production" in {v.stage for v in registry.versions()}, step
                if how != "killed":
                    # Put back, or through: nothing that nobody has seen work.
                    champion = require_sound(registry)
                    assert champion.tags["smoke"] == "passed", step
            with failing(0, "never"):  # another process, and the first one is no more
                second.release(2)
            champion = require_sound(registry)
            assert champion.digest == second.digest(2), step
            require_in_step(registry, champion.number, 1)
