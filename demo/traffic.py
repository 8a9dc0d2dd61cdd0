"""Customers who ask a server, as if on days in the past."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from churn.data import synthesize

FIRST = date(2026, 1, 1)
_TOGETHER = 50  # customers of a request
_WAIT_S = 60


def population(seed: int, drift: float, name: str) -> pd.DataFrame:
    """Return 50,000 customers; `name` begins their ids."""
    table = next(synthesize.customers(synthesize.CHUNK_ROWS, seed, drift)).to_pandas()
    return table.assign(customer_id=name + table["customer_id"])


class Traffic:
    """Asks about each day's customers, and gives the log of the answers that day's date.

    Parameters
    ----------
    url : str
        Of a running `churn serve`.
    log : Path
        Its prediction log.
    target : Path
        Folder for the log with the days as they are meant.
    """

    def __init__(self, url: str, log: Path, target: Path) -> None:
        self._url, self._log, self._target = url, log, target
        self._asked = 0

    def days(self, customers: pd.DataFrame, first: int, count: int, rows: int) -> pd.DataFrame:
        """Ask about `rows` customers on each of `count` days, and return these customers."""
        asked = []
        for number in range(first, first + count):
            day = FIRST + timedelta(days=number)
            today = customers.iloc[(number - first) * rows :][:rows]
            for i, part in enumerate(_parts(today.drop(columns="churned"))):
                self._ask(part, f"{day}/{i}")
            asked.append(today)
        self._asked += count * rows
        self._date_back()
        return pd.concat(asked)

    def wait_for(self, version: str, customer: pd.DataFrame) -> None:
        """Ask about a customer until a version answers.

        Raises
        ------
        TimeoutError
            If none does within a minute.
        """
        end = time.monotonic() + _WAIT_S
        while (answering := self._ask(customer, f"{FIRST}/wait")) != version:
            self._asked += len(customer)
            if time.monotonic() > end:
                raise TimeoutError(f"version {answering} answers, and not version {version}")
            time.sleep(0.5)
        self._asked += len(customer)

    def _ask(self, customers: pd.DataFrame, request_id: str) -> str:
        """Ask about customers, and return the version that has answered."""
        body = json.dumps({"dataframe_records": json.loads(customers.to_json(orient="records"))})
        headers = {"Content-Type": "application/json", "X-Request-Id": request_id}
        address = f"{self._url}/invocations"
        request = urllib.request.Request(address, body.encode(), headers)  # noqa: S310
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            answers = json.load(answer)["predictions"]
            version: str = answer.headers["X-Model-Version"]
        if len(answers) != len(customers):
            raise ValueError(f"{len(answers)} answers for {len(customers)} customers")
        return version

    def _date_back(self) -> None:
        """Write what was logged again, with the day that each request names."""
        end = time.monotonic() + _WAIT_S
        while (logged := self._rows()) < self._asked:
            if time.monotonic() > end:
                raise TimeoutError(f"{logged} of {self._asked} predictions are logged")
            time.sleep(0.2)
        files = sorted(self._log.glob("day=*/*.parquet"))
        whole = pa.concat_tables(map(pq.read_table, files), promote_options="permissive")
        days = pc.list_element(pc.split_pattern(whole["request_id"], "/"), 0)
        for day in pc.unique(days).to_pylist():
            rows = whole.filter(pc.equal(days, day))
            folder = self._target / f"day={day}"
            folder.mkdir(parents=True, exist_ok=True)
            pq.write_table(_dated(rows, date.fromisoformat(day)), folder / "answers.parquet")

    def _rows(self) -> int:
        return sum(pq.read_metadata(path).num_rows for path in self._log.glob("day=*/*.parquet"))


def _parts(customers: pd.DataFrame) -> Iterator[pd.DataFrame]:
    for start in range(0, len(customers), _TOGETHER):
        yield customers.iloc[start : start + _TOGETHER]


def _dated(rows: pa.Table, day: date) -> pa.Table:
    """Move the answers to a day; the time of day stays."""
    time_of_day = pc.subtract(rows["time"], pc.floor_temporal(rows["time"], unit="day"))
    midnight = pa.scalar(pd.Timestamp(day, tz="UTC").to_pydatetime(), rows["time"].type)
    place = rows.schema.get_field_index("time")
    return rows.set_column(place, "time", pc.add(midnight, time_of_day))
