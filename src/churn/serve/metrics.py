"""What `/metrics` shows, added up over all workers.

Each process writes its numbers into a file of a folder that they share, PROMETHEUS_MULTIPROC_DIR;
whichever worker is asked reads all of them. The variable must be set before this module is
imported.
"""

from __future__ import annotations

import os
from functools import lru_cache

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_LATENCY = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_own = CollectorRegistry()  # the process's own numbers, which are never shown alone

requests = Counter(
    "churn_requests",
    "Requests, by endpoint and HTTP status.",
    ["endpoint", "status"],
    registry=_own,
)
latency = Histogram(
    "churn_request_duration_seconds",
    "From the first byte of a request's headers to the answer.",
    ["endpoint"],
    buckets=_LATENCY,
    registry=_own,
)
in_flight = Gauge(
    "churn_requests_in_progress",
    "Requests that are being answered.",
    registry=_own,
    multiprocess_mode="livesum",
)
errors = Counter(
    "churn_errors", "Requests that were refused or failed, by kind.", ["kind"], registry=_own
)
rows = Counter("churn_rows", "Customers who were answered, by version.", ["version"], registry=_own)
predictions = Counter(
    "churn_predictions", "Customers by role and prediction.", ["role", "prediction"], registry=_own
)
scoring = Histogram(
    "churn_scoring_duration_seconds",
    "Time of a request from decoded cells to probabilities, by role and version.",
    ["role", "version"],
    buckets=_LATENCY,
    registry=_own,
)
fallbacks = Counter(
    "churn_challenger_failures",
    "Requests that the challenger could not answer; the champion has.",
    ["version"],
    registry=_own,
)
served = Gauge(
    "churn_model_served",
    "Workers that serve a version, by role and scorer (compiled or reference).",
    ["role", "version", "scorer"],
    registry=_own,
    multiprocess_mode="livesum",
)
reloads = Counter(
    "churn_reloads",
    "Versions that a worker has loaded, or could not load.",
    ["outcome"],
    registry=_own,
)
canary_share = Gauge(
    "churn_canary_share",
    "Share of the customers that the challenger predicts for.",
    registry=_own,
    multiprocess_mode="mostrecent",
)
registry_seen = Gauge(
    "churn_registry_last_answer_timestamp_seconds",
    "When the registry last answered, in seconds since 1970.",
    registry=_own,
    multiprocess_mode="mostrecent",
)
registry_failures = Counter(
    "churn_registry_failures", "Looks at the registry that have failed.", registry=_own
)
log_queue = Gauge(
    "churn_log_queue_rows",
    "Predictions that wait to be logged.",
    registry=_own,
    multiprocess_mode="livesum",
)
log_written = Counter("churn_log_written_rows", "Predictions that are in the log.", registry=_own)
log_dropped = Counter(
    "churn_log_dropped_rows",
    "Predictions that are not in the log, by reason.",
    ["reason"],
    registry=_own,
)


@lru_cache(maxsize=1024)
def request(endpoint: str, status: int) -> Counter:
    """Return the counter of an endpoint and a status; finding it anew takes as long as counting."""
    return requests.labels(endpoint, status)


@lru_cache(maxsize=64)
def latency_of(endpoint: str) -> Histogram:
    """Return the histogram of an endpoint."""
    return latency.labels(endpoint)


@lru_cache(maxsize=64)
def scoring_of(role: str, version: str) -> Histogram:
    """Return the histogram of a role and a version."""
    return scoring.labels(role, version)


@lru_cache(maxsize=64)
def rows_of(version: str) -> Counter:
    """Return the counter of a version."""
    return rows.labels(version)


@lru_cache(maxsize=64)
def predicted(role: str, prediction: int) -> Counter:
    """Return the counter of a role and a prediction."""
    return predictions.labels(role, prediction)


def collected() -> CollectorRegistry:
    """Return the numbers of all processes."""
    if FOLDER not in os.environ:
        return _own
    together = CollectorRegistry()
    multiprocess.MultiProcessCollector(together)  # type: ignore[no-untyped-call]
    return together


def exposition() -> tuple[bytes, bytes]:
    """Return the numbers of all processes in Prometheus's format, and its content type."""
    return generate_latest(collected()), CONTENT_TYPE_LATEST.encode()


def forget(pid: int) -> None:
    """Take a process that has ended out of the numbers that only count the living."""
    multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]
