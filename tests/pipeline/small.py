"""A repository with a small table and a model that fits in a moment; all else in it is real."""

from __future__ import annotations

import shutil
from pathlib import Path

import yaml

from tests import once
from tests.pipeline.conftest import Clone, make_clone

CHECKS = {
    "data_integrity": [
        {"check": "IsSingleValue", "conditions": {"not_single_value": None}},
    ],
    "train_test": [
        {"check": "LabelDrift", "conditions": {"drift_score_less_than": 0.3}},
    ],
    "model": [
        {"check": "RocReport", "conditions": {"auc_greater_than": 0.6}},
    ],
}


def make_small(folder: Path) -> Clone:
    """Make one whose main has a model and a current lock; all is pushed.

    `folder` is one of pytest's.
    """
    made = once.made(folder, "small", _make)
    clone = Clone(folder / "clone", folder / "home", is_warm=True)
    shutil.copytree(made / "clone", clone.root, symlinks=True)
    clone.home.mkdir()
    return clone


def _make(folder: Path) -> None:
    commit_with_lock(make_untrained(folder), "small")


def make_untrained(folder: Path) -> Clone:
    """Make one with the small table and what suits it, and with no model; all is committed."""
    clone = make_clone(folder, is_warm=True)
    clone.run("churn", "synthesize", "--customers", "6000", "--seed", "3",
              "--output", "data/customers.csv")  # fmt: skip
    edit(clone, {
        "model.hyperparameters.max_iter": 40,
        "decision.strategy": "fixed", "decision.threshold": 0.3,
        "evaluation.slices.numeric": ["age"],
        "evaluation.importance.repeats": 1,
        "evaluation.importance.max_rows": 200,
        "checks": {"max_rows": 1000, "seed": 1, **CHECKS},
        "comparison.resamples": 1000,
        "gates.minima": {"roc_auc": 0.75},
        "gates.margins": {"roc_auc": 0.03},
        "gates.slice_margins": {"roc_auc": 0.03, "brier": 0.02},
    })  # fmt: skip
    clone.run("dvc", "add", "--quiet", "data")
    commit(clone, "small, and not trained")
    return clone


def edit(clone: Clone, values: dict) -> None:
    """Set dotted keys of params.yaml."""
    file = clone.root / "params.yaml"
    document = yaml.safe_load(file.read_text())
    for dotted, value in values.items():
        *parents, last = dotted.split(".")
        node = document
        for key in parents:
            node = node[key]
        node[last] = value
    file.write_text(yaml.safe_dump(document, sort_keys=False))


def commit_with_lock(clone: Clone, message: str) -> None:
    """Do what CONTRIBUTING asks for: run the pipeline, push, commit all of it together."""
    clone.run("dvc", "repro", "--quiet", "validate")
    clone.run("dvc", "commit", "--quiet", "--force", "track")  # its lock without a run in MLflow
    clone.run("dvc", "push", "--quiet")
    commit(clone, message)


def commit(clone: Clone, message: str) -> None:
    clone.git("add", "--all")
    clone.git("commit", "--quiet", "--allow-empty", "--message", message)
