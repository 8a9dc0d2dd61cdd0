"""How differently a model treats the slices of a protected column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from scipy import stats

from churn.evaluation.bootstrap import LEVEL
from churn.evaluation.group_gaps import LEAST_CHURNED, Gap, Group
from churn.evaluation.many_looks import holm
from churn.model.threshold import decide

_Values = Mapping[str, np.ndarray]


def groups(
    slices: Sequence[tuple[str, np.ndarray]],
    y: np.ndarray,
    probability: np.ndarray,
    threshold: float,
) -> tuple[list[Group], list[Gap]]:
    """Measure the slices of one protected column, and the gaps between each two of them.

    Parameters
    ----------
    slices : sequence of (str, ndarray of bool)
        Name and customers of each slice; no customer is in two.
    y : ndarray of int, shape (n_customers,)
        1 where the customer churned, else 0.
    probability : ndarray of float, shape (n_customers,)
        In [0, 1].
    threshold : float
        The model predicts churn at this probability and above.

    Returns
    -------
    list of Group
        As the slices.
    list of Gap
        For each two slices and each of `churn.evaluation.group_gaps.TITLES`, the first slice minus
        the second one; not corrected for their number yet (`corrected`).

    Notes
    -----
    Slices have no customer in common, so there is nothing to pair. Selection rate and recall are
    shares: Newcombe's interval from two of Wilson's, also for shares of 0 and 1, where a bootstrap
    has no spread. Calibration is a mean: Welch's interval.

    Recall counts those who churned only, who can be few in a large slice. Of two slices with the
    same recall, 200 churned in one of them, so many are called different at 5%, by enumeration: if
    12 churned in the other one, at most 5.2% for recalls of 0.1 to 0.9, and 7.9% beyond; if 3 did,
    6.9% and 10.3%. So recall is not measured where fewer than `LEAST_CHURNED` churned.
    Source: Newcombe, R. G. (1998), Interval Estimation for the Difference Between Independent
    Proportions, Statistics in Medicine 17, method 10; Welch, B. L. (1947), Biometrika 34.
    """
    decided = decide(probability, threshold)
    found, values = [], []
    for name, members in slices:
        labels, churn = y[members], decided[members]
        caught = churn[labels == 1]
        of_slice: dict[str, np.ndarray] = {
            "selection_rate": churn,
            "recall": caught if len(caught) >= LEAST_CHURNED else caught[:0],
            "calibration": probability[members] - labels,
        }
        means = {metric: _mean(value) for metric, value in of_slice.items()}
        found.append(Group(name, int(members.sum()), int(labels.sum()), **means))
        values.append(of_slice)
    gaps = [
        _gap(metric, (slices[i][0], slices[j][0]), values[i][metric], values[j][metric])
        for i, j in combinations(range(len(slices)), 2)
        for metric in values[i]
    ]
    return found, gaps


def corrected(families: Sequence[Sequence[Gap]]) -> list[list[Gap]]:
    """Call those gaps significant that are so together, whatever the number of looks (Holm)."""
    tested = [gap.p for family in families for gap in family if gap.p is not None]
    significant = iter(holm(tested))
    return [
        [gap.called(gap.p is not None and next(significant)) for gap in family]
        for family in families
    ]


def _gap(metric: str, names: tuple[str, str], first: np.ndarray, second: np.ndarray) -> Gap:
    if not len(first) or not len(second):
        return Gap(metric, *names, None, None, None, None)
    difference = float(first.mean() - second.mean())
    interval = _of_means if metric == "calibration" else _of_shares
    ends = interval(first, second)
    if ends is None:
        return Gap(metric, *names, difference, None, None, None)
    lower, upper = ends
    error = (upper - lower) / 2 / stats.norm.ppf((1 + LEVEL) / 2)
    middle = (upper + lower) / 2
    p = 2 * float(stats.norm.sf(abs(middle) / error)) if error > 0 else float(middle == 0)
    return Gap(metric, *names, difference, float(lower), float(upper), p)


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
