"""What a table looked like."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from churn.core.params import DataParams
from churn.data.stats import DateStats, TableStats, describe

DATA = DataParams(
    path="-", id="id", target="left", positive=1, numeric=("x",), categorical=("plan",)
)


def table(x: list[float | None], plan: list[str | None], left: list[int]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "x": pd.Series(x, dtype="float64"),
            "plan": pd.Series(plan, dtype="str"),
            "left": left,
        }
    )


@pytest.fixture
def described() -> TableStats:
    return describe(table([1, 2, 3, None, 10], ["b", "c", "b", None, "a"], [0, 1, 0, 0, 1]), DATA)


def test_dates_are_described_by_the_oldest_and_the_newest() -> None:
    data = DATA.model_copy(
        update={"numeric": (), "categorical": (), "dates": ("joined", "left_on")}
    )
    frame = pd.DataFrame({
        "churned": [0, 1, 1],
        "joined": pd.Series(["2024-03-01", None, "2023-01-31T12:00:00"], dtype="str"),
        "left_on": pd.Series([None, None, None], dtype="str"),
    }).rename(columns={"churned": data.target})  # fmt: skip
    assert describe(frame, data).dates == {
        "joined": DateStats(missing=1, oldest="2023-01-31T12:00:00", newest="2024-03-01"),
        "left_on": DateStats(missing=3, oldest=None, newest=None),
    }


def test_rows_and_label_rate(described: TableStats) -> None:
    assert described.rows == 5
    assert described.label_rate == 0.4


def test_moments_leave_missing_values_out(described: TableStats) -> None:
    x = described.numeric["x"]
    # Of 1, 2, 3, 10: mean 16 / 4; deviations -3, -2, -1, 6, their squares' sum 50, cubes' sum 180.
    assert x.missing == 1
    assert x.mean == 4
    s = np.sqrt(50 / 3)
    assert x.standard_deviation == pytest.approx(s, rel=1e-7)
    assert x.skewness == pytest.approx(4 / (3 * 2) * 180 / s**3, rel=1e-7)


def test_quantiles_are_interpolated(described: TableStats) -> None:
    quantiles = described.numeric["x"].quantiles
    # Position q (n - 1) among 1, 2, 3, 10.
    expected = {"0": 1, "0.25": 1.75, "0.5": 2.5, "0.75": 4.75, "0.99": 9.79, "1": 10}
    assert {q: quantiles[q] for q in expected} == pytest.approx(expected)
    assert list(quantiles) == ["0", "0.01", "0.05", "0.25", "0.5", "0.75", "0.95", "0.99", "1"]


def test_categories_are_counted_most_frequent_first_and_ties_by_name(described: TableStats) -> None:
    plan = described.categorical["plan"]
    assert plan.missing == 1
    assert plan.values == 3
    assert list(plan.counts.items()) == [("b", 2), ("a", 1), ("c", 1)]


def test_the_hundred_most_frequent_categories_are_kept() -> None:
    names = [f"n{i:03d}" for i in range(150)]
    plan = describe(table([1.0] * 151, [*names, "n149"], [0] * 151), DATA).categorical["plan"]
    assert plan.values == 150
    assert len(plan.counts) == 100
    assert next(iter(plan.counts.items())) == ("n149", 2)


def test_what_is_undefined_is_null() -> None:
    nothing = describe(table([None, None], [None, None], [0, 1]), DATA)
    x = nothing.numeric["x"]
    assert x.missing == 2
    assert x.mean is x.standard_deviation is x.skewness is None
    assert set(x.quantiles.values()) == {None}
    one = describe(table([3.0], ["a"], [1]), DATA).numeric["x"]
    assert one.mean == 3
    assert one.standard_deviation is one.skewness is None
    json.dumps(nothing.model_dump(), allow_nan=False)


def test_the_order_of_the_rows_does_not_matter(customers: pd.DataFrame) -> None:
    data = DATA.model_copy(
        update={"target": "churned", "numeric": ("age", "monetary_value"), "categorical": ()}
    )
    assert describe(customers, data) == describe(customers.sample(frac=1, random_state=1), data)
