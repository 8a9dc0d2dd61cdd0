"""A metric stands in several lists (docs/architecture.md, "Changing it"): they have to agree."""

from __future__ import annotations

import re
from typing import get_args

import numpy as np
import pytest

from churn.core.params import (
    METRICS,
    GatedName,
    MetricName,
    MulticlassDecision,
    RegressionDecision,
    TaskName,
)
from churn.evaluation import tasks, weighted
from churn.evaluation.metric_names import RANKINGS, SMALLER_IS_BETTER, TITLES
from churn.evaluation.tasks import Scored, Task
from tests.binary import BINARY

NAMES = set(TITLES)
LIMITS = {"folds": 5, "max_rows": 1000}
# By task: itself, labels and predictions.
TASKS: dict[TaskName, tuple[Task, np.ndarray, Scored]] = {
    "binary": (BINARY, np.array([0, 1, 1, 0]), Scored(np.array([0.1, 0.8, 0.4, 0.3]), 0.5)),
    "regression": (
        tasks.of(RegressionDecision(**LIMITS)),
        np.array([1.0, 2.0, 4.0, 3.0]),
        Scored(np.array([1.5, 2.0, 3.0, 3.5]), 1.0),
    ),
    "multiclass": (
        tasks.of(MulticlassDecision(**LIMITS), ("a", "b", "c")),
        np.array([0, 1, 2, 2]),
        Scored(
            np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.1, 0.2, 0.7], [0.5, 0.2, 0.3]]),
            (1.0, 1.0, 1.0),
        ),
    ),
}


def names(annotation: object) -> set[str]:
    """Return the literals of a type, those of the literals in it included."""
    return set(re.findall(r"'(\w+)'", str(get_args(annotation))))


@pytest.mark.parametrize(
    ("where", "found", "expected"),
    [
        (
            "RATIOS in evaluation/weighted.py, or RANKINGS",
            set(weighted.RATIOS) | (RANKINGS & set(METRICS["binary"])),
            set(METRICS["binary"]),
        ),
        ("MetricName in core/params/names.py", names(MetricName), NAMES),
        ("METRICS in core/params/names.py", set().union(*METRICS.values()), NAMES),
        (
            "GatedName in core/params/names.py, or SMALLER_IS_BETTER",
            names(GatedName) | SMALLER_IS_BETTER,
            NAMES,
        ),
    ],
)
def test_each_metric_is_in(where: str, found: set[str], expected: set[str]) -> None:
    assert found == expected, f"{where}: not the metrics of TITLES"


@pytest.mark.parametrize("name", TASKS)
def test_a_task_measures_and_compares_the_metrics_that_params_yaml_may_name(name: TaskName) -> None:
    task, y, scored = TASKS[name]
    assert set(task.metrics) == set(METRICS[name])
    assert set(task.measure(y, scored).values) == set(METRICS[name])
    weights = task.weighted(y, scored)
    assert list(weights.metrics(np.ones((4, 1)))) == list(task.metrics)
    assert list(weights.influence()) == list(task.metrics)
    assert task.quality in METRICS[name]


def test_each_task_has_an_example() -> None:
    assert set(TASKS) == set(get_args(TaskName)) == set(METRICS)


@pytest.mark.parametrize("name", TASKS)
def test_what_changes_with_the_rule_is_no_ranking_and_no_score(name: TaskName) -> None:
    task, *_ = TASKS[name]
    # The rule of a predicted number is the width of its interval, which no metric depends on.
    ruled = set() if name == "regression" else set(task.metrics) - RANKINGS - {"log_loss", "brier"}
    assert set(task.at_rule) == ruled


def test_a_minimum_is_for_what_is_better_if_it_is_more() -> None:
    assert not names(GatedName) & SMALLER_IS_BETTER
