"""Whether the results that a commit names are those that its inputs give."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from churn import baseline, committed
from churn.errors import IncomparableError
from churn.paths import Workspace
from tests.unit.repositories import commit, write

METRICS = {"threshold": 0.2, "test": {"roc_auc": 0.8, "precision": None}}
LOCK = "stages:\n  train:\n    outs:\n    - {{path: build/model, md5: {}}}\n"
PROBABILITY = np.linspace(0, 1, 100)


@pytest.fixture
def workspace(repository: Path) -> Workspace:
    """Return a repository whose commit names what is there."""
    write(repository, {
        "reports/metrics.json": json.dumps(METRICS), "dvc.lock": LOCK.format("a" * 32),
        "params.yaml": "", ".gitignore": "/build\n",
    })  # fmt: skip
    commit(repository)
    there = Workspace(repository)
    there.predictions("test").parent.mkdir(parents=True)
    pd.DataFrame({"probability": PROBABILITY}).to_parquet(there.predictions("test"))
    return there


def says(monkeypatch: pytest.MonkeyPatch, probability: np.ndarray | Exception | None) -> None:
    """Let the model that the commit names say something."""

    class Model:
        def predict(self, rows: Path) -> pd.DataFrame:
            if isinstance(probability, Exception):
                raise probability
            return pd.DataFrame({"probability": probability})

    @contextmanager
    def stored(*_: Any) -> Iterator[Model | None]:
        yield None if probability is None else Model()

    monkeypatch.setattr(baseline, "stored_at", stored)


def test_where_the_commit_names_what_is_there_nothing_is_foreign(workspace: Workspace) -> None:
    assert committed.foreign(workspace) == []


@pytest.mark.parametrize(
    ("measured", "wrong"), [(0.8049, False), (0.81, True), (0.7, True), (None, True)]
)
def test_metrics_are_compared_with_room_for_rounding(
    measured: float | None, wrong: bool, workspace: Workspace
) -> None:
    other = METRICS | {"test": {"roc_auc": measured, "precision": None}}
    workspace.metrics.write_text(json.dumps(other))
    found = committed.foreign(workspace)
    assert bool(found) == wrong
    assert not wrong or f"ROC AUC of the test rows is {measured}, not 0.8" in found[0]


@pytest.mark.parametrize(
    ("probability", "wrong"),
    [
        (PROBABILITY, False),
        (PROBABILITY + 0.0005, False),
        (np.where(np.arange(100) == 7, 0.9, PROBABILITY), False),  # a tree that split differently
        (np.where(np.arange(100) < 2, 0.9, PROBABILITY), True),
        (PROBABILITY[::-1], True),
        (np.full(100, np.nan), True),
        (IncomparableError("takes another column"), True),
        (None, False),
    ],
    ids=[
        "same",
        "rounded",
        "one row",
        "two rows",
        "another",
        "no numbers",
        "fails",
        "nobody has it",
    ],
)
def test_another_model_is_asked_what_it_says(
    probability: Any, wrong: bool, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.dvc_lock.write_text(LOCK.format("b" * 32))
    says(monkeypatch, probability)
    found = committed.foreign(workspace)
    assert bool(found) == wrong
    assert all(one.startswith("build/model: ") for one in found)


def test_what_is_not_committed_yet_is_not_judged(workspace: Workspace) -> None:
    workspace.metrics.write_text(json.dumps(METRICS | {"test": {"roc_auc": 0.1}}))
    write(workspace.root, {"params.yaml": "changed: 1\n"})
    assert committed.foreign(workspace) == []


@pytest.mark.parametrize("text", ["", "[]", "{", "stages: 3"])
def test_a_committed_lock_that_is_none_names_no_model(text: str, workspace: Workspace) -> None:
    lock = workspace.dvc_lock.read_text()
    workspace.dvc_lock.write_text(text)
    commit(workspace.root)
    workspace.dvc_lock.write_text(lock)
    assert committed.foreign(workspace) == []
