"""The difference between two models on the same customers, with its uncertainty."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from scipy import stats
from threadpoolctl import ThreadpoolController

from churn.evaluation.metric_names import SMALLER_IS_BETTER, TITLES
from churn.model.threshold import decide
from churn.params import DecisionParams

Word = Literal["better", "worse", "inconclusive", "identical"]
LEVEL = 0.95
# Customers times draws that are worked on at once. A matrix of 0.8 MB stays in the processor's
# cache, which is several times faster than one that does not.
_CELLS = 100_000
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
        Student's test by the standard deviation of the draws; None where there is no interval.
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
    (percentile interval); `_tail` has that of the widening. A draw is held as the number of times
    that each customer is in it, so that every metric of many draws is a matrix product or one
    cumulative sum over customers who were sorted once; `scipy.stats.bootstrap` would sort each
    draw anew.
    """
    n_rarer = int(min(y.sum(), len(y) - y.sum()))
    lines = [_Model(y, scored, decision) for scored in (baseline, candidate)]
    ones = np.ones((len(y), 1))
    seen = [line.metrics(ones) for line in lines]
    drawn: dict[str, list[np.ndarray]] = {name: [] for name in seen[0]}
    # One thread: the products are small, and the order of their sums, so the last digit of a
    # result, would depend on the number of cores.
    with _libraries().limit(limits=1, user_api="blas"):
        for counts in _draws(len(y), resamples, seed):
            one, other = (line.metrics(counts) for line in lines)
            for name in drawn:
                drawn[name].append(other[name] - one[name])
    return [
        _difference(
            name, float(seen[0][name][0]), float(seen[1][name][0]), np.concatenate(d), n_rarer
        )
        for name, d in drawn.items()
    ]


@cache
def _libraries() -> ThreadpoolController:
    """Return those that have threads; looking for them takes longer than a small comparison."""
    return ThreadpoolController()


class _Model:
    """One model's metrics on draws of the customers."""

    def __init__(self, y: np.ndarray, scored: Scored, decision: DecisionParams) -> None:
        p = scored.probability
        # A rank or a decision can be had of a probability that is none: nothing is to be learned.
        self._usable = bool(((p >= 0) & (p <= 1)).all())
        predicted = decide(p, scored.threshold)
        true_positive, false_positive = predicted * y, predicted * (1 - y)
        false_negative = (1 - predicted) * y
        # log_loss clips as `churn.evaluation.metrics.measure` does.
        clipped = np.clip(p, np.finfo(p.dtype).eps, 1 - np.finfo(p.dtype).eps)
        cost = (
            decision.cost_false_negative * false_negative
            + decision.cost_false_positive * false_positive
        )
        self._sums = np.column_stack(
            [
                -(y * np.log(clipped) + (1 - y) * np.log1p(-clipped)),
                (p - y) ** 2,
                predicted == y,
                cost,
                true_positive,
                false_positive,
                false_negative,
                np.ones(len(y)),
            ]
        ).astype(float)
        order = np.argsort(-p, kind="stable")
        is_positive = y[order] == 1
        self._positives, self._negatives = order[is_positive], order[~is_positive]
        # For each churned customer, how many of either kind rank above it, and with it: customers
        # of equal probability rank alike.
        ranks, others = -p[self._positives], -p[self._negatives]
        self._with = np.searchsorted(ranks, ranks, side="right") - 1
        self._others_above = np.searchsorted(others, ranks, side="left")
        self._others_with = np.searchsorted(others, ranks, side="right")

    def metrics(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        """Compute each metric on each draw; NaN where it is undefined.

        Parameters
        ----------
        counts : ndarray of float, shape (n_customers, n_draws)
            How often a customer is in a draw.

        Returns
        -------
        dict of str to ndarray of float, shape (n_draws,)
        """
        if not self._usable:
            return {name: np.full(counts.shape[1], np.nan) for name in TITLES}
        log_loss, brier, right, cost, tp, fp, fn, n = self._sums.T @ counts
        auc, precision_area = self._ranking(counts)
        with np.errstate(divide="ignore", invalid="ignore"):
            return {
                "roc_auc": auc,
                "average_precision": precision_area,
                "log_loss": log_loss / n,
                "brier": brier / n,
                "accuracy": right / n,
                "precision": tp / (tp + fp),
                "recall": tp / (tp + fn),
                "f1": 2 * tp / (2 * tp + fp + fn),
                "cost": cost / n,
            }

    def _ranking(self, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Compute ROC AUC and average precision, looking at the churned customers' ranks only."""
        positives = counts[self._positives]
        found = np.cumsum(positives, axis=0)
        others = np.zeros((len(self._negatives) + 1, counts.shape[1]))
        np.cumsum(counts[self._negatives], axis=0, out=others[1:])
        total, n_others = positives.sum(axis=0), others[-1]
        above, beside = others[self._others_above], others[self._others_with]
        found = found[self._with]
        # A draw may leave out the first customers; their precision counts for nothing.
        precision = found / np.maximum(found + beside, 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            area = np.einsum("ij,ij->j", positives, precision) / total
            # A negative is beaten by all positives above it, and by half of those beside it.
            lost = np.einsum("ij,ij->j", positives, above + beside) / 2
            auc = (total * n_others - lost) / (total * n_others)
        return auc, area


def _draws(n: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Give bootstrap draws as counts, as many at a time as memory is meant for."""
    rng = np.random.default_rng(seed)
    at_once = max(1, _CELLS // n)
    for start in range(0, resamples, at_once):
        size = min(at_once, resamples - start)
        cells = rng.integers(0, n, (n, size)) * size + np.arange(size)
        yield np.bincount(cells.ravel(), minlength=n * size).reshape(n, size).astype(float)


def _tail(n_rarer: int) -> float:
    """Return the share of draws beyond each end of an interval, from the rarer kind's number.

    Percentile intervals are too narrow where there are few of a kind. The share is the one with
    which the interval of a mean would be Student's; source: Hesterberg, T. C. (2015), What Teachers
    Should Know About the Bootstrap, The American Statistician 69 (4), "expanded percentile".
    """
    if n_rarer < 2:
        return 0.0
    quantile = stats.t.ppf((1 - LEVEL) / 2, n_rarer - 1) * np.sqrt(n_rarer / (n_rarer - 1))
    return float(stats.norm.cdf(quantile))


def _difference(
    name: str, baseline: float, candidate: float, drawn: np.ndarray, n_rarer: int
) -> Difference:
    first, second, change = map(_known, (baseline, candidate, candidate - baseline))
    known = drawn[np.isfinite(drawn)]
    if change is None or len(known) < _MIN_DEFINED * len(drawn):
        return Difference(name, first, second, change, lower=None, upper=None, word=None)
    tail = _tail(n_rarer)
    lower, upper = (float(end) for end in np.quantile(known, [tail, 1 - tail]))
    word = _word(name, lower, upper)
    return Difference(name, first, second, change, lower, upper, word, _p(change, known, n_rarer))


def _p(change: float, drawn: np.ndarray, n_rarer: int) -> float:
    spread = float(drawn.std())
    if spread == 0 or n_rarer < 2:
        return 1.0 if change == 0 or n_rarer < 2 else 0.0
    return float(2 * stats.t.sf(abs(change) / spread, n_rarer - 1))


def _word(name: str, lower: float, upper: float) -> Word:
    if lower == upper == 0:
        return "identical"
    if lower <= 0 <= upper:
        return "inconclusive"
    return "better" if (lower > 0) == (name not in SMALLER_IS_BETTER) else "worse"


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
