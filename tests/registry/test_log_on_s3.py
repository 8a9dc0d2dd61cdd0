"""The prediction log in an object store: written, read, and kept for some days."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from churn.serve import log_files, prediction_log
from churn.serve.log_files import Retention
from churn.serve.prediction_log import Entry, PredictionLog
from churn.serve.rows import from_frame
from tests.registry.servers import BUCKET, Store
from tests.unit.serve.models import fitted

pytestmark = pytest.mark.long

ADDRESS = f"s3://{BUCKET}/predictions"
NOW = datetime.now(UTC)


@pytest.fixture
def address(store: Store, values: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{store.port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", values["S3_ACCESS_KEY"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", values["S3_SECRET_KEY"])
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return ADDRESS


def written(address: str, customers: pd.DataFrame, days_ago: int) -> None:
    """Log three predictions of a day."""
    model, three = fitted(customers), np.array([0.1, 0.5, 0.9])
    moment = (NOW - timedelta(days=days_ago)).timestamp()
    rows = from_frame(model, customers.head(3))
    log = PredictionLog(address, 60, 1000, ())
    log.add(
        Entry(
            requests=["r7"],
            moments=[moment],
            latencies_ms=[1.5],
            scoring_ms=0.5,
            counts=[3],
            places=None,
            rows=rows,
            probability=three,
            prediction=(three > 0.4).astype(int),
            card=model.card,
            version="3",
            role="champion",
        )
    )
    log.close(60)


def test_old_days_of_a_log_in_an_object_store_are_removed(
    address: str, customers: pd.DataFrame
) -> None:
    for days_ago in (0, 30, 31, 90):
        written(address, customers, days_ago)
    since = NOW - timedelta(days=365)
    assert len(prediction_log.read(address, since)) == 12
    assert log_files.remove_parts(address) == 0
    today: date = NOW.date()
    Retention(address, 30).look(today)
    left = prediction_log.read(address, since)
    assert set(left["time"].dt.date) == {today, today - timedelta(days=30)}
    assert len(left) == 6
    Retention(address, 30).look(today)
    assert len(prediction_log.read(address, since)) == 6
