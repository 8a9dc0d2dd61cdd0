"""What a stage's JSON files hold, as far as what reads them leans on it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

# By metric; null where one is undefined.
Measured = dict[str, float | None]


class Shape(BaseModel):
    """Keys and types that have to be there; more may be."""

    model_config = ConfigDict(frozen=True, strict=True)


class Metrics(Shape):
    """metrics.json."""

    threshold: float
    train: Measured
    test: Measured


class Outcome(Shape):
    """A condition of a check."""

    passed: bool
    details: str


class CheckResult(Shape):
    """A check; `outcomes` and `error` say why it has not passed."""

    check: str
    status: Literal["passed", "failed", "crashed"]
    outcomes: list[Outcome] = []
    error: str | None = None


class Checks(Shape):
    """checks.json."""

    passed: int
    checks: list[CheckResult]


class Card(Shape):
    """model.json, where the model itself is not wanted; `churn.model.artifact` has all of it."""

    family: str
    features: list[str]


class DataStats(Shape):
    """data_stats.json."""

    rows: int


class TrackedRun(Shape):
    """run.json."""

    run_id: str
    model_digest: str
