"""Prediction logs as the server writes them, of days in the past."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from churn.model.artifact import Model
from churn.serve.prediction_log import Entry, table
from churn.serve.rows import from_frame

FIRST = date(2026, 3, 1)


def write(
    folder: Path,
    day: date,
    customers: pd.DataFrame,
    model: Model,
    version: str = "1",
    role: str = "champion",
    redact: frozenset[str] = frozenset(),
) -> None:
    """Log the predictions of a model for customers, as requests of one each at noon of a day."""
    predicted = model.predict(customers)
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp()
    count = len(customers)
    entry = Entry(
        requests=[f"{day}-{role}-{i}" for i in range(count)],
        moments=[noon + i / 1000 for i in range(count)],
        latencies_ms=[2.0] * count,
        scoring_ms=1.0,
        counts=[1] * count,
        places=np.zeros(count, dtype=int),
        rows=from_frame(model, customers),
        answer={name: predicted[name].to_numpy() for name in predicted},
        card=model.card,
        version=version,
        role=role,
    )
    target = folder / f"day={day}"
    target.mkdir(parents=True, exist_ok=True)
    written: pa.Table = table([entry], model.card, redact)
    pq.write_table(written, target / f"{version}-{role}.parquet", compression="zstd")
