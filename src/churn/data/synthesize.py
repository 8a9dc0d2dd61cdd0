"""Generate synthetic customers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from scipy import stats

from churn.core.errors import DataError
from churn.core.files import atomic
from churn.core.progress import Advance, silent
from churn.data.table import require_known_suffix

CHUNK_ROWS = 50_000
_DAYS_A_MONTH = 30.0
_OLDEST_DAYS = 3650.0


def customers(rows: int, seed: int, drift: float = 0.0) -> Iterator[pa.Table]:
    """Generate customers, a chunk at a time.

    Every customer has a latent *activity* a ~ N(0, 1), which is not in the table:

    - `days_since_signup` t ~ 20 + Gamma(1.6, 330) days, at most ten years;
    - order rate (a month) r = exp(-0.5 + 0.6 a); tenure drives orders:
      `total_orders` ~ 1 + Poisson(r t / 30);
    - a share of customers has *gone quiet*, with probability sigmoid(-1.5 - 0.8 a), and bought
      last at a uniform point of their tenure; everyone else at an exponential distance with
      mean 30 / r days: `recency_days`, at most t;
    - `frequency`, orders in the last 90 days: 0 beyond 90 days of silence, else
      1 + Poisson(r (90 - recency) / 30), at most `total_orders`;
    - `avg_order_value` ~ LogNormal(3.6 + 0.25 a + 0.1 z_age, 0.5), `monetary_value` =
      `avg_order_value` x `total_orders`: activity drives spend;
    - `age` ~ N(44, 14) within 18 to 90, unknown for one customer in fifty;
    - `support_tickets` ~ Poisson(0.25 g sqrt(total_orders)) with g ~ Gamma(0.8, 1.25): a few
      customers complain a lot;
    - `churned` ~ Bernoulli(sigmoid(s)) with
      s = -3.6 + 1.6 log(1 + recency r / 30) + 1.0 quiet - 0.7 a
      + 2.0 log(1 + tickets) - 0.3 log(t / 365) + N(0, 0.5):
      silence beyond a customer's own rhythm and complaints increase churn, tenure and activity
      decrease it, and part of it is random.

    `drift`, in months, moves the population (activity falls by 0.06 a month, tenure shrinks by
    4 %, complaints grow by 6 %) and the relation (silence weighs 4 % less, complaints 5 % more,
    the intercept rises by 0.05). The same seed draws the same numbers at every drift, so an id in
    two snapshots is the same draw from two populations: these are the customer bases of two
    months, and not the same people later. The first n customers do not depend on `rows`.

    The shipped ``data/customers.csv`` has 10,000 customers, seed 7, no drift.

    Parameters
    ----------
    rows : int
        Number of customers, at least 1.
    seed : int
        Seed, 0 or greater.
    drift : float, default=0.0
        Months since the first snapshot, in [0, 24].

    Yields
    ------
    pyarrow.Table
        At most `CHUNK_ROWS` customers, in the order of their ids.
    """
    for chunk, start in enumerate(range(0, rows, CHUNK_ROWS)):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(chunk,)))
        yield _chunk(_Draws(rng, min(CHUNK_ROWS, rows - start)), start, drift)


class _Draws:
    """Random numbers for the first customers of a chunk, one each.

    Always draws for a whole chunk, so that a customer does not depend on how many follow; all else
    is computed for those alone who are wanted: of 120 customers in a thirtieth of the time.
    """

    def __init__(self, rng: np.random.Generator, rows: int) -> None:
        self._rng, self.rows = rng, rows

    def uniform(self) -> np.ndarray:
        return self._rng.random(CHUNK_ROWS)[: self.rows]

    def normal(self, mean: np.ndarray | float = 0.0, deviation: float = 1.0) -> np.ndarray:
        return mean + deviation * self._rng.standard_normal(CHUNK_ROWS)[: self.rows]

    def gamma(self, shape: float, scale: float) -> np.ndarray:
        return scale * self._rng.standard_gamma(shape, CHUNK_ROWS)[: self.rows]

    def exponential(self, mean: np.ndarray) -> np.ndarray:
        return mean * self._rng.standard_exponential(CHUNK_ROWS)[: self.rows]

    def poisson(self, mean: np.ndarray) -> np.ndarray:
        """Draw counts by inversion, one uniform number each.

        NumPy's own draw takes more numbers from the stream for some means than for others; with
        it, drift would change everything that is drawn later.
        """
        counts: np.ndarray = stats.poisson.ppf(self.uniform(), mean)
        return counts


def _chunk(draws: _Draws, start: int, drift: float) -> pa.Table:
    activity = draws.normal() - 0.06 * drift
    z_age = draws.normal()
    age = np.clip(np.round(44 + 14 * z_age), 18, 90)
    tenure = (20 + draws.gamma(1.6, 330)) * 0.96**drift
    tenure = np.clip(np.round(tenure), 1, _OLDEST_DAYS)
    rate = np.exp(-0.5 + 0.6 * activity)
    total_orders = 1 + draws.poisson(rate * tenure / _DAYS_A_MONTH)
    recency, quiet = _last_purchase(draws, activity, rate, tenure)
    in_window = draws.poisson(rate * np.maximum(90 - recency, 0) / _DAYS_A_MONTH)
    frequency = np.where(recency > 90, 0, np.minimum(1 + in_window, total_orders))
    avg_order_value = np.round(np.exp(draws.normal(3.6 + 0.25 * activity + 0.1 * z_age, 0.5)), 2)
    complains = draws.gamma(0.8, 1.25) * 1.06**drift
    tickets = draws.poisson(0.25 * complains * np.sqrt(total_orders))
    score = (
        -3.6
        + 0.05 * drift
        + 1.6 * 0.96**drift * np.log1p(recency * rate / _DAYS_A_MONTH)
        + 1.0 * quiet
        - 0.7 * activity
        + 2.0 * 1.05**drift * np.log1p(tickets)
        - 0.3 * np.log(tenure / 365)
        + draws.normal(0, 0.5)
    )
    churned = draws.uniform() < _sigmoid(score)
    age_unknown = draws.uniform() < 0.02
    return pa.table(
        {
            "customer_id": [
                f"C{number:08d}" for number in range(start + 1, start + draws.rows + 1)
            ],
            "recency_days": recency.astype(np.int32),
            "frequency": frequency.astype(np.int32),
            "monetary_value": np.round(avg_order_value * total_orders, 2),
            "avg_order_value": avg_order_value,
            "days_since_signup": tenure.astype(np.int32),
            "total_orders": total_orders.astype(np.int32),
            "support_tickets": tickets.astype(np.int32),
            "age": pa.array(age.astype(np.int32), mask=age_unknown),
            "churned": churned.astype(np.int8),
        }
    )


def _last_purchase(
    draws: _Draws, activity: np.ndarray, rate: np.ndarray, tenure: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Draw `recency_days` and who has gone quiet."""
    quiet = draws.uniform() < _sigmoid(-1.5 - 0.8 * activity)
    lively = draws.exponential(_DAYS_A_MONTH / rate)
    silent_since = draws.uniform() * tenure
    return np.floor(np.minimum(np.where(quiet, silent_since, lively), tenure)), quiet


