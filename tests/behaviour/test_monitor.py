"""How often the monitor is wrong, with the shipped parameters and a real model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from churn.core.params import Params
from churn.data import schema, synthesize
from churn.evaluation import reference as references
from churn.evaluation.tasks import Scored
from churn.monitor import performance
from churn.monitor.counting import Counts
from churn.monitor.measuring import Measurer
from churn.monitor.results import Measure
from churn.stages import train as train_stage
from tests.binary import BINARY

pytestmark = pytest.mark.long

POOL = 200_000


def population(seed: int, drift: float = 0.0, rows: int = POOL) -> pd.DataFrame:
    return pd.concat(
        [part.to_pandas() for part in synthesize.customers(rows, seed, drift)], ignore_index=True
    )


class World:
    """A model trained on 8,000 customers, with its reference, and populations with its scores."""

    def __init__(self, settings: Params) -> None:
        self.settings = settings
        train, test = population(7, rows=8000), population(8, rows=2000)
        self.model = train_stage.fit(
            schema.validate(train, settings.data, Path("customers.csv")), settings
        ).model
        self.reference = references.describe(
            train,
            test,
            BINARY,
            test["churned"].to_numpy(),
            Scored(self.model.scores(test), self.model.card.rule),
            self.model.card,
            settings.evaluation.slices,
        )
        self.measurer = Measurer(
            self.reference,
            settings.monitor.effects,
            settings.gates.margins,
            BINARY,
            settings.monitor.false_alarms,
        )

    def scored(self, table: pd.DataFrame) -> pd.DataFrame:
        return pd.concat([table, self.model.predict(table)], axis=1)

    def over(self, table: pd.DataFrame) -> list[Measure]:
        counts = Counts(self.reference, frozenset(self.settings.data.inputs))
        counts.add(pa.Table.from_pandas(table, preserve_index=False), None)
        measures = [*self.measurer.measure(counts), *self.measurer.estimate(counts)[1]]
        assert len(measures) > 25
        return [measure for measure in measures if measure.is_over]

    def with_labels(self, table: pd.DataFrame) -> list[Measure]:
        labelled = table.rename(columns={"churned": "y"}).assign(day="2026-01-01")
        found = performance.measure(labelled, 0, self.reference, self.measurer, BINARY, 50)
        assert len(found.measures) == len(self.settings.gates.margins)
        return [measure for measure in found.measures if measure.is_over]


@pytest.fixture(scope="module")
def world(settings: Params) -> World:
    return World(settings)


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
    alarms = [world.over(window) for window in windows(same, rows, 200)]
    wrong = sum(map(bool, alarms))
    assert wrong <= 200 * 0.05, [measure.name for found in alarms for measure in found]


def test_three_months_of_drift_are_an_alarm(world: World) -> None:
    moved = world.scored(population(92, drift=3))
    found = sum(bool(world.over(window)) for window in windows(moved, 2000, 100))
    assert found >= 95


def test_labels_of_the_same_population_are_no_alarm(world: World, same: pd.DataFrame) -> None:
    wrong = sum(bool(world.with_labels(window)) for window in windows(same, 1000, 200))
    assert wrong <= 200 * 0.05


def test_a_changed_relation_is_found_with_labels_and_only_then(
    world: World, same: pd.DataFrame
) -> None:
    rng = np.random.default_rng(5)
    found = 0
    for window in windows(same, 1000, 40):
        # One of five customers does the opposite of what such customers did before.
        turned = rng.random(len(window)) < 0.2
        changed = window.assign(churned=np.where(turned, 1 - window["churned"], window["churned"]))
        assert world.over(changed) == []
        found += bool(world.with_labels(changed))
    assert found >= 38
