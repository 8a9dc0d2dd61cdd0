"""What kind of target a column is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from churn.core import params
from churn.core.errors import DataError, ParamsError
from churn.core.params import FAMILIES, METRICS, CsvParams, TaskName
from churn.init import tasks
from churn.init.asking import Asker
from churn.init.decisions import written
from churn.init.reading import RawTable
from churn.init.table import Table, Wishes, describe
from tests.conftest import PARAMS


def understood(labels: list[Any], **wishes: Any) -> Table:
    labels = (labels * 200)[:200]
    rng = np.random.default_rng(0)
    cells = pd.DataFrame(
        {
            "client": [f"C{i}" for i in range(len(labels))],
            "x": rng.normal(size=len(labels)).round(4).astype(str),
            "goal": [str(label) for label in labels],
        }
    ).astype("str")
    asker = Asker("a.csv", yes=True, has_terminal=False)
    wishes = {"target": "goal"} | wishes
    found = describe(RawTable(cells, CsvParams(), {}), Wishes(**wishes), asker)
    asker.finish("")
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("labels", "task", "said"),
    [
        (["yes", "no", "no", "no"], "binary", "two values; yes in 25.0% of the rows"),
        ([0.5, 1.5, 2.5], "regression", "numbers from 0.5 to 2.5, 1.495 on average"),
        (list(range(50)), "regression", "numbers from 0 to 49, 24.5 on average"),
        (["low", "mid", "mid", "high"], "multiclass", "3 classes: high 25.0%, low 25.0%, mid"),
    ],
)
def test_the_values_tell_the_task(labels: list[Any], task: str, said: str) -> None:
    found = understood(labels)
    assert found.target.task == task
    assert found.labels.startswith(said)


@pytest.mark.slow
def test_a_few_whole_numbers_may_be_either() -> None:
    with pytest.raises(ParamsError, match="5 whole numbers, which may be classes: name --task"):
        understood([1, 2, 3, 4, 5])
    classes = understood([10, 9, 2], task="multiclass").target
    assert classes.settings == {"positive": None, "classes": [2, 9, 10]}
    assert understood([1, 2, 3, 4, 5], task="regression").target.task == "regression"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("labels", "task", "problem"),
    [
        (["low", "mid", "high"], "regression", "does not hold a number in each row"),
        (
            ["low", "mid", "high"],
            "binary",
            "3 values (high, low, mid); --task binary has two",
        ),
        (["yes", "no"], "multiclass", "holds 2 values (no, yes); classes are 3 to 20"),
        ([f"w{i}" for i in range(60)], None, "60 different values; a target has two values"),
        (["same"], None, "is 'same' in every row; there is nothing to predict"),
        (["yes", ""], None, "is empty in 100 rows"),
    ],
)
def test_a_target_of_another_kind_is_refused(
    labels: list[Any], task: TaskName | None, problem: str
) -> None:
    with pytest.raises(DataError) as raised:
        understood(labels, task=task)
    assert problem in str(raised.value).replace("(mid, low, high)", "(high, low, mid)").replace(
        "(yes, no)", "(no, yes)"
    ).replace("(low, mid, high)", "(high, low, mid)")


@pytest.mark.slow
def test_a_copy_of_a_number_is_left_out() -> None:
    numbers = [float(i) for i in range(200)]
    cells = pd.DataFrame(
        {
            "client": [f"C{i}" for i in range(200)],
            "double": [str(2 * number) for number in numbers],
            "noise": np.random.default_rng(0).normal(size=200).round(4).astype(str),
            "goal": [str(number + 0.5) for number in numbers],
        }
    ).astype("str")
    asker = Asker("a.csv", yes=True, has_terminal=False)
    found = describe(RawTable(cells, CsvParams(), {}), Wishes(target="goal"), asker)
    assert "tells goal alone" in found.left_out["double"]
    assert list(found.used) == ["noise"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "told"), [("regression", "rank correlation 1.000"), ("binary", "ROC AUC 1.000")]
)
def test_what_tells_the_target_alone_is_told_in_its_measure(task: TaskName, told: str) -> None:
    rng = np.random.default_rng(0)
    goal = rng.normal(size=200).round(4)
    goal = goal if task == "regression" else (goal > 0).astype(int)
    cells = pd.DataFrame(
        {
            "client": [f"C{i}" for i in range(200)],
            "x": rng.normal(size=200).round(4).astype(str),
            "goal": goal.astype(str),
            "twin": (2 * goal).astype(str),
        }
    ).astype("str")
    asker = Asker("a.csv", yes=True, has_terminal=False)
    wishes = Wishes(target="goal", positive="1" if task == "binary" else None)
    found = describe(RawTable(cells, CsvParams(), {}), wishes, asker)
    assert found.target.task == task
    assert found.left_out["twin"] == f"tells goal alone ({told}): a copy of it"


def test_limits_of_two_classes_are_those_that_are_shipped() -> None:
    gates, needs = params.load(PARAMS).gates, tasks.NEEDS["binary"]
    assert needs.margins == gates.margins
    assert needs.slice_margins == gates.slice_margins
    assert set(needs.minima) == set(gates.minima)


@pytest.mark.slow
@pytest.mark.parametrize("first", ["regression", "multiclass"])
def test_params_are_valid_for_each_task_and_back(first: TaskName, tmp_path: Any) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(PARAMS.read_text())
    shipped = params.load(file)
    classes: dict[TaskName, list[str]] = {"multiclass": ["a", "b", "c"]}
    for task in (first, "binary"):
        settings = params.load(file)
        decided = list(tasks.decide(task, settings))
        for key, value in {
            "positive": 1 if task == "binary" else None,
            "classes": classes.get(task, []),
        }.items():
            decided.append(tasks.Decision(("data", key), value))
        decided.append(tasks.Decision(("evaluation", "slices", "protected"), []))
        file.write_text(written(file.read_text(), decided))
        settings = params.load(file)
        assert settings.task == task
        assert settings.model.family in FAMILIES[task]
        assert set(settings.gates.margins) <= set(METRICS[task])
    listed = {c.check for suite in shipped.checks.suites.values() for c in suite}
    assert {c.check for suite in settings.checks.suites.values() for c in suite} == listed
    assert settings.decision.model_dump().keys() == shipped.decision.model_dump().keys()