def _sigmoid(x: np.ndarray) -> np.ndarray:
    probability: np.ndarray = 1.0 / (1.0 + np.exp(-x))
    return probability


def write(
    output: Path, rows: int, seed: int, drift: float = 0.0, advance: Advance = silent
) -> None:
    """Write customers to a CSV or Parquet file, by its ending, a chunk at a time.

    Parameters
    ----------
    output : Path
        File ending in ``.csv`` or ``.parquet``; written whole or not at all.
    rows, seed, drift
        See `customers`.
    advance : callable, optional
        Called after each chunk.

    Raises
    ------
    DataError
        If the ending is neither, or the file cannot be written there.
    """
    require_known_suffix(output)
    chunks = customers(rows, seed, drift)
    first = next(chunks)
    try:
        with atomic(output) as fresh, _writer(fresh, first.schema) as writer:
            writer.write_table(first)
            advance("")
            for chunk in chunks:
                writer.write_table(chunk)
                advance("")
    except OSError as error:
        raise DataError(f"{output}: cannot be written ({error.strerror or error})") from error


def _writer(path: Path, schema: pa.Schema) -> pa.csv.CSVWriter | pa.parquet.ParquetWriter:
    if path.suffix == ".csv":
        options = pa.csv.WriteOptions(quoting_style="none", quoting_header="none")
        return pa.csv.CSVWriter(path, schema, write_options=options)
    return pa.parquet.ParquetWriter(path, schema, compression="zstd")
