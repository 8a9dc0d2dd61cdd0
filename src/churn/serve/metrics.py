"""What `/metrics` shows, added up over all workers.

A process counts in memory, which takes a tenth of a microsecond, and writes its numbers into a file
of a folder that all share. Whichever worker is asked reads all the files. prometheus-client's own
way for several processes writes each number through a mapped file as it changes: a third of the
time of a small request.
"""

from __future__ import annotations

import os
import threading
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
Labels = tuple[str, ...]
# "live": a gauge that only counts processes that are alive; "newest": that of who wrote last.
Kind = Literal["counter", "histogram", "live", "newest"]


class Meaning(NamedTuple):
    """What a number is."""

    kind: Kind
    help: str
    labels: Labels = ()


METRICS: Mapping[str, Meaning] = {
    "churn_requests": Meaning(
        "counter", "Requests, by endpoint and HTTP status.", ("endpoint", "status")
    ),
    "churn_request_duration_seconds": Meaning(
        "histogram", "From a request's headers to its answer.", ("endpoint",)
    ),
    "churn_requests_in_progress": Meaning("live", "Requests that are being answered."),
    "churn_errors": Meaning("counter", "Requests that were refused or failed, by kind.", ("kind",)),
    "churn_rows": Meaning("counter", "Customers who were answered, by version.", ("version",)),
    "churn_shadows_dropped": Meaning(
        "counter", "Requests for which a shadow was too slow to predict, by version.", ("version",)
    ),
    "churn_predictions": Meaning(
        "counter",
        "Customers by role and prediction; where numbers are predicted, number.",
        ("role", "prediction"),
    ),
    "churn_scoring_duration_seconds": Meaning(
        "histogram",
        "Time that a version took to predict for a request, by role and version.",
        ("role", "version"),
    ),
    "churn_challenger_failures": Meaning(
        "counter",
        "Requests that the challenger could not answer; the champion has.",
        ("version",),
    ),
    "churn_model_served": Meaning(
        "live",
        "Workers that serve a version, by role and scorer (compiled or reference).",
        ("role", "version", "scorer"),
    ),
    "churn_reloads": Meaning(
        "counter", "Versions that a worker has loaded, or could not load.", ("outcome",)
    ),
    "churn_canary_share": Meaning(
        "newest", "Share of the customers that the challenger predicts for."
    ),
    "churn_registry_last_answer_timestamp_seconds": Meaning(
        "newest", "When the registry last answered, in seconds since 1970."
    ),
    "churn_registry_failures": Meaning("counter", "Looks at the registry that have failed."),
    "churn_log_queue_rows": Meaning("live", "Predictions that wait to be logged."),
    "churn_log_written_rows": Meaning("counter", "Predictions that are in the log."),
    "churn_log_dropped_rows": Meaning(
        "counter", "Predictions that are not in the log, by reason.", ("reason",)
    ),
}


class Durations(msgspec.Struct):
    """A histogram: the number of durations up to each of `BOUNDS` and beyond, and their sum."""

    counts: list[int]
    total: float = 0.0


class Numbers(msgspec.Struct):
    """The numbers of a process, by name and labels."""

    values: dict[str, dict[Labels, float]]
    durations: dict[str, dict[Labels, Durations]]


# The prediction log counts in a thread of its own.
_lock = threading.Lock()
_values: defaultdict[str, defaultdict[Labels, float]] = defaultdict(lambda: defaultdict(float))
_durations: defaultdict[str, dict[Labels, Durations]] = defaultdict(dict)


def count(name: str, *labels: str, by: float = 1) -> None:
    """Add to a counter; the labels in the order of `METRICS`."""
    with _lock:
        _values[name][labels] += by


def put(name: str, value: float, *labels: str) -> None:
    """Set a gauge; the labels in the order of `METRICS`."""
    with _lock:
        _values[name][labels] = value


def observe(name: str, seconds: float, *labels: str, by: int = 1) -> None:
    """Add a duration to a histogram, in the event loop only; the labels as in `METRICS`."""
    found = _durations[name].get(labels)
    if found is None:
        with _lock:
            found = _durations[name].setdefault(labels, Durations([0] * (len(BOUNDS) + 1)))
    found.counts[bisect_left(BOUNDS, seconds)] += by
    found.total += by * seconds


