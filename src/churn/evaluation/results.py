"""What the stage `evaluate` writes as JSON."""

from __future__ import annotations

from pydantic import Field

from churn.core.files import Shape

# By metric; null where one is undefined.
Values = dict[str, float | None]


class Metrics(Shape):
    """metrics.json; `undefined` says by side why a metric is null."""

    threshold: float
    train: Values
    test: Values
    undefined: dict[str, dict[str, str]] = Field(default_factory=dict)

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
    churned: int | None = None
    metrics: Values | None = None
    undefined: dict[str, str] = Field(default_factory=dict)


class Slices(Shape):
    """slices.json."""

    train: list[SliceMetrics]
    test: list[SliceMetrics]
