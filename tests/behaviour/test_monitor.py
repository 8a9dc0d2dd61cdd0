"""How often the monitor is wrong, with the shipped parameters and a real model."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from churn.core.params import MulticlassDecision, Params, RegressionDecision, TaskName
from churn.data import synthesize
from churn.evaluation import reference as references
from churn.evaluation import tasks
from churn.evaluation.tasks import Scored
from churn.init import tasks as init_tasks
from churn.monitor import performance
from churn.monitor.counting import Counts
from churn.monitor.measuring import Measurer
from churn.monitor.results import Measure
from churn.stages import train as train_stage
from tests.exhaustive import EXHAUSTIVE

pytestmark = pytest.mark.long

POOL = 200_000


def population(seed: int, drift: float = 0.0, rows: int = POOL) -> pd.DataFrame:
    return pd.concat(
        [part.to_pandas() for part in synthesize.customers(rows, seed, drift)], ignore_index=True
    )


def of_task(task: TaskName, settings: Params) -> Params:
    """Return the shipped parameters for another question about the same customers."""
    if task == "binary":
        return settings
    needs, classes = init_tasks.NEEDS[task], ("low", "mid", "high")
    decision = {"regression": RegressionDecision, "multiclass": MulticlassDecision}[task]
    # A margin of a number is a part of its spread, which is about 90 here.
    scale = 90.0 if needs.relative else 1.0
    return settings.model_copy(
        update={
            "task": task,
            "data": settings.data.model_copy(
                update={
                    "positive": None,
                    "classes": classes if task == "multiclass" else (),
                }
            ),
            "decision": decision.model_validate(needs.decision),
            "gates": settings.gates.model_copy(
                update={"margins": {name: of * scale for name, of in needs.margins.items()}}
            ),
        }
    )


def asked(task: TaskName, customers: pd.DataFrame) -> pd.DataFrame:
    """Return what became of the customers: who left, what they spent, or how that ranks."""
    if task == "binary":
        return customers
    rng = np.random.default_rng(len(customers))
    spent = 50 + 0.2 * customers["monetary_value"].fillna(0) - customers["recency_days"].fillna(0)
    spent += rng.normal(0, 15, len(customers))
    if task == "multiclass":
        return customers.assign(churned=np.searchsorted([0.0, 60.0], spent))
    return customers.assign(churned=spent)


class World:
    """A model trained on 8,000 customers, with its reference, and populations with its scores."""

    def __init__(self, task: TaskName, shipped: Params) -> None:
        self.name = task
        self.settings = settings = of_task(task, shipped)
        self.task = tasks.of_params(settings)
        train, test = (
            asked(task, population(seed, rows=rows)) for seed, rows in ((7, 8000), (8, 2000))
        )
        self.model = train_stage.fit(train, settings).model
        self.reference = references.describe(
            train,
            test,
            self.task,
            test["churned"].to_numpy(),
            Scored(self.model.scores(test), self.model.card.rule),
            self.model.card,
            settings.evaluation.slices,
        )
        self.measurer = Measurer(
            self.reference,
            settings.monitor.effects,
            settings.gates.margins,
            self.task,
            settings.monitor.false_alarms,
        )

    def scored(self, customers: pd.DataFrame) -> pd.DataFrame:
        table = asked(self.name, customers)
        return pd.concat([table, self.model.predict(table)], axis=1)

    def over(self, table: pd.DataFrame) -> list[Measure]:
        counts = Counts(self.reference, frozenset(self.settings.data.inputs))
        counts.add(pa.Table.from_pandas(table, preserve_index=False), None)
        measures = [*self.measurer.measure(counts), *self.measurer.estimate(counts)[1]]
        assert len(measures) > 20
        return [measure for measure in measures if measure.is_over]

    def with_labels(self, table: pd.DataFrame) -> list[Measure]:
        labelled = table.rename(columns={"churned": "y"}).assign(day="2026-01-01")
        found = performance.measure(labelled, 0, self.reference, self.measurer, self.task, 50)
        assert len(found.measures) == len(self.settings.gates.margins)
        return [measure for measure in found.measures if measure.is_over]

    def turned(self, table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        """Let one of five customers do the opposite of what such customers did before."""
        y, who = table["churned"], rng.random(len(table)) < 0.2
        opposite = {"binary": 1 - y, "multiclass": 2 - y, "regression": 2 * y.mean() - y}
        return table.assign(churned=np.where(who, opposite[self.name], y))


@pytest.fixture(
    scope="module",
    params=[
        "binary",
        pytest.param("regression", marks=pytest.mark.exhaustive),
        pytest.param("multiclass", marks=pytest.mark.exhaustive),
    ],
)
def world(request: pytest.FixtureRequest, settings: Params) -> World:
    return World(request.param, settings)


@pytest.fixture(scope="module")
def same(world: World) -> pd.DataFrame:
    return world.scored(population(91))


def windows(table: pd.DataFrame, rows: int, count: int) -> Iterator[pd.DataFrame]:
    """Yield samples of different customers each."""
    rng = np.random.default_rng(rows)
    for _ in range(count):
        yield table.iloc[rng.choice(len(table), rows, replace=False)].reset_index(drop=True)


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(200, marks=pytest.mark.exhaustive),
        2000,
        pytest.param(20_000, marks=pytest.mark.exhaustive),
    ],
)
def test_the_same_population_is_no_alarm(rows: int, world: World, same: pd.DataFrame) -> None:
    count = 200 if EXHAUSTIVE else 40
    alarms = [world.over(window) for window in windows(same, rows, count)]
    wrong = sum(map(bool, alarms))
    assert wrong <= count * 0.05, [measure.name for found in alarms for measure in found]


def test_three_months_of_drift_are_an_alarm(world: World) -> None:
    moved = world.scored(population(92, drift=3))
    found = sum(bool(world.over(window)) for window in windows(moved, 2000, 100))
    assert found >= 95


@pytest.mark.exhaustive
def test_labels_of_the_same_population_are_no_alarm(world: World, same: pd.DataFrame) -> None:
    wrong = sum(bool(world.with_labels(window)) for window in windows(same, 1000, 200))
    assert wrong <= 200 * 0.05


def test_a_changed_relation_is_found_with_labels_and_only_then(
    world: World, same: pd.DataFrame
) -> None:
    rng = np.random.default_rng(5)
    found = 0
    for window in windows(same, 1000, 40):
        changed = world.turned(window, rng)
        assert world.over(changed) == []
        found += bool(world.with_labels(changed))
    assert found >= 38
