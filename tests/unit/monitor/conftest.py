"""A reference of synthetic customers, and windows of others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from churn.core.params import Columns, EffectsParams, Params
from churn.data import synthesize
from churn.evaluation import reference as references
from churn.evaluation.reference import Reference
from churn.evaluation.tasks import Scored
from churn.monitor.counting import Counts
from churn.monitor.measuring import Measurer
from tests.binary import BINARY

NUMBERS = ("recency_days", "frequency", "total_orders", "days_since_signup", "age")
COLUMNS = Columns(numeric=NUMBERS, categorical=("plan",))
THRESHOLD = 0.4


def people(rows: int, seed: int, drift: float = 0.0) -> pd.DataFrame:
    """Return customers with a category and a predicted probability, which is a good one."""
    table = next(synthesize.customers(rows, seed, drift)).to_pandas()
    silent = table["recency_days"] / 90 + table["support_tickets"] / 3
    score = 1 / (1 + np.exp(1.9 - silent.to_numpy(dtype=float)))
    plan = np.where(table["age"].fillna(40) > 50, "gold", "basic")
    return table.assign(
        **{name: table[name].astype(float) for name in NUMBERS},
        plan=plan,
        probability=score,
        prediction=(score >= THRESHOLD).astype(np.int8),
    )


@dataclass(frozen=True)
class World:
    """A reference, and what measures windows against it."""

    reference: Reference
    measurer: Measurer
    settings: Params

    def counts(self, table: pd.DataFrame) -> Counts:
        """Count a table's customers."""
        found = Counts(self.reference, frozenset(COLUMNS.inputs))
        found.add(pa.Table.from_pandas(table, preserve_index=False), None)
        return found

    def over(self, table: pd.DataFrame) -> set[str]:
        """Return the names of the quantities that have changed."""
        return {m.name for m in self.measurer.measure(self.counts(table)) if m.is_over}


@pytest.fixture(scope="session")
def world(settings: Params) -> World:
    train, test = people(8000, 1), people(2000, 2)
    described = references.describe(
        train,
        test,
        BINARY,
        test["churned"].to_numpy(),
        Scored(test["probability"].to_numpy(), THRESHOLD),
        COLUMNS,
        settings.evaluation.slices.model_copy(
            update={"numeric": ("age",), "categorical": ("plan",)}
        ),
    )
    measurer = Measurer(
        described, EffectsParams(), settings.gates.margins, BINARY, false_alarms=0.05
    )
    return World(described, measurer, settings)
