"""The prediction log in an object store: written, read, and kept for some days."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from churn.serve import log_files, log_reading
from churn.serve.log_files import Retention
from churn.serve.prediction_log import Entry, PredictionLog
from churn.serve.rows import from_frame
from tests.registry.servers import BUCKET
from tests.unit.serve.models import fitted

pytestmark = pytest.mark.long

ADDRESS = f"s3://{BUCKET}/predictions"
NOW = datetime.now(UTC)


def written(customers: pd.DataFrame, days_ago: int) -> None:
    """Log three predictions of a day."""
    model, three = fitted(customers), np.array([0.1, 0.5, 0.9])
    moment = (NOW - timedelta(days=days_ago)).timestamp()
    rows = from_frame(model, customers.head(3))
    log = PredictionLog(ADDRESS, 60, 1000, ())
    log.add(
        Entry(
            requests=["r7"],
            moments=[moment],
            latencies_ms=[1.5],
            scoring_ms=0.5,
            counts=[3],
            places=None,
            rows=rows,
            answer={"probability": three, "prediction": (three > 0.4).astype(int)},
            card=model.card,
            version="3",
            role="champion",
        )
    )
    log.close(60)


@pytest.mark.usefixtures("bucket")
def test_old_days_of_a_log_in_an_object_store_are_removed(customers: pd.DataFrame) -> None:
    for days_ago in (0, 30, 31, 90):
        written(customers, days_ago)
    since = NOW - timedelta(days=365)
    assert len(log_reading.read(ADDRESS, since)) == 12
    assert log_files.remove_parts(ADDRESS) == 0
    today: date = NOW.date()
    Retention(ADDRESS, 30).look(today)
    left = log_reading.read(ADDRESS, since)
    assert set(left["time"].dt.date) == {today, today - timedelta(days=30)}
    assert len(left) == 6
    Retention(ADDRESS, 30).look(today)
    assert len(log_reading.read(ADDRESS, since)) == 6
