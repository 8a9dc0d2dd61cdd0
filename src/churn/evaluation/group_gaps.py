"""How differently a model treats the slices of a protected column, as data.

Standard library only: the comment on a pull request is written where no package is installed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

TITLES = {
    "selection_rate": "Selection rate",
    "recall": "Recall",
    "mean_prediction": "Mean prediction",
    "mae": "MAE",
    "calibration": "Calibration",
}
LEAST_POSITIVE = 10  # of a slice, so that its recall counts as measured


def titled(metric: str, of: str | None) -> str:
    """Return a metric's title, and the class if there are several."""
    return TITLES.get(metric, metric) + (f" of {of}" if of is not None else "")


@dataclass(frozen=True)
class Group:
    """A slice of a protected column; of several classes, one for each class.

    Attributes
    ----------
    slice : str
    rows : int
        Its customers.
    positive : int or None
        Those of them who churned, or are of the class; None for numbers.
    values : dict of str to float or None
        By metric, one of `TITLES`; None where it is not measured.
    of : str or None
        The class, if there are several.
    """

    slice: str
    rows: int
    positive: int | None
    values: dict[str, float | None]
    of: str | None = None


@dataclass(frozen=True)
class Gap:
    """A metric of one slice minus that of another one.

    Attributes
    ----------
    metric : str
        One of `TITLES`.
    first, second : str
        The slices.
    difference : float or None
        None if the metric was not measured in one of them.
    lower, upper : float or None
        The 95% interval; None if it cannot be computed.
    p : float or None
        Two-sided p-value of no difference.
    of : str or None
        The class, if there are several.
    significant : bool
        Whether it is one, among all that are looked at.
    """

    metric: str
    first: str
    second: str
    difference: float | None
    lower: float | None
    upper: float | None
    p: float | None
    of: str | None = None
    significant: bool = False

    @property
    def title(self) -> str:
        """Its metric, and the class."""
        return titled(self.metric, self.of)

    def called(self, significant: bool) -> Gap:
        """Return it, called significant or not."""
        return replace(self, significant=significant)


@dataclass(frozen=True)
class Fairness:
    """The slices of a protected column, on one exam and by one set of limits.

    Attributes
    ----------
    column : str
    exam, limits : str
        Whose held-out customers, and whose limits: ``main`` or ``own``.
    problem : str or None
        Why nothing could be measured.
    skipped : int
        Other slices with too few customers: of missing and rare values, and of values that no
        training row has.
    groups : list of Group
    gaps : list of Gap
    small : dict of str to int
        Held-out customers of each slice that the training rows define and that has too few of
        them, which can be none.
    """

    column: str
    exam: str
    limits: str
    problem: str | None = None
    skipped: int = 0
    groups: list[Group] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    small: dict[str, int] = field(default_factory=dict)
