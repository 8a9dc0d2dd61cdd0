"""Stop a canary that fails or is slow, without a person."""

from __future__ import annotations

from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from churn.core.params import ReleaseParams

_ROLES = ("challenger", "shadow")
_FAILURES = 3  # fewer may be an accident
_FAILURE_SHARE = 0.01
_REQUESTS = 100  # fewer say nothing about the slowest
_QUANTILE = 0.95


@dataclass(frozen=True)
class Trial:
    """What all workers have counted of a challenger.

    Attributes
    ----------
    requests : float
        That it has answered.
    failures : float
        That it could not answer.
    p95_s : float or None
        Upper bound of the seconds in which 95 of 100 were predicted; None if there were none.
    """

    requests: float
    failures: float
    p95_s: float | None


def counted(numbers: CollectorRegistry, version: str) -> Trial:
    """Read what was counted of a version from the metrics of all workers."""
    failures, buckets = 0.0, dict[float, float]()
    for family in numbers.collect():
        for sample in family.samples:
            if sample.labels.get("version") != version:
                continue
            if sample.name == "churn_challenger_failures_total":
                failures += sample.value
            elif (
                sample.name == "churn_scoring_duration_seconds_bucket"
                and sample.labels["role"] in _ROLES
            ):
                bound = float(sample.labels["le"])
                buckets[bound] = buckets.get(bound, 0.0) + sample.value
    requests = max(buckets.values(), default=0.0)
    if not requests:
        return Trial(0.0, failures, None)
    slow = min(bound for bound, count in buckets.items() if count >= _QUANTILE * requests)
    return Trial(requests, failures, slow)


def reason_to_stop(trial: Trial, limits: ReleaseParams) -> str:
    """Say why a canary has to end; empty if it may go on.

    Parameters
    ----------
    trial : Trial
    limits : ReleaseParams
        `p95_ms` holds here too.
    """
    asked = trial.requests + trial.failures
    if trial.failures >= _FAILURES and trial.failures > _FAILURE_SHARE * asked:
        return f"it could not answer {trial.failures:.0f} of {asked:.0f} requests"
    if (
        trial.p95_s is not None
        and trial.requests >= _REQUESTS
        and trial.p95_s * 1000 > limits.p95_ms
    ):
        return (
            f"95 of 100 predictions take up to {trial.p95_s * 1000:.0f} ms, and"
            f" {limits.p95_ms:g} ms are allowed (release.p95_ms)"
        )
    return ""
