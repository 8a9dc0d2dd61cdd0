"""Schemas of the stages' JSON files: the fields that their readers require."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, model_validator

# By metric; null where one is undefined.
Measured = dict[str, float | None]


class Shape(BaseModel):
    """Required fields and their types; further fields are allowed."""

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
    """A check; `outcomes` and `error` say why it did not pass."""

    check: str
    status: Literal["passed", "failed", "crashed"]
    outcomes: list[Outcome] = []
    error: str | None = None


class Checks(Shape):
    """checks.json."""

    passed: int
    checks: list[CheckResult]


class JudgedCheck(CheckResult):
    """A check with the list of params.yaml that it is in."""

    suite: str


class JudgedChecks(Shape):
    """checks.json, to be checked against params.yaml."""

    checks: list[JudgedCheck]


class Difference(Shape):
    """One metric of two models (`churn.evaluation.comparison.Difference`)."""

    metric: str
    baseline: float | None
    candidate: float | None
    difference: float | None
    lower: float | None
    upper: float | None
    word: str | None


class ComparedSlice(Shape):
    """A group of customers."""

    column: str
    slice: str
    rows: int
    metrics: list[Difference]


class ComparedEveryone(Shape):
    """The comparison on held-out customers and training rows together."""

    rows: int
    held_out: int
    metrics: list[Difference]
    slices: list[ComparedSlice]


class ComparedBaseline(Shape):
    """One baseline: absent, incomparable, or compared."""

    name: str
    absent: str | None = None
    incomparable: str | None = None
    model_digest: str | None = None
    rows: int | None = None
    metrics: list[Difference] | None = None
    everyone: ComparedEveryone | None = None
    same_threshold: list[Difference] | None = None
    slices: list[ComparedSlice] | None = None

    @model_validator(mode="after")
    def _is_one_of_three(self) -> ComparedBaseline:
        compared = None not in (self.model_digest, self.rows, self.metrics, self.slices)
        if not (self.absent or self.incomparable or compared):
            raise ValueError("not compared, and no reason given")
        return self


class Comparison(Shape):
    """comparison.json."""

    model_digest: str
    baselines: list[ComparedBaseline]


class Card(Shape):
    """model.json without the model; the whole of it is `churn.model.artifact.ModelCard`."""

    family: str
    features: list[str]


class DataStats(Shape):
    """data_stats.json."""

    rows: int


class ServingReport(Shape):
    """Results of the integration tests; `start_s` and `p95_ms` are null if not measured."""

    passed: int
    failed: list[str]
    skipped: list[str]
    start_s: float | None
    p95_ms: float | None


class TrackedRun(Shape):
    """run.json."""

    run_id: str
    model_digest: str
