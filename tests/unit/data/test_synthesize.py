"""Synthetic customers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

from churn.core.errors import DataError
from churn.core.params import Params
from churn.data import synthesize


def made(rows: int, seed: int = 7, drift: float = 0.0) -> pd.DataFrame:
    return pa.concat_tables(synthesize.customers(rows, seed, drift)).to_pandas()


@pytest.fixture(scope="module")
def many() -> pd.DataFrame:
    """Return a chunk of customers and some of the next."""
    return made(synthesize.CHUNK_ROWS + 5000)


@pytest.mark.slow
def test_the_columns_are_those_of_the_shipped_parameters(
    many: pd.DataFrame, settings: Params
) -> None:
    data = settings.data
    assert list(many.columns) == [data.id, *data.inputs, data.target]


def test_the_first_customers_do_not_depend_on_how_many_follow(many: pd.DataFrame) -> None:
    for rows in (1, 600):
        pd.testing.assert_frame_equal(
            made(rows), many.head(rows), check_dtype=False, check_exact=True
        )


def test_ids_are_unique_across_chunks_and_in_order(many: pd.DataFrame) -> None:
    assert many["customer_id"].iloc[0] == "C00000001"
    assert many["customer_id"].is_unique
    assert many["customer_id"].is_monotonic_increasing


def test_chunks_are_not_copies_of_each_other(many: pd.DataFrame) -> None:
    second = many.iloc[synthesize.CHUNK_ROWS :].reset_index(drop=True)
    assert (many["monetary_value"].head(5000) == second["monetary_value"]).mean() < 0.01


@pytest.mark.slow
def test_a_seed_gives_the_same_customers_and_another_seed_others(many: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(made(100), made(100))
    assert not made(100, seed=8)["monetary_value"].equals(made(100)["monetary_value"])


def test_what_must_hold_for_each_customer_holds(many: pd.DataFrame) -> None:
    assert (many["recency_days"] >= 0).all()
    assert (many["recency_days"] <= many["days_since_signup"]).all()
    assert (many["total_orders"] >= 1).all()
    assert (many["frequency"] <= many["total_orders"]).all()
    assert ((many["frequency"] == 0) == (many["recency_days"] > 90)).all()
    spent = many["avg_order_value"] * many["total_orders"]
    np.testing.assert_allclose(many["monetary_value"], spent, atol=0.005001)
    assert many["age"].dropna().between(18, 90).all()
    assert set(many["churned"]) == {0, 1}


def test_the_shares_and_means_are_those_that_the_process_states(many: pd.DataFrame) -> None:
    # Standard errors over 55,000 customers are 0.0006, 0.06 years and 1.8 days.
    assert many["age"].isna().mean() == pytest.approx(0.02, abs=0.003)
    assert many["age"].mean() == pytest.approx(44, abs=0.5)  # clipping at 18 moves it a little
    assert many["days_since_signup"].mean() == pytest.approx(20 + 1.6 * 330, abs=12)


def test_silence_and_complaints_drive_churn_and_orders_hold_it_back(many: pd.DataFrame) -> None:
    auc = {name: roc_auc_score(many["churned"], many[name].fillna(0)) for name in many.columns[1:9]}
    assert auc["recency_days"] > 0.6
    assert auc["support_tickets"] > 0.55
    assert auc["frequency"] < 0.4
    assert auc["total_orders"] < 0.49
    assert max(auc.values()) < 0.95  # no column gives the label away


@pytest.mark.slow
def test_drift_moves_the_population_and_the_label_but_not_who_is_there(
    many: pd.DataFrame,
) -> None:
    now, later = many.head(20_000), made(20_000, drift=12)
    assert later["customer_id"].equals(now["customer_id"])
    assert later["age"].equals(now["age"])
    # Complaints grow by the factor 1.06 a month: the same people complain, nobody complains less.
    fewer_orders = later["total_orders"] < now["total_orders"]
    more_tickets = later["support_tickets"] >= now["support_tickets"]
    assert more_tickets[~fewer_orders].all()
    assert later["days_since_signup"].corr(now["days_since_signup"]) > 0.999
    ratio = later["days_since_signup"].mean() / now["days_since_signup"].mean()
    assert ratio == pytest.approx(0.96**12, abs=0.01)
    assert later["churned"].mean() > now["churned"].mean() + 0.02
    assert later["total_orders"].mean() < now["total_orders"].mean()


def test_csv_and_parquet_hold_the_same(tmp_path: Path) -> None:
    for name in ("x.csv", "x.parquet"):
        synthesize.write(tmp_path / name, 200, seed=3)
    table, text = pd.read_parquet(tmp_path / "x.parquet"), pd.read_csv(tmp_path / "x.csv")
    pd.testing.assert_frame_equal(table, text, check_dtype=False)
    pd.testing.assert_frame_equal(table, made(200, seed=3), check_dtype=False)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["x.csv", "x.parquet"]


@pytest.mark.slow
def test_writing_advances_a_step_a_chunk(tmp_path: Path) -> None:
    steps: list[str] = []
    rows = synthesize.CHUNK_ROWS + 1
    synthesize.write(tmp_path / "x.parquet", rows, 1, advance=steps.append)
    assert len(steps) == 2
    assert len(pd.read_parquet(tmp_path / "x.parquet", columns=["churned"])) == rows


def test_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"must end in \.csv or \.parquet"):
        synthesize.write(tmp_path / "x.json", 10, seed=1)
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"file/x\.csv: cannot be written"):
        synthesize.write(tmp_path / "file" / "x.csv", 10, seed=1)
