"""Stop a canary that fails or is slow, without a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from churn.core.params import ReleaseParams
from churn.evaluation.trial_gate import LATENCY_REQUESTS, too_many_failures
from churn.serve.store import Challenger

_ROLES = ("challenger", "shadow")
_QUANTILE = 0.95


@dataclass(frozen=True)
class Counts:
    """What all workers have counted of a challenger.

    Attributes
    ----------
    failures : float
        Requests that it could not answer.
    buckets : dict of float to float
        By a bound in seconds: requests that took at most so long.
    """

    failures: float
    buckets: Mapping[float, float]

    @property
    def requests(self) -> float:
        """Number of requests that it has answered."""
        return max(self.buckets.values(), default=0.0)

    def since(self, before: Counts) -> Counts:
        """Return what was counted after `before`."""
        buckets = {b: n - before.buckets.get(b, 0.0) for b, n in self.buckets.items()}
        return Counts(self.failures - before.failures, buckets)

    @property
    def p95_s(self) -> float:
        """Seconds that 5 of 100 requests have taken at least; 0 if there were none.

        The lower end of the bucket in which the quantile is, so that no challenger is stopped for
        the width of a bucket.
        """
        slow = [b for b, n in self.buckets.items() if n < _QUANTILE * self.requests]
        return max(slow, default=0.0)


def counted(numbers: CollectorRegistry, version: str) -> Counts:
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
    return Counts(failures, buckets)


class Watch:
    """Watches one canary after another.

    Parameters
    ----------
    limits : ReleaseParams
        `p95_ms` holds for a challenger too.
    """

    def __init__(self, limits: ReleaseParams) -> None:
        self._limits = limits
        self._trial: tuple[str, str] | None = None  # version, and since when
        self._before = Counts(0.0, {})

    def reason_to_stop(self, challenger: Challenger, numbers: CollectorRegistry) -> str:
        """Say why a canary has to end; empty if it may go on.

        Parameters
        ----------
        challenger : Challenger
        numbers : CollectorRegistry
            Of all workers. What they had counted when the canary was first seen is of an earlier
            one.
        """
        found = counted(numbers, challenger.version)
        if self._trial != (challenger.version, challenger.since):
            self._trial, self._before = (challenger.version, challenger.since), found
        return reason_to_stop(found.since(self._before), self._limits)


def reason_to_stop(counts: Counts, limits: ReleaseParams) -> str:
    """Say why a canary has to end; empty if it may go on.

    Parameters
    ----------
    counts : Counts
        Since it began.
    limits : ReleaseParams
        `p95_ms` holds for a challenger too.
    """
    asked = counts.requests + counts.failures
    if too_many_failures(counts.failures, asked):
        return f"it could not answer {counts.failures:.0f} of {asked:.0f} requests"
    if counts.requests >= LATENCY_REQUESTS and counts.p95_s * 1000 >= limits.p95_ms:
        return (
            f"5 of 100 predictions take more than {counts.p95_s * 1000:.0f} ms, and"
            f" {limits.p95_ms:g} ms are allowed (release.p95_ms)"
        )
    return ""
