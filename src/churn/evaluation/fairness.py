"""How differently a model treats the slices of a protected column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import stats

from churn.evaluation.bootstrap import LEVEL
from churn.evaluation.group_gaps import LEAST_POSITIVE, Gap, Group
from churn.evaluation.many_looks import holm

_SHARES = ("selection_rate", "recall")


@dataclass(frozen=True)
class Measure:
    """A metric of each slice: the mean of a value over some of its customers.

    Attributes
    ----------
    metric : str
        One of `churn.evaluation.group_gaps.TITLES`.
    values : ndarray, shape (n_customers,)
    counts : ndarray of bool, shape (n_customers,)
        The customers whose values count.
    of : str or None
        The class, if there are several.
    """

    metric: str
    values: np.ndarray
    counts: np.ndarray
    of: str | None = None

    def in_slice(self, members: np.ndarray) -> np.ndarray:
        """Return the values that count; none where they are too few."""
        values: np.ndarray = self.values[members & self.counts]
        enough = self.metric != "recall" or len(values) >= LEAST_POSITIVE
        return values if enough else values[:0]


def of_class(
    is_positive: np.ndarray, decided: np.ndarray, probability: np.ndarray, of: str | None = None
) -> list[Measure]:
    """Return what is measured of a class.

    Parameters
    ----------
    is_positive, decided : ndarray of bool, shape (n_customers,)
        Who is of the class, and who is predicted to be.
    probability : ndarray of float, shape (n_customers,)
        Of the class, in [0, 1].
    of : str, optional
        Its name, if there are several.

    Returns
    -------
    list of Measure
        Selection rate, recall, and calibration.
    """
    everyone = np.ones(len(is_positive), dtype=bool)
    return [
        Measure("selection_rate", decided, everyone, of),
        Measure("recall", decided, is_positive, of),
        Measure("calibration", probability - is_positive, everyone, of),
    ]


def of_numbers(y: np.ndarray, predicted: np.ndarray) -> list[Measure]:
    """Return what is measured of numbers: mean prediction, mean absolute error, calibration."""
    values = {
        "mean_prediction": predicted,
        "mae": np.abs(predicted - y),
        "calibration": predicted - y,
    }
    return [Measure(name, value, np.ones(len(y), dtype=bool)) for name, value in values.items()]


def groups(
    slices: Sequence[tuple[str, np.ndarray]], measures: Sequence[Measure]
) -> tuple[list[Group], list[Gap]]:
    """Measure the slices of one protected column, and the gaps between each two of them.

    Parameters
    ----------
    slices : sequence of (str, ndarray of bool)
        Name and customers of each slice; no customer is in two.
    measures : sequence of Measure
        Of the customers; those of one class together.

    Returns
    -------
    list of Group
        As the slices; of each, one for each class.
    list of Gap
        For each two slices and each measure, the first slice minus the second one; not corrected
        for their number yet (`corrected`).

    Notes
    -----
    Slices have no customer in common, so there is nothing to pair. Selection rate and recall are
    shares: Newcombe's interval from two of Wilson's, also for shares of 0 and 1, where a bootstrap
    has no spread. The others are means: Welch's interval.

    Recall counts those who churned only, who can be few in a large slice. Of two slices with the
    same recall, 200 churned in one of them, so many are called different at 5%, by enumeration: if
    12 churned in the other one, at most 5.2% for recalls of 0.1 to 0.9, and 7.9% beyond; if 3 did,
    6.9% and 10.3%. So recall is not measured where fewer than `LEAST_POSITIVE` churned.
    Source: Newcombe, R. G. (1998), Interval Estimation for the Difference Between Independent
    Proportions, Statistics in Medicine 17, method 10; Welch, B. L. (1947), Biometrika 34.
    """
    classes = dict.fromkeys(measure.of for measure in measures)
    found = [
        _group(name, members, [measure for measure in measures if measure.of == of], of)
        for name, members in slices
        for of in classes
    ]
    gaps = [
        _gap(measure, (name, other), *map(measure.in_slice, (members, others)))
        for (name, members), (other, others) in combinations(slices, 2)
        for measure in measures
    ]
    return found, gaps


def _group(name: str, members: np.ndarray, measures: list[Measure], of: str | None) -> Group:
    counted = {measure.metric: measure.counts[members].sum() for measure in measures}
    positive = int(counted["recall"]) if "recall" in counted else None
    values = {measure.metric: _mean(measure.in_slice(members)) for measure in measures}
    return Group(name, int(members.sum()), positive, values, of)


def corrected(families: Sequence[Sequence[Gap]]) -> list[list[Gap]]:
    """Call those gaps significant that are so together, whatever the number of looks (Holm)."""
    tested = [gap.p for family in families for gap in family if gap.p is not None]
    significant = iter(holm(tested))
    return [
        [gap.called(gap.p is not None and next(significant)) for gap in family]
        for family in families
    ]


def _gap(measure: Measure, names: tuple[str, str], first: np.ndarray, second: np.ndarray) -> Gap:
    metric, of = measure.metric, measure.of
    if not len(first) or not len(second):
        return Gap(metric, *names, None, None, None, None, of)
    difference = float(first.mean() - second.mean())
    interval = _of_shares if metric in _SHARES else _of_means
    ends = interval(first, second)
    if ends is None:
        return Gap(metric, *names, difference, None, None, None, of)
    lower, upper = ends
    error = (upper - lower) / 2 / stats.norm.ppf((1 + LEVEL) / 2)
    middle = (upper + lower) / 2
    p = 2 * float(stats.norm.sf(abs(middle) / error)) if error > 0 else float(middle == 0)
    return Gap(metric, *names, difference, float(lower), float(upper), p, of)


def _of_shares(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    (p1, low1, high1), (p2, low2, high2) = map(_wilson, (first, second))
    lower = p1 - p2 - np.hypot(p1 - low1, high2 - p2)
    upper = p1 - p2 + np.hypot(high1 - p1, p2 - low2)
    return float(lower), float(upper)


def _wilson(values: np.ndarray) -> tuple[float, float, float]:
    successes, n = int(values.sum()), len(values)
    ends = stats.binomtest(successes, n).proportion_ci(LEVEL, method="wilson")
    return successes / n, float(ends.low), float(ends.high)


def _of_means(first: np.ndarray, second: np.ndarray) -> tuple[float, float] | None:
    """Return Welch's interval; None if a group has one customer only."""
    if min(len(first), len(second)) < 2:
        return None
    ends = stats.ttest_ind(first, second, equal_var=False).confidence_interval(LEVEL)
    if not (np.isfinite(ends.low) and np.isfinite(ends.high)):
        return None
    return float(ends.low), float(ends.high)


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None
