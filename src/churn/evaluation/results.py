"""What the stage `evaluate` writes as JSON."""

from __future__ import annotations

from pydantic import Field

from churn.core.errors import ArtifactError
from churn.core.files import Shape
from churn.model.rule import Rule, rule_of

# By metric; null where one is undefined.
Values = dict[str, float | None]


class Metrics(Shape):
    """metrics.json; `undefined` says by side why a metric is null."""

    threshold: float | None = None
    half_width: float | None = None
    costs: tuple[float, ...] | None = None
    train: Values
    test: Values
    undefined: dict[str, dict[str, str]] = Field(default_factory=dict)

    @property
    def rule(self) -> Rule:
        """The rule of the model's output (`churn.model.outputs`)."""
        if (rule := rule_of(self)) is None:
            raise ArtifactError("metrics.json names no threshold; run churn evaluate again")
        return rule

    @property
    def sides(self) -> dict[str, Values]:
        """The metrics by side of the split."""
        return {"train": self.train, "test": self.test}


class SliceMetrics(Shape):
    """A group of customers of one side: too small, or measured."""

    column: str
    slice: str
    rows: int
    skipped: str | None = None
    churned: int | None = None  # of binary labels
    mean: float | None = None  # of numbers
    metrics: Values | None = None
    undefined: dict[str, str] = Field(default_factory=dict)


class Slices(Shape):
    """slices.json."""

    train: list[SliceMetrics]
    test: list[SliceMetrics]
