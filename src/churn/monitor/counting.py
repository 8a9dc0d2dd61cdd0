"""Count a window's customers in the bins of the reference: constant memory for any number."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from churn.core.errors import ArtifactError
from churn.evaluation.held_out import Basis, number_places
from churn.evaluation.reference import CategoryCounts, NumberCounts, Reference
from churn.serve.prediction_log import named

_PLACES = 2**24  # for different customers of a window: 16 MB
_LATENCY_EDGES = np.geomspace(0.1, 100_000, 181)  # milliseconds; steps of 8 %
# The columns of a log that are counted, beside the model's and its answer.
COUNTED = ("customer_id", "time", "version", "role", "latency_ms")
PREDICTED = ""  # what a model predicts, among its columns
_DAY_US = 86_400 * 1_000_000


class Counts:
    """A window's customers, counted.

    Each customer counts once, with the first answer: asking for one customer a thousand times does
    not make a thousand customers. They are told apart by a hash of 24 bits, so that of a million
    customers of one window 3 % are left out, by chance.

    Parameters
    ----------
    reference : Reference
    logged : collection of str
        Columns that the rows have.

    Attributes
    ----------
    rows, customers, answers : int
        Answers of the watched version, different customers among them, answers of any version.
    versions : dict of str to int
        Answers by version.
    numbers : dict of str to ndarray of int
        As `NumberCounts.counts`, by column; of a model of numbers, what it predicts as well, under
        `PREDICTED`.
    categories : dict of str to dict of str to int
        Customers by value, by column; values that the reference does not name are under ``None``.
        Of a model of several classes, what it predicts as well, under `PREDICTED`.
    missing : dict of str to int
        By column.
    scores : ndarray of int
        The customers for an estimate of metrics (`Reference.basis`); empty if there can be none.
    predicted : int
        Customers who are predicted to churn, if it is.
    latency : ndarray of int
        Answers by `_LATENCY_EDGES`.
    """

    def __init__(self, reference: Reference, logged: frozenset[str]) -> None:
        self._edges = {name: np.array(of.edges) for name, of in reference.numeric.items()}
        self._dates = frozenset(reference.dates)
        self._basis = reference.basis
        predicted = reference.predicted
        if isinstance(predicted, NumberCounts):
            self._edges[PREDICTED] = np.array(predicted.edges)
        self._seen = np.zeros(_PLACES, dtype=bool)
        self.rows = self.customers = self.answers = self.predicted = 0
        self.versions: dict[str, int] = {}
        self.numbers = {
            name: np.zeros(len(edges) + 1, dtype=np.int64)
            for name, edges in self._edges.items()
            if name in logged or name == PREDICTED
        }
        self._known = {
            name: set(of.counts) for name, of in reference.categorical.items() if name in logged
        }
        if isinstance(predicted, CategoryCounts):
            self._known[PREDICTED] = set(predicted.counts)
        self.categories: dict[str, dict[str | None, int]] = {name: {} for name in self._known}
        self.missing = dict.fromkeys([*self.numbers, *self._known], 0)
        self.scores = np.zeros(0, dtype=np.int64)
        if self._basis is not None:
            self.scores = self._basis.counted(dict.fromkeys(self._basis.columns, np.empty(0)))
        self.latency = np.zeros(len(_LATENCY_EDGES) + 1, dtype=np.int64)

    def add(self, table: pa.Table, version: str | None) -> None:
        """Count rows.

        Parameters
        ----------
        table : Table
            ``customer_id``, the answer, the model's columns by their names in the log (dates as
            points in time), and of a log ``time``, ``version``, ``role`` and
            ``latency_ms``.
        version : str or None
            The watched version; None if the rows are of no log.
        """
        if version is not None:
            table = table.filter(pc.not_equal(table["role"], "shadow"))
            for entry in table["version"].value_counts().to_pylist():
                name, count = str(entry["values"]), int(entry["counts"])
                self.versions[name] = self.versions.get(name, 0) + count
            self.answers += len(table)
            table = answers_of(table, version)
            self._add_latency(table)
        else:
            self.answers += len(table)
        self.rows += len(table)
        table = self._first_of_each(table)
        if not len(table):
            return
        self.customers += len(table)
        for name, counts in self.numbers.items():
            values = _floats(table[_logged(name)])
            if name in self._dates:
                values = _moments(table) - values
            self._add_number(name, counts, values)
        for name in self.categories:
            self._add_category(name, table[_logged(name)])
        if self._basis is not None:
            self._add_scores(table, self._basis)

    def _add_scores(self, table: pa.Table, basis: Basis) -> None:
        answers = {name: _answer(name, table[name]) for name in basis.columns}
        self.scores += basis.counted(answers)
        if "probability" in answers:
            self.predicted += int(pc.sum(table["prediction"]).as_py() or 0)

    def merge(self, other: Counts) -> None:
        """Add what was counted of another part of the window.

        Parameters
        ----------
        other : Counts
            With the same reference and columns. Its customers are others: those of other places
            (`places_of`), however often they were asked for.

        Raises
        ------
        ValueError
            If a customer is in both parts, or they have other columns.
        """
        if (self._seen & other._seen).any():
            raise ValueError("a customer is in both parts")
        if self.missing.keys() != other.missing.keys():
            raise ValueError("the parts have other columns")
        self._seen |= other._seen
        for name in ("rows", "customers", "answers", "predicted"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        _add_up(self.versions, other.versions)
        _add_up(self.missing, other.missing)
        for name, counts in self.numbers.items():
            counts += other.numbers[name]
        for name, found in self.categories.items():
            _add_up(found, other.categories[name])
        self.scores += other.scores
        self.latency += other.latency

    def latency_ms(self, share: float) -> float | None:
        """Return a quantile of the time to a prediction; None without any."""
        if not self.latency.any():
            return None
        place = int(np.searchsorted(np.cumsum(self.latency), share * self.latency.sum()))
        # The lower end of the bin: an answer within a limit is never said to be beyond it.
        return float(_LATENCY_EDGES[min(max(place - 1, 0), len(_LATENCY_EDGES) - 1)])

    def _first_of_each(self, table: pa.Table) -> pa.Table:
        """Leave out customers who were counted; those without an id are all different."""
        if "customer_id" not in table.column_names or not len(table):
            return table
        ids = table["customer_id"]
        if ids.null_count == len(table):
            return table
        known = ids.is_valid().to_numpy(zero_copy_only=False)
        places = places_of(ids.fill_null(""))
        fresh = np.zeros(len(table), dtype=bool)
        fresh[np.unique(places, return_index=True)[1]] = True
        keep = ~known | (fresh & ~self._seen[places])
        self._seen[places[known]] = True
        return table if keep.all() else table.filter(pa.array(keep))

    def _add_number(self, name: str, counts: np.ndarray, values: np.ndarray) -> None:
        known = values[~np.isnan(values)]
        self.missing[name] += len(values) - len(known)
        counts += np.bincount(number_places(self._edges[name], known), minlength=len(counts))

    def _add_category(self, name: str, column: pa.ChunkedArray) -> None:
        known, found = self._known[name], self.categories[name]
        self.missing[name] += column.null_count
        for entry in column.drop_null().value_counts().to_pylist():
            value = str(entry["values"])
            key = value if value in known else None
            found[key] = found.get(key, 0) + int(entry["counts"])

    def _add_latency(self, table: pa.Table) -> None:
        if "latency_ms" in table.column_names:
            values = _floats(table["latency_ms"])
            places = np.searchsorted(_LATENCY_EDGES, values[~np.isnan(values)])
            self.latency += np.bincount(places, minlength=len(self.latency))


def _logged(name: str) -> str:
    """Return the name in the log of a column, or of what was predicted."""
    return "prediction" if name == PREDICTED else named(name)


def _add_up(counts: dict[Any, int], others: Mapping[Any, int]) -> None:
    for key, count in others.items():
        counts[key] = counts.get(key, 0) + count


def answers_of(table: pa.Table, version: str) -> pa.Table:
    """Return the rows of a log that a version has answered, and not only predicted for."""
    answered = pc.and_(pc.equal(table["version"], version), pc.not_equal(table["role"], "shadow"))
    return table.filter(answered)


def hashes(ids: pa.ChunkedArray) -> np.ndarray:
    """Return a hash of each id, uint64; the same in every process."""
    texts = ids.cast(pa.string()).to_numpy()
    found: np.ndarray = pd.util.hash_array(np.asarray(texts, dtype=object), categorize=False)
    return found


def places_of(ids: pa.ChunkedArray) -> np.ndarray:
    """Return a hash of each id, in [0, 2^24)."""
    return (hashes(ids) & np.uint64(_PLACES - 1)).astype(np.int64)


def _floats(column: pa.ChunkedArray) -> np.ndarray:
    """Return numbers, and dates in days since 1970; NaN where null."""
    if not pa.types.is_timestamp(column.type):
        numbers: np.ndarray = column.cast(pa.float64()).to_numpy()
        return numbers
    moments = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    days: np.ndarray = moments.cast(pa.float64()).to_numpy() / _DAY_US
    return days


def _answer(name: str, column: pa.ChunkedArray) -> np.ndarray:
    """Return a column of the answer: numbers, or classes."""
    if not pa.types.is_floating(column.type) and not pa.types.is_integer(column.type):
        classes: np.ndarray = column.to_numpy()
        return classes
    numbers = _floats(column)
    if name != "prediction" and np.isnan(numbers).any():
        raise ArtifactError("the log has answers without a probability")
    return numbers


def _moments(table: pa.Table) -> np.ndarray:
    """Return when each row was answered, in days since 1970; now for the rows of a table."""
    if "time" in table.column_names:
        return _floats(table["time"])
    return np.full(len(table), time.time() * 1e6 / _DAY_US)
