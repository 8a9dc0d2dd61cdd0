"""Counting a window's customers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from churn.monitor.counting import Counts, places_of
from tests.unit.monitor.conftest import COLUMNS, World, people


def logged(rows: int, **given: object) -> pd.DataFrame:
    columns = {"version": "3", "role": "champion", "latency_ms": np.float32(2.5)}
    return people(rows, 5).assign(**{**columns, **given})


def counted(world: World, *tables: pd.DataFrame) -> Counts:
    counts = Counts(world.reference, frozenset(COLUMNS.inputs))
    for table in tables:
        counts.add(pa.Table.from_pandas(table, preserve_index=False), "3")
    return counts


@pytest.mark.slow
def test_a_customer_counts_once_however_often_asked_for(world: World) -> None:
    once, again = logged(300), logged(300)
    counts = counted(world, pd.concat([once, once.head(50)]), again)
    assert counts.rows == 650
    assert counts.customers == 300
    assert counts.numbers["frequency"].sum() == 300
    assert counts.scores.sum() == 300


def test_customers_without_an_id_are_all_different(world: World) -> None:
    assert (
        counted(world, logged(40, customer_id=None), logged(40, customer_id=None)).customers == 80
    )


def test_customers_of_a_log_without_ids_are_all_different(world: World) -> None:
    table = logged(40).drop(columns="customer_id")
    assert counted(world, table, table).customers == 80


def test_only_answers_of_the_version_are_measured(world: World) -> None:
    rows = logged(100)
    rows.loc[:19, "version"] = "2"
    rows.loc[20:29, "role"] = "shadow"
    counts = counted(world, rows)
    assert (counts.answers, counts.rows, counts.customers) == (90, 70, 70)
    assert counts.versions == {"2": 20, "3": 70}


def test_two_parts_count_as_one(world: World) -> None:
    rows = logged(500)
    whole, parts = counted(world, rows), counted(world, rows.head(123), rows.tail(377))
    assert (whole.scores == parts.scores).all()
    assert (whole.numbers["age"] == parts.numbers["age"]).all()
    assert (whole.missing, whole.categories) == (parts.missing, parts.categories)


@pytest.mark.slow
def test_parts_of_other_customers_merge_to_the_whole(world: World) -> None:
    rows = pd.concat([logged(500), logged(60), logged(30, version="2")], ignore_index=True)
    rows.loc[:9, "age"] = np.nan
    rows.loc[:2, "plan"] = "never seen"
    whole = counted(world, rows)
    place = places_of(pa.chunked_array([pa.array(rows["customer_id"], pa.string())])) % 3
    merged = counted(world, rows[place == 0])
    for part in (1, 2):
        merged.merge(counted(world, rows[place == part]))
    assert vars(merged).keys() == vars(whole).keys()
    for name, found in vars(merged).items():
        np.testing.assert_equal(found, vars(whole)[name], name)


def test_parts_with_a_customer_in_common_are_refused(world: World) -> None:
    rows = logged(100)
    one, other = counted(world, rows), counted(world, rows.tail(1))
    with pytest.raises(ValueError, match="a customer is in both parts"):
        one.merge(other)


def test_what_is_missing_is_counted_apart(world: World) -> None:
    rows = logged(100)
    rows.loc[:9, "age"] = np.nan
    rows.loc[:4, "plan"] = None
    counts = counted(world, rows)
    missing = int(rows["age"].isna().sum())
    assert counts.missing["age"] == missing
    assert counts.numbers["age"].sum() == 100 - missing
    assert counts.missing["plan"] == 5
    assert sum(counts.categories["plan"].values()) == 95


def test_unseen_categories_are_counted_together(world: World) -> None:
    rows = logged(100, plan="basic")
    rows.loc[:2, "plan"] = ["a", "b", "c"]
    assert counted(world, rows).categories["plan"] == {"basic": 97, None: 3}


def test_quantiles_of_the_time_to_a_prediction(world: World) -> None:
    times = np.concatenate([np.full(96, 2.0), np.full(4, 300.0)]).astype(np.float32)
    counts = counted(world, logged(100, latency_ms=times))
    # Never beyond what it was: a limit that was kept is not said to be broken.
    assert 1.8 < (counts.latency_ms(0.5) or 0) <= 2.0
    assert 275 < (counts.latency_ms(0.99) or 0) <= 300
