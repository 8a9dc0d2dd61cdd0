"""The difference between two models on the same customers, with its uncertainty."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from scipy import stats
from threadpoolctl import ThreadpoolController

from churn.core.params import DecisionParams
from churn.evaluation.bootstrap import draws, spread
from churn.evaluation.metric_names import RANKINGS, SMALLER_IS_BETTER
from churn.evaluation.weighted import WeightedMetrics

Word = Literal["better", "worse", "inconclusive", "identical"]
LEVEL = 0.95
# Of the resamples of a small group some hold one kind of customer only. An interval from fewer
# than this share of them would be one of the lucky draws.
_MIN_DEFINED = 0.95


@dataclass(frozen=True)
class Scored:
    """What one model says about the customers.

    Attributes
    ----------
    probability : ndarray of float, shape (n_customers,)
        Predicted probability of churn, in [0, 1].
    threshold : float
        The model predicts churn at this probability and above.
    """

    probability: np.ndarray
    threshold: float

    def of(self, members: np.ndarray) -> Scored:
        """Return the same for some of the customers."""
        return Scored(self.probability[members], self.threshold)


@dataclass(frozen=True)
class Difference:
    """One metric of two models on the same customers.

    Attributes
    ----------
    metric : str
    baseline, candidate, difference : float or None
        ``difference`` is ``candidate - baseline``; None where a metric is undefined or no
        number.
    lower, upper : float or None
        The interval of the difference; None where it could not be computed.
    p : float or None
        Probability of a difference of this size or more between equally good models, in [0, 1]:
        Student's test by the standard error of the bootstrap; None where there is no interval.
    word : {"better", "worse", "inconclusive", "identical"} or None
        What the interval says of the candidate: whether zero lies outside it, and on which side;
        identical where no draw shows any difference. None where there is no interval.
    """

    metric: str
    baseline: float | None
    candidate: float | None
    difference: float | None
    lower: float | None
    upper: float | None
    word: Word | None
    p: float | None = None


def compare(
    y: np.ndarray,
    baseline: Scored,
    candidate: Scored,
    decision: DecisionParams,
    seed: int,
    resamples: int,
) -> list[Difference]:
    """Compare two models by a paired bootstrap over customers.

    Each resample draws n of the n customers with replacement and computes the difference of
    both models on that draw; the interval is the middle 95 % of these differences, and a little
    more where one kind of customer is rare. What both
    models find hard about a customer cancels out, so a paired interval is narrower than one
    from two separate ones.

    Parameters
    ----------
    y : ndarray of int, shape (n_customers,)
        1 where the customer churned, else 0.
    baseline, candidate : Scored
        Both for the same customers in the same order. Of a model with a probability that is no
        number in [0, 1] every metric is undefined.
    decision : DecisionParams
        The costs.
    seed : int
        Decides the draws.
    resamples : int
        Number of draws, 1,000 or more for the ends of a 95% interval to stand still.

    Returns
    -------
    list of Difference
        One a metric, in the order of `churn.evaluation.metrics.measure`.

    Notes
    -----
    Source: Efron, B. and Tibshirani, R. J. (1993), An Introduction to the Bootstrap, chapter 13
    (percentile interval); `_tail` has that of the widening, `churn.evaluation.bootstrap` that of
    how little the seed decides. `scipy.stats.bootstrap` would sort each draw anew.
    """
    n_rarer = int(min(y.sum(), len(y) - y.sum()))
    one, other = (
        WeightedMetrics(y, scored.probability, scored.threshold, decision)
        for scored in (baseline, candidate)
    )
    everybody = np.ones((len(y), 1))
    first, second = one.metrics(everybody), other.metrics(everybody)
    names, (before, after) = list(first), (one.influence(), other.influence())
    influence = np.column_stack([after[name] - before[name] for name in names])
    drawn, linear = [], []
    # One thread: the products are small, and the order of their sums, so the last digit of a
    # result, would depend on the number of cores.
    with _libraries().limit(limits=1, user_api="blas"):
        for counts in draws(len(y), resamples, seed):
            was, is_ = one.metrics(counts), other.metrics(counts)
            drawn.append(np.stack([is_[name] - was[name] for name in names]))
            linear.append(influence.T @ counts)
    by_metric = zip(
        names,
        np.concatenate(drawn, axis=1),
        np.concatenate(linear, axis=1),
        influence.T,
        strict=True,
    )
    return [
        _difference(
            name, float(first[name][0]), float(second[name][0]), of_draws, of_line, of_each, n_rarer
        )
        for name, of_draws, of_line, of_each in by_metric
    ]


@cache
def _libraries() -> ThreadpoolController:
    """Return those that have threads; looking for them takes longer than a small comparison."""
    return ThreadpoolController()


def _tail(n_rarer: int) -> float:
    """Return the share of draws beyond each end of an interval, from the rarer kind's number.

    Percentile intervals are too narrow where there are few of a kind. The share is the one with
    which the interval of a mean would be Student's; source: Hesterberg, T. C. (2015), What Teachers
    Should Know About the Bootstrap, The American Statistician 69 (4), "expanded percentile". Not
    for rankings, whose draws spread more widely than chance does: they compare pairs.
    """
    if n_rarer < 2:
        return 0.0
    quantile = stats.t.ppf((1 - LEVEL) / 2, n_rarer - 1) * np.sqrt(n_rarer / (n_rarer - 1))
    return float(stats.norm.cdf(quantile))


def _difference(
    name: str,
    baseline: float,
    candidate: float,
    drawn: np.ndarray,
    linear: np.ndarray,
    influence: np.ndarray,
    n_rarer: int,
) -> Difference:
    first, second, change = map(_known, (baseline, candidate, candidate - baseline))
    is_known = np.isfinite(drawn)
    if change is None or is_known.mean() < _MIN_DEFINED:
        return Difference(name, first, second, change, lower=None, upper=None, word=None)
    tail = (1 - LEVEL) / 2 if name in RANKINGS else _tail(n_rarer)
    found = spread(drawn[is_known] - change, linear[is_known], influence, tail)
    lower, upper = change + found.lower, change + found.upper
    p = _p(change, found.error, n_rarer)
    return Difference(name, first, second, change, lower, upper, _word(name, lower, upper), p)


def _p(change: float, error: float, n_rarer: int) -> float:
    if error == 0 or n_rarer < 2:
        return 1.0 if change == 0 or n_rarer < 2 else 0.0
    return float(2 * stats.t.sf(abs(change) / error, n_rarer - 1))


def _word(name: str, lower: float, upper: float) -> Word:
    if lower == upper == 0:
        return "identical"
    if lower <= 0 <= upper:
        return "inconclusive"
    return "better" if (lower > 0) == (name not in SMALLER_IS_BETTER) else "worse"


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
