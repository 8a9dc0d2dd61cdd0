"""Differences between two models and between two tables, as data.

Standard library only: the comment on a pull request is written where no package is installed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from churn.evaluation.metric_names import SMALLER_IS_BETTER

Word = Literal["better", "worse", "inconclusive", "identical"]


@dataclass(frozen=True)
class Difference:
    """One metric of two models on the same customers.

    Attributes
    ----------
    metric : str
    baseline, candidate, difference : float or None
        ``difference`` is ``candidate - baseline``; None if a metric is undefined or not finite.
    lower, upper : float or None
        The 95% interval of the difference; None if it cannot be computed.
    p : float or None
        Two-sided p-value, in [0, 1], of Student's test with the standard error of the bootstrap;
        None if there is no interval.
    word : {"better", "worse", "inconclusive", "identical"} or None
        Better or worse if zero is outside the interval; identical if no draw shows a difference;
        None if there is no interval.
    """

    metric: str
    baseline: float | None
    candidate: float | None
    difference: float | None
    lower: float | None
    upper: float | None
    word: str | None  # a `Word`; read from a file, it may be that of a newer release
    p: float | None = None

    @property
    def loss(self) -> float | None:
        """The estimate of how much *worse* the candidate is; None if undefined."""
        if self.difference is None:
            return None
        return self.difference if self.metric in SMALLER_IS_BETTER else -self.difference

    @property
    def loss_interval(self) -> tuple[float, float] | None:
        """The interval of how much *worse* the candidate is; None if undefined."""
        lower, upper = self.lower, self.upper
        if lower is None or upper is None or not (math.isfinite(lower) and math.isfinite(upper)):
            return None
        return (lower, upper) if self.metric in SMALLER_IS_BETTER else (-upper, -lower)


def by_metric(differences: Iterable[Difference]) -> dict[str, Difference]:
    """Index differences by their metric."""
    return {difference.metric: difference for difference in differences}


@dataclass(frozen=True)
class ColumnDrift:
    """The drift of one column.

    Attributes
    ----------
    column : str
    psi : float
        Population stability index, 0 or more.
    word : {"none", "moderate", "large"}
        Below 0.1, below 0.25, and above: the usual interpretation of the index.
    before, after : float or None
        Mean of a numeric column; None for a categorical column, or if all values are missing.
    missing_before, missing_after : float
        Share of missing values, in [0, 1].
    """

    column: str
    psi: float
    word: str
    before: float | None
    after: float | None
    missing_before: float
    missing_after: float
