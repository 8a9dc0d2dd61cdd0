"""A candidate compared with baselines, as data: the content of comparison.json.

Standard library only: the comment on a pull request is written where no package is installed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from churn.core.shapes import UNWRITTEN
from churn.evaluation.differences import ColumnDrift, Difference
from churn.evaluation.group_gaps import Fairness

Kind = Literal["revision", "production"]
Whose = Literal["main", "own"]
Points = list[dict[str, float]]


@dataclass(frozen=True)
class ComparedSlice:
    """The comparison on a group of customers."""

    column: str
    slice: str
    rows: int
    metrics: list[Difference]


@dataclass(frozen=True)
class Everyone:
    """The comparison on held-out customers and, predicted out of fold, training rows."""

    rows: int
    held_out: int
    metrics: list[Difference]
    slices: list[ComparedSlice]


@dataclass(frozen=True)
class Curve:
    """The points of one curve of both models."""

    baseline: Points
    candidate: Points


@dataclass(frozen=True)
class DataChange:
    """How the training rows differ from the baseline's; pairs are before and now."""

    rows: tuple[int, int]
    columns: list[ColumnDrift]
    gone: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    label_rate: tuple[float, float] | None = field(default=None, metadata=UNWRITTEN)
    # Of another task: what of the target, before, and now.
    target: list[tuple[str, str, str]] | None = field(default=None, metadata=UNWRITTEN)


@dataclass(frozen=True, kw_only=True)
class _Entry:
    name: str
    kind: Kind = "revision"


@dataclass(frozen=True, kw_only=True)
class Absent(_Entry):
    """A baseline that does not exist, and why."""

    absent: str


@dataclass(frozen=True, kw_only=True)
class Found(_Entry):
    """A baseline that exists; see `churn.review.baseline.Baseline`."""

    identity: str | None = None
    source: Literal["stored", "reproduced", "registry"] | None = None
    model_digest: str
    exam: Whose | None = None  # whose held-out customers were used


@dataclass(frozen=True, kw_only=True)
class Incomparable(Found):
    """A baseline that cannot be scored on these customers, and why."""

    incomparable: str
    data: DataChange | None = field(default=None, metadata=UNWRITTEN)


@dataclass(frozen=True, kw_only=True)
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
    curves: dict[str, Curve] = field(default_factory=dict)
    data: DataChange | None = field(default=None, metadata=UNWRITTEN)

    @property
    def most(self) -> Compared | Everyone:
        """The comparison on the most customers: `everyone`, or held-out customers only."""
        return self.everyone or self


Entry = Absent | Incomparable | Compared


@dataclass(frozen=True)
class Changed:
    """How many held-out customers a change adds, removes, relabels and edits.

    Attributes
    ----------
    before, after : int
        Held-out customers on main, and in the change.
    added, removed : int
        Customers who are held out in only one of the two.
    relabelled, edited : int
        Customers held out in both whose label, or whose value in a shared column, differs.
    """

    before: int
    after: int
    added: int
    removed: int
    relabelled: int
    edited: int

    @property
    def any(self) -> bool:
        """Whether anything has changed."""
        return bool(self.added or self.removed or self.relabelled or self.edited)


@dataclass(frozen=True, kw_only=True)
class Comparison:
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
    fairness : list of Fairness
        The candidate alone: one per protected column, exam and set of limits.
    """

    model_digest: str
    level: float | None = None
    resamples: int | None = None
    exam: Changed | None = None
    baselines: list[Entry]
    fairness: list[Fairness] = field(default_factory=list)
