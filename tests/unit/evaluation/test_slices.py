"""Groups of customers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from churn.core.params import SlicesParams
from churn.evaluation.slices import slices


def of(
    train: pd.DataFrame, rows: pd.DataFrame, bins: int = 4, **columns: tuple[str, ...]
) -> dict[str, list[int]]:
    """Return the positions of the members of each slice."""
    params = SlicesParams(bins=bins, min_rows=1, **columns)
    return {
        name: np.flatnonzero(members).tolist() for _, name, members in slices(train, rows, params)
    }


NINE = pd.DataFrame({"age": [10.0, 20, 30, 40, 50, 60, 70, 80, 90]})


def test_bins_are_cut_at_the_quantiles_of_the_training_rows() -> None:
    rows = pd.DataFrame({"age": [30.0, 31, 50, 70, 70.5]})
    # Quartiles of 10 to 90: 30, 50, 70; a value on an edge belongs to the bin that ends there.
    assert of(NINE, rows, numeric=("age",)) == {
        "<= 30": [0],
        "30 to 50": [1, 2],
        "50 to 70": [3],
        "> 70": [4],
        "missing": [],
    }


def test_values_beyond_the_training_rows_are_in_the_outer_bins() -> None:
    found = of(NINE, pd.DataFrame({"age": [-5.0, 1e9]}), bins=2, numeric=("age",))
    assert found == {"<= 50": [0], "> 50": [1], "missing": []}


def test_missing_values_are_a_slice_and_move_no_edge() -> None:
    train = pd.concat([NINE, pd.DataFrame({"age": [np.nan] * 5})])
    rows = pd.DataFrame({"age": [np.nan, 50.0, 51.0]})
    expected = {"<= 50": [1], "> 50": [2], "missing": [0]}
    assert of(train, rows, bins=2, numeric=("age",)) == expected


def test_equal_edges_become_one() -> None:
    train = pd.DataFrame({"age": [0.0] * 8 + [1.0, 5.0]})
    rows = pd.DataFrame({"age": [0.0, 1.0]})
    assert of(train, rows, numeric=("age",)) == {"<= 0": [0], "> 0": [1], "missing": []}


def test_a_column_without_values_is_one_slice() -> None:
    train = pd.DataFrame({"age": [np.nan, np.nan]})
    rows = pd.DataFrame({"age": [1.0, np.nan]})
    assert of(train, rows, numeric=("age",)) == {"all": [0], "missing": [1]}


def text(*values: str | None) -> pd.DataFrame:
    return pd.DataFrame({"plan": pd.Series(values, dtype="str")})


def test_categories_are_slices_and_unseen_ones_are_together() -> None:
    found = of(
        text("gold", "basic", None), text("gold", "new", None, "gold"), categorical=("plan",)
    )
    assert found == {"basic": [], "gold": [0, 3], "all others": [1], "missing": [2]}


def test_the_twenty_most_frequent_categories_are_slices() -> None:
    names = [f"n{i:02d}" for i in range(25)]
    train = text(*names, *names[5:])  # the first five are the rarest
    found = of(train, text(*names), categorical=("plan",))
    assert found["all others"] == [0, 1, 2, 3, 4]
    assert found["n05"] == [5]
    assert len(found) == 20 + 2


@pytest.mark.parametrize("bins", [2, 4, 7])
def test_every_customer_is_in_one_slice_a_column(planned: pd.DataFrame, bins: int) -> None:
    params = SlicesParams(
        numeric=("age", "frequency", "recency_days"), categorical=("plan",), bins=bins, min_rows=1
    )
    train, rows = planned.iloc[:400], planned.iloc[400:]
    counts = {name: np.zeros(len(rows), dtype=int) for name in (*params.numeric, "plan")}
    for column, _, members in slices(train, rows, params):
        assert members.dtype == bool
        counts[column] += members
    assert all((count == 1).all() for count in counts.values())


@pytest.mark.parametrize(
    ("values", "edges"),
    [
        (np.linspace(0, 4.3, 1000) ** 2, ["1.2", "4.7", "10.5"]),
        (np.linspace(10.001, 10.002, 999), ["10.00125", "10.0015", "10.00175"]),
        (np.arange(100_001) * 1.5, ["37500", "75000", "112500"]),
        (np.arange(1001) + 0.25, ["251", "501", "751"]),
        ([1 / 3] * 40 + [2 / 3] * 40 + [1.0] * 20, ["0.334", "0.667"]),
        ([0.1 + 0.2] * 60 + [1.0] * 40, ["0.3", "1"]),
    ],
)
def test_edges_have_as_many_digits_as_tell_something(values: object, edges: list[str]) -> None:
    train = pd.DataFrame({"x": np.asarray(values, dtype=float)})
    found = of(train, train, numeric=("x",))
    assert next(iter(found)) == f"<= {edges[0]}"
    assert list(found)[-2] == f"> {edges[-1]}"
    assert [name.split(" to ")[0] for name in list(found)[1:-2]] == edges[:-1]
    # Values that many share stay below an edge that was one of them.
    assert len(found[f"<= {edges[0]}"]) >= 0.25 * len(train)
    assert sum(map(len, found.values())) == len(train)
