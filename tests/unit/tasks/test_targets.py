"""Targets that are numbers and classes: read, refused, and divided into sides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from churn.core.errors import DataError
from churn.core.params import CsvParams, DataParams
from churn.data import schema, split, targets

PATH = Path("data/customers.csv")


def described(**given: Any) -> DataParams:
    return DataParams(path="data/customers.csv", id="id", target="label", numeric=("x",), **given)


def table(labels: list[Any]) -> pd.DataFrame:
    labels = (labels * 60)[: max(60, len(labels))]
    ids = [f"c{i}" for i in range(len(labels))]
    return pd.DataFrame({"id": ids, "x": range(len(labels)), "label": labels})


def test_numbers_are_read_as_the_table_is_written() -> None:
    data = described(csv=CsvParams(decimal=",", thousands=".", symbols="€"))
    found = schema.validate(table(["1.234,5 €", "-3"]), data, PATH)["label"]
    assert found.dtype == np.float64
    assert found[:2].tolist() == [1234.5, -3.0]


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("much", "row 2 (id c1): is 'much', which is not a number; task: regression"),
        ("", "row 2 (id c1): is missing"),
        ("n/a", "row 2 (id c1): is missing"),
        ("inf", "row 2 (id c1): is 'inf'"),
    ],
)
def test_what_is_no_number_is_refused(cell: str, problem: str) -> None:
    with pytest.raises(DataError) as raised:
        schema.validate(table(["1", cell]), described(missing=("n/a",)), PATH)
    assert problem in str(raised.value)


def test_classes_are_positions_in_params() -> None:
    data = described(classes=("low", 2, True))
    assert schema.validate(table(["low", "2.0", "TRUE"]), data, PATH)["label"][:3].tolist() == [
        0,
        1,
        2,
    ]
    with pytest.raises(
        DataError, match=r"row 2 \(id c1\): is 'huge', which is not in data.classes"
    ):
        schema.validate(table(["low", "huge"]), data, PATH)


def test_no_model_is_made_of_one_label() -> None:
    assert targets.problem(np.array([1.5, 1.5])) == "they all have the same target"
    assert targets.problem(np.array([1.5, 2.5])) is None
    assert targets.problem(np.array([0, 1, 1]), ("a", "b", "c")) == "nobody is 'c'"
    assert targets.problem(np.array([0, 1, 2]), ("a", "b", "c")) is None


def test_each_tenth_of_the_numbers_gives_the_same_share() -> None:
    y = np.random.default_rng(0).lognormal(size=442)
    ids = pd.Series([f"p{i}" for i in range(442)])
    strata = targets.strata(y, described())
    assert strata is not None
    assert sorted(set(strata)) == list(range(10))
    held_out = split.is_test_by_stratum(ids, strata, 0.2, "salt")
    for stratum in range(10):
        members = strata == stratum
        assert abs(held_out[members].sum() - 0.2 * members.sum()) <= 0.5
    assert targets.strata(y, described(positive=1)) is None


def test_who_is_certainly_held_out_is_known_without_the_table() -> None:
    y = np.random.default_rng(0).lognormal(size=2000)
    ids = pd.Series([f"p{i}" for i in range(2000)])
    strata = targets.strata(y, described())
    assert strata is not None
    held_out = split.is_test_by_stratum(ids, strata, 0.2, "salt")
    below = split.hash_share(ids, "salt")[~held_out].min()
    certain = split.is_test(ids, below, "salt")
    assert held_out[certain].all()
    assert certain.sum() > 0.6 * held_out.sum()


def test_few_customers_change_sides_when_a_table_grows() -> None:
    y = np.random.default_rng(0).lognormal(size=5500)
    ids = pd.Series([f"p{i}" for i in range(5500)])

    def held_out(n: int) -> np.ndarray:
        strata = targets.strata(y[:n], described())
        assert strata is not None
        return split.is_test_by_stratum(ids[:n], strata, 0.2, "salt")

    before, after = held_out(5000), held_out(5500)[:5000]
    assert (before != after).mean() < 0.01
