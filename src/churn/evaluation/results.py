"""What the stage `evaluate` writes as JSON."""

from __future__ import annotations

from pydantic import Field

from churn.core.errors import ArtifactError
from churn.core.files import Shape

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
    def rule(self) -> float | tuple[float, ...]:
        """The rule of the model's output (`churn.model.outputs`)."""
        for learned in (self.threshold, self.half_width, self.costs):
            if learned is not None:
                return learned
        raise ArtifactError("metrics.json names no threshold; run churn evaluate again")

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
