"""The difference between two models on the same customers, with its interval."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy import stats
from threadpoolctl import ThreadpoolController

from churn.evaluation.bootstrap import LEVEL, draws, spread
from churn.evaluation.differences import Difference, Word
from churn.evaluation.metric_names import RANKINGS, SMALLER_IS_BETTER
from churn.evaluation.tasks import Scored, Task

# Some resamples of a small group have customers of one class only, and no metric. If fewer than
# this share have one, their interval would be biased.
MIN_DEFINED = 0.95


def compare(
    task: Task,
    y: np.ndarray,
    baseline: Scored,
    candidate: Scored,
    seed: int,
    resamples: int,
) -> list[Difference]:
    """Compare two models by a paired bootstrap over customers.

    Each resample draws n of the n customers with replacement, and gives the difference of both
    models on that draw. The interval is the middle 95 % of these differences, widened a little if
    one class is rare. It is narrower than an interval from two separate bootstraps, because
    customers that are hard for both models cancel out.

    Parameters
    ----------
    task : Task
        With the costs.
    y : ndarray, shape (n_customers,)
        Labels.
    baseline, candidate : Scored
        Both for the same customers in the same order. If a model has a score that is none, such as
        a probability that is not in [0, 1], all its metrics are undefined.
    seed : int
        Decides the draws.
    resamples : int
        Number of draws; 1,000 or more for a stable 95% interval.

    Returns
    -------
    list of Difference
        One for each metric, in the order of `Task.metrics`.

    Notes
    -----
    Source: Efron, B. and Tibshirani, R. J. (1993), An Introduction to the Bootstrap, chapter 13
    (percentile interval). For the widening see `tail_share`, for the moments see
    `churn.evaluation.bootstrap`. `scipy.stats.bootstrap` would sort the customers for each draw.
    """
    models = [task.weighted(y, scored) for scored in (baseline, candidate)]
    everybody = np.ones((len(y), 1))
    first, second = (model.metrics(everybody) for model in models)
    names, (before, after) = list(first), (model.influence() for model in models)
    influence = np.column_stack([after[name] - before[name] for name in names])
    drawn, linear = [], []
    # One thread: the products are small, and with more the order of summation, and with it the last
    # digit, would depend on the number of cores.
    with libraries().limit(limits=1, user_api="blas"):
        for counts in draws(len(y), resamples, seed):
            old, new = (model.metrics(counts) for model in models)
            drawn.append(np.stack([new[name] - old[name] for name in names]))
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
            name,
            float(first[name][0]),
            float(second[name][0]),
            of_draws,
            of_line,
            of_each,
            task.n_behind(name, y),
        )
        for name, of_draws, of_line, of_each in by_metric
    ]


@cache
def libraries() -> ThreadpoolController:
    """Return the libraries with threads; cached, because finding them is slow."""
    return ThreadpoolController()


def tail_share(n_rarest: int) -> float:
    """Return the share of draws beyond each end of an interval, given the size of the rarest class.

    Percentile intervals are too narrow for small classes. With this share, the interval of a mean
    is Student's. Not used for rankings, which compare pairs: their draws spread too widely already.

    Notes
    -----
    Source: Hesterberg, T. C. (2015), What Teachers Should Know About the Bootstrap, The American
    Statistician 69 (4), "expanded percentile".
    """
    if n_rarest < 2:
        return 0.0
    quantile = stats.t.ppf((1 - LEVEL) / 2, n_rarest - 1) * np.sqrt(n_rarest / (n_rarest - 1))
    return float(stats.norm.cdf(quantile))


def _difference(
    name: str,
    baseline: float,
    candidate: float,
    drawn: np.ndarray,
    linear: np.ndarray,
    influence: np.ndarray,
    n_rarest: int,
) -> Difference:
    first, second, change = map(_known, (baseline, candidate, candidate - baseline))
    is_known = np.isfinite(drawn)
    if change is None or is_known.mean() < MIN_DEFINED:
        return Difference(name, first, second, change, lower=None, upper=None, word=None)
    tail = (1 - LEVEL) / 2 if name in RANKINGS else tail_share(n_rarest)
    found = spread(drawn[is_known] - change, linear[is_known], influence, tail)
    lower, upper = change + found.lower, change + found.upper
    p = _p(change, found.error, n_rarest)
    return Difference(name, first, second, change, lower, upper, word_for(name, lower, upper), p)


def _p(change: float, error: float, n_rarest: int) -> float:
    if error == 0 or n_rarest < 2:
        return 1.0 if change == 0 or n_rarest < 2 else 0.0
    return float(2 * stats.t.sf(abs(change) / error, n_rarest - 1))


def word_for(name: str, lower: float, upper: float) -> Word:
    """Return the word for a metric's difference, by its interval."""
    if lower == upper == 0:
        return "identical"
    if lower <= 0 <= upper:
        return "inconclusive"
    return "better" if (lower > 0) == (name not in SMALLER_IS_BETTER) else "worse"


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
