"""The plots in dvc.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from churn.core import params
from churn.core.document import parse
from churn.core.params import MulticlassDecision, RegressionDecision, TaskName
from churn.evaluation import tasks
from churn.evaluation.metric_names import TITLES
from churn.evaluation.tasks import Scored
from churn.evaluation.tasks.multiclass import Multiclass
from churn.evaluation.tasks.regression import Regression
from churn.init import plots
from tests.binary import BINARY
from tests.conftest import ROOT

MULTICLASS = Multiclass(MulticlassDecision(folds=5, max_rows=100), ("a", "b", "c"))
SHIPPED = (ROOT / "dvc.yaml").read_text()


def listed(task: TaskName) -> dict[str, Any]:
    """Return the plots of a task by their file."""
    [(_, entries)] = parse(plots.section(task)).items()
    return {Path(file).stem: plot for one in entries for plot in one.values() for file in plot["y"]}


def test_those_of_the_projects_task_are_there() -> None:
    task = params.load(ROOT / "params.yaml").task
    assert SHIPPED.endswith(plots.section(task))


def test_they_are_replaced_and_brought_back(tmp_path: Path) -> None:
    file = tmp_path / "dvc.yaml"
    file.write_text(SHIPPED)
    plots.write(file, "binary")
    before = file.read_text()
    plots.write(file, "regression")
    changed = file.read_text()
    assert parse(changed)["stages"] == parse(before)["stages"]
    assert "residuals.json" in changed and "roc.json" not in changed
    plots.write(file, "binary")
    assert file.read_text() == before


def test_a_file_without_plots_stays(tmp_path: Path) -> None:
    file = tmp_path / "dvc.yaml"
    file.write_text("stages: {}\n")
    plots.write(file, "regression")
    assert file.read_text() == "stages: {}\n"


def points(task: TaskName) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    if task == "regression":
        decision = RegressionDecision(
            coverage=0.9, cost_too_low=1.0, cost_too_high=1.0, folds=5, max_rows=100
        )
        y = rng.normal(size=100)
        return tasks.of(decision).plots(y, Scored(y + rng.normal(size=100), 1.0))
    if task == "multiclass":
        y, p = rng.integers(0, 3, 100), rng.dirichlet([1, 1, 1], 100)
        return MULTICLASS.plots(y, Scored(p, (1.0, 1.0, 1.0)))
    y = rng.integers(0, 2, 100)
    return BINARY.plots(y, Scored(rng.random(100), 0.5))


@pytest.mark.parametrize("task", ["binary", "regression", "multiclass"])
def test_each_plot_of_a_task_is_listed_with_columns_that_it_has(task: TaskName) -> None:
    shown = listed(task)
    found = points(task)
    assert {*shown} == {*found, "importance", "reasons"}
    for name, rows in found.items():
        assert {shown[name]["x"], *shown[name]["y"].values()} <= {*rows[0]}
        assert all(isinstance(shown[name][key], str) for key in ("title", "x_label", "y_label"))


@pytest.mark.parametrize("task", ["binary", "regression", "multiclass"])
def test_importance_is_named_after_the_metric_that_is_lost(task: TaskName) -> None:
    quality = {"binary": BINARY, "multiclass": MULTICLASS}.get(task, Regression)
    assert (
        listed(task)["importance"]["x_label"] == f"Loss of {TITLES[quality.quality]} when shuffled"
    )
