"""The schema of comparison.json: a candidate compared with baselines."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from churn.core.files import Shape
from churn.evaluation.comparison import Difference
from churn.evaluation.curves import Points
from churn.evaluation.drift import ColumnDrift
from churn.review.exam import Changed

Kind = Literal["revision", "production"]
Whose = Literal["main", "own"]


class ComparedSlice(Shape):
    """The comparison on a group of customers."""

    column: str
    slice: str
    rows: int
    metrics: list[Difference]


class Everyone(Shape):
    """The comparison on held-out customers and, predicted out of fold, training rows."""

    rows: int
    held_out: int
    metrics: list[Difference]
    slices: list[ComparedSlice]


class Curve(Shape):
    """The points of one curve of both models."""

    baseline: Points
    candidate: Points


class DataChange(Shape):
    """How the training rows differ from the baseline's; pairs are before and now."""

    rows: tuple[int, int]
    columns: list[ColumnDrift]
    gone: list[str]
    new: list[str]
    label_rate: tuple[float, float] | None = None


class _Entry(Shape):
    name: str
    kind: Kind = "revision"


class Absent(_Entry):
    """A baseline that does not exist, and why."""

    absent: str


class Found(_Entry):
    """A baseline that exists; see `churn.review.baseline.Baseline`."""

    identity: str | None = None
    source: Literal["stored", "reproduced", "registry"] | None = None
    model_digest: str
    exam: Whose | None = None  # whose held-out customers were used


class Incomparable(Found):
    """A baseline that cannot be scored on these customers, and why."""

    incomparable: str
    data: DataChange | None = None


class Compared(Found):
    """A comparison with a baseline, on one exam and by one set of limits.

    Attributes
    ----------
    limits : {"main", "own"} or None
        Whose limits, which set slices, costs and the bootstrap.
    rows : int
        Number of held-out customers.
    threshold : float or None
        The baseline's decision threshold.
    metrics, slices
        On held-out customers.
    everyone : Everyone or None
        The comparison with training rows added; None if it could not be made.
    alone : str or None
        Why `everyone` is None.
    same_threshold : list of Difference or None
        The candidate at the baseline's threshold; None if both have the same threshold.
    data : DataChange or None
        Only in the first entry of a baseline.
    """

    limits: Whose | None = None
    rows: int
    threshold: float | None = None
    metrics: list[Difference]
    everyone: Everyone | None = None
    alone: str | None = None
    same_threshold: list[Difference] | None = None
    slices: list[ComparedSlice]
    curves: dict[str, Curve] = Field(default_factory=dict)
    data: DataChange | None = None

    @property
    def most(self) -> Compared | Everyone:
        """The comparison on the most customers: `everyone`, or held-out customers only."""
        return self.everyone or self


def _kind(value: Any) -> str:
    """Return which of the three classes an entry, or its JSON, belongs to."""
    for kind in ("absent", "incomparable"):
        if value.get(kind) if isinstance(value, dict) else getattr(value, kind, None):
            return kind
    return "compared"


Entry = Annotated[
    Annotated[Absent, Tag("absent")]
    | Annotated[Incomparable, Tag("incomparable")]
    | Annotated[Compared, Tag("compared")],
    Discriminator(_kind),
]


class Comparison(Shape):
    """The content of comparison.json.

    Attributes
    ----------
    model_digest : str
        Of the candidate.
    level : float or None
        Confidence level of the intervals.
    resamples : int or None
        Of the bootstrap.
    exam : Changed or None
        How the held-out customers have changed; None if they have not.
    baselines : list of Entry
        One per baseline, exam and set of limits.
    """

    model_digest: str
    level: float | None = None
    resamples: int | None = None
    exam: Changed | None = None
    baselines: list[Entry]
