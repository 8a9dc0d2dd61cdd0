"""comparison.json: what a candidate was compared with, and how it compares."""

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
    """A group of customers."""

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
    """How the training rows have moved away from the baseline's; pairs are before and now."""

    rows: tuple[int, int]
    columns: list[ColumnDrift]
    gone: list[str]
    new: list[str]
    label_rate: tuple[float, float] | None = None


class _Entry(Shape):
    name: str
    kind: Kind = "revision"


class Absent(_Entry):
    """A baseline that is not there, and why."""

    absent: str


class Found(_Entry):
    """A baseline that is there; see `churn.review.baseline.Baseline`."""

    identity: str | None = None
    source: Literal["stored", "reproduced", "registry"] | None = None
    model_digest: str
    exam: Whose | None = None  # whose held-out customers these are


class Incomparable(Found):
    """A baseline that cannot be scored on these customers, and why."""

    incomparable: str
    data: DataChange | None = None


class Compared(Found):
    """A baseline that was compared, on one exam and by one set of limits.

    Attributes
    ----------
    limits : {"main", "own"} or None
    rows : int
        Held-out customers.
    threshold : float or None
        The baseline's.
    metrics, slices
        On these customers.
    everyone : Everyone or None
        None where the held-out customers are ``alone``, which says why.
    same_threshold : list of Difference or None
        The candidate at the baseline's threshold; None where that is its own.
    data : DataChange or None
        In one entry of a baseline only.
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
        """The comparison on most customers: on everyone, where that could be made."""
        return self.everyone or self


def _kind(value: Any) -> str:
    """Tell of an entry, or of what JSON holds of one, which of the three it is."""
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
    """The whole.

    Attributes
    ----------
    model_digest : str
        Of the candidate.
    level : float
        Of the intervals.
    exam : Changed or None
        How the held-out customers have changed; None where they have not.
    baselines : list of Entry
        One for each that was asked for, each exam and each limits.
    """

    model_digest: str
    level: float | None = None
    resamples: int | None = None
    exam: Changed | None = None
    baselines: list[Entry]
