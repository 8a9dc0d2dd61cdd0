"""What the checks have found."""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal

from pydantic import Field

from churn.core.files import Shape

Status = Literal["passed", "failed", "crashed"]


class Outcome(Shape):
    """A condition of a check."""

    condition: str
    passed: bool
    details: str


class CheckResult(Shape):
    """A check as params.yaml lists it, and what it found; `error` says why it crashed."""

    suite: str
    check: str
    # Of every check of deepchecks others, and another value.
    arguments: dict[str, Any] = Field(default_factory=dict)
    conditions: dict[str, Any] = Field(default_factory=dict)
    status: Status
    outcomes: list[Outcome] = Field(default_factory=list)
    error: str | None = None
    value: Any = None

    @property
    def details(self) -> str | None:
        """What the first condition says that is not met."""
        return next((outcome.details for outcome in self.outcomes if not outcome.passed), None)


class Results(Shape):
    """What the checks' program returns."""

    checks: list[CheckResult]


class Checks(Shape):
    """checks.json; `rows` are the customers by side that were looked at."""

    rows: dict[str, int] = Field(default_factory=dict)
    passed: int
    failed: int = 0
    crashed: int = 0
    checks: list[CheckResult]

    @property
    def summary(self) -> str:
        """How many have passed, of how many."""
        return f"{self.passed} of {len(self.checks)} checks passed"

    @classmethod
    def of(cls, checks: list[CheckResult], rows: dict[str, int]) -> Checks:
        """Count how the checks have ended."""
        n = Counter(check.status for check in checks)
        passed, failed, crashed = n["passed"], n["failed"], n["crashed"]
        return cls(rows=rows, passed=passed, failed=failed, crashed=crashed, checks=checks)
