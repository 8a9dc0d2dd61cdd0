"""What is to become of a trial: promote its version, wait, or not. Nothing is moved here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from churn.core.params import CanaryParams, ReleaseParams

if TYPE_CHECKING:
    # Not otherwise: each worker of the server imports this module, and none compares.
    from churn.evaluation.trial import Comparison

_FAILURES = 3  # fewer may be an accident
_FAILURE_SHARE = 0.01
LATENCY_REQUESTS = 100  # fewer say nothing about the slowest


@dataclass(frozen=True)
class Standing:
    """The decision on a trial.

    Attributes
    ----------
    outcome : {"promote", "wait", "block"}
        Block if the version must not be promoted, or if it cannot be told at the end of the trial.
    reason : str
        In one line.
    """

    outcome: Literal["promote", "wait", "block"]
    reason: str


def decide(
    found: Comparison | None, limits: ReleaseParams, ends: datetime | None, now: datetime
) -> Standing:
    """Decide on a trial.

    Parameters
    ----------
    found : Comparison or None
        None if nothing was logged.
    limits : ReleaseParams
        `p95_ms` holds for the version, `canary` says how many customers it needs.
    ends : datetime or None
        When the trial has lasted as long as it must; None if a person decides.
    now : datetime
        With a time zone, as `ends`.
    """
    is_over = ends is not None and ends <= now
    if found is not None and (reason := _fault(found, limits, is_over)):
        return Standing("block", reason)
    if ends is None or limits.canary is None:
        return Standing("wait", "params.yaml has no release.canary, so a person decides")
    if not is_over:
        return Standing("wait", f"the trial lasts until {ends:%Y-%m-%d %H:%M} UTC")
    return _enough(0 if found is None else found.challenger.customers, limits.canary)


def _fault(found: Comparison, limits: ReleaseParams, is_over: bool) -> str:
    """Say why the version must not be promoted; empty if nothing is known against it."""
    its = found.challenger
    if too_many_failures(found.failures, found.failures + its.customers):
        asked = found.failures + its.customers
        return f"it has not predicted for {found.failures:,} of {asked:,} customers"
    if is_over and its.customers and not its.requests:
        return "the log does not say how long its predictions take"
    if (is_over or its.requests >= LATENCY_REQUESTS) and its.p95_ms > limits.p95_ms:
        return (
            f"5 of 100 predictions take more than {its.p95_ms:.0f} ms, and {limits.p95_ms:g} ms are"
            " allowed (release.p95_ms)"
        )
    for name, interval in found.losses.items():
        if interval.word == "worse":
            difference, least = (
                format(value, interval.form) for value in (interval.difference, interval.lower)
            )
            return (
                f"its {name} is worse by {difference}, at least {least}, of"
                f" {interval.customers:,} customers with a label"
            )
    return ""


def _enough(customers: int, settings: CanaryParams) -> Standing:
    needed = settings.customers
    if customers < needed:
        return Standing(
            "block",
            f"it has predicted for {customers:,} customers, and {needed:,} are needed"
            " (release.canary.customers)",
        )
    return Standing("promote", f"nothing speaks against it after {customers:,} customers")


def too_many_failures(failures: float, asked: float) -> bool:
    """Tell whether more predictions have failed than by accident: 3 and more, and over 1 %."""
    return failures >= _FAILURES and failures > _FAILURE_SHARE * asked
