"""Labels, and the prediction that each is compared with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pyarrow as pa

from churn.monitor.labels import Labels

SCORED = ("probability",)
FIRST, LAST = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 11, tzinfo=UTC)


def known(*rows: tuple[str, int, str]) -> pd.DataFrame:
    found = pd.DataFrame(rows, columns=["id", "y", "known"])
    days = pd.to_datetime(found["known"], utc=True)
    return found.assign(known=days + pd.Timedelta(days=1) - pd.Timedelta(microseconds=1))


def answers(*rows: tuple[str | None, int, float]) -> pa.Table:
    """Return predictions: customer, day of March, probability."""
    times = [FIRST + timedelta(days=day - 1, hours=12) for _, day, _ in rows]
    return pa.table(
        {
            "customer_id": pa.array([who for who, *_ in rows], pa.string()),
            "time": pa.array(times, pa.timestamp("us", tz="UTC")),
            "probability": [p for *_, p in rows],
            "age": [40.0] * len(rows),
        }
    )


def matched(table: pd.DataFrame, *parts: pa.Table) -> dict[float, int]:
    found = Labels(table, FIRST, LAST, SCORED, ["age"])
    for part in parts:
        found.match(part)
    return dict(found.matched(100)[["probability", "y"]].itertuples(index=False))


def test_the_last_prediction_before_it_was_known_counts() -> None:
    table = known(("a", 1, "2026-03-05"))
    first, last = answers(("a", 2, 0.2), ("a", 4, 0.4)), answers(("a", 6, 0.6), ("a", 3, 0.3))
    assert matched(table, first, last) == {0.4: 1}
    assert matched(table, last, first) == {0.4: 1}


def test_a_prediction_of_the_day_itself_came_before_it() -> None:
    assert matched(known(("a", 1, "2026-03-05")), answers(("a", 5, 0.5))) == {0.5: 1}


def test_of_two_labels_of_a_customer_the_newer_counts() -> None:
    table = known(("a", 0, "2026-03-03"), ("a", 1, "2026-03-08"))
    assert matched(table, answers(("a", 2, 0.2))) == {0.2: 1}


def test_labels_of_another_time_are_left_out() -> None:
    table = known(("a", 1, "2026-02-27"), ("b", 0, "2026-03-20"))
    assert matched(table, answers(("a", 1, 0.1), ("b", 1, 0.2))) == {}


def test_without_a_day_a_label_is_known_at_the_end() -> None:
    table = known(("a", 1, "2026-03-02")).assign(
        known=pd.Series([pd.NaT], dtype="datetime64[us, UTC]")
    )
    assert matched(table, answers(("a", 9, 0.9))) == {0.9: 1}


def test_customers_without_an_id_and_others_are_no_match() -> None:
    found = Labels(known(("a", 1, "2026-03-05")), FIRST, LAST, SCORED, [])
    found.match(answers((None, 2, 0.2), ("b", 2, 0.3)))
    assert len(found.matched(100)) == 0
    assert found.unmatched == 1


def test_columns_of_slices_and_the_day_of_the_prediction_are_kept() -> None:
    found = Labels(known(("a", 1, "2026-03-05")), FIRST, LAST, SCORED, ["age"])
    found.match(answers(("a", 2, 0.2)))
    [row] = found.matched(100).to_dict("records")
    assert row == {"y": 1, "probability": 0.2, "day": "2026-03-02", "age": 40.0}


def test_no_more_customers_than_allowed() -> None:
    ids = [f"c{i}" for i in range(50)]
    found = Labels(known(*((who, 1, "2026-03-05") for who in ids)), FIRST, LAST, SCORED, [])
    found.match(answers(*((who, 2, 0.2) for who in ids)))
    assert len(found.matched(20)) == 20