class Shared:
    """The folder in which all processes of a server put their numbers.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._one_writes = threading.Lock()

    def write(self) -> None:
        """Put this process's numbers there, in one step."""
        fresh = self._folder / f".{os.getpid()}"
        with self._one_writes:
            with _lock:
                content = msgspec.msgpack.encode(Numbers(dict(_values), dict(_durations)))
            fresh.write_bytes(content)
            fresh.replace(self._folder / f"{os.getpid()}.live")

    def forget(self, pid: int) -> None:
        """Keep what a process that has ended has counted, and drop what it was doing."""
        path = self._folder / f"{pid}.live"
        if path.exists():  # another process may get the same id later
            path.replace(self._folder / f"{pid}-{time.time_ns()}.ended")

    def read(self) -> list[tuple[Numbers, bool]]:
        """Return the numbers of all processes, newest last, and whether each is alive."""
        decoder = msgspec.msgpack.Decoder(Numbers)
        found = []
        for path in self._folder.iterdir():
            if path.suffix in (".live", ".ended"):
                with suppress(FileNotFoundError):  # forgotten at this moment
                    stamp, content = path.stat().st_mtime_ns, path.read_bytes()
                    found.append((stamp, decoder.decode(content), path.suffix == ".live"))
        ordered = sorted(found, key=lambda one: one[0])
        return [(numbers, is_alive) for _, numbers, is_alive in ordered]


class Sum(Collector):
    """The numbers of several processes as Prometheus's families.

    Parameters
    ----------
    parts : list of (Numbers, bool)
        As `Shared.read` returns them.
    """

    def __init__(self, parts: list[tuple[Numbers, bool]]) -> None:
        self._parts = parts

    def collect(self) -> Iterator[Metric]:
        """Give a family for each of `METRICS`."""
        for name, meaning in METRICS.items():
            if meaning.kind == "histogram":
                yield self._histogram(name, meaning)
            else:
                yield self._values(name, meaning)

    def _values(self, name: str, meaning: Meaning) -> Metric:
        found: dict[Labels, float] = {}
        for numbers, is_alive in self._parts:
            if meaning.kind == "live" and not is_alive:
                continue
            for labels, value in numbers.values.get(name, {}).items():
                before = 0.0 if meaning.kind == "newest" else found.get(labels, 0.0)
                found[labels] = before + value
        form = CounterMetricFamily if meaning.kind == "counter" else GaugeMetricFamily
        family = form(name, meaning.help, labels=meaning.labels)
        if not meaning.labels:
            found.setdefault((), 0.0)
        for labels, value in sorted(found.items()):
            family.add_metric(labels, value)
        return family

    def _histogram(self, name: str, meaning: Meaning) -> Metric:
        found: dict[Labels, Durations] = {}
        for numbers, _ in self._parts:
            for labels, durations in numbers.durations.get(name, {}).items():
                so_far = found.setdefault(labels, Durations([0] * (len(BOUNDS) + 1)))
                pairs = zip(so_far.counts, durations.counts, strict=True)
                so_far.counts = [a + b for a, b in pairs]
                so_far.total += durations.total
        family = HistogramMetricFamily(name, meaning.help, labels=meaning.labels)
        for labels, durations in sorted(found.items()):
            buckets, below = [], 0
            for bound, n in zip((*map(str, BOUNDS), "+Inf"), durations.counts, strict=True):
                below += n
                buckets.append((bound, below))
            family.add_metric(labels, buckets, durations.total)
        return family


def collected(shared: Shared | None) -> CollectorRegistry:
    """Return the numbers of all processes; without a folder those of this one."""
    registry = CollectorRegistry()
    if shared is None:
        registry.register(Sum([(Numbers(dict(_values), dict(_durations)), True)]))
    else:
        shared.write()
        registry.register(Sum(shared.read()))
    return registry


def exposition(shared: Shared | None, *more: Collector) -> tuple[bytes, bytes]:
    """Return the numbers of all processes, and more, in Prometheus's format, and its name."""
    registry = collected(shared)
    for collector in more:
        registry.register(collector)
    return generate_latest(registry), CONTENT_TYPE_LATEST.encode()
