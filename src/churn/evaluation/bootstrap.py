"""Bootstrap samples of customers, and intervals from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.95  # of every interval
# Customers times draws in one matrix. One of 0.8 MB fits into the processor's cache, which makes
# it several times faster.
CELLS = 100_000
# Beyond these the distribution is too far from normal, or the statistic too far from linear.
_MAX_SKEWNESS, _MAX_KURTOSIS, _MAX_REST = 0.5, 1.0, 0.1
_MIN_TAIL = 0.005


def draws(n: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Draw n of n customers with replacement, in blocks that fit into the cache.

    Parameters
    ----------
    n : int
        Number of customers.
    resamples : int
        Number of draws.
    seed : int

    Yields
    ------
    ndarray of float, shape (n, some draws)
        How often each customer is in each draw of a block.
    """
    rng = np.random.default_rng(seed)
    at_once = max(1, CELLS // n)
    for start in range(0, resamples, at_once):
        size = min(at_once, resamples - start)
        cells = rng.integers(0, n, (n, size)) * size + np.arange(size)
        yield np.bincount(cells.ravel(), minlength=n * size).reshape(n, size).astype(float)


@dataclass(frozen=True)
class Spread:
    """The interval and the standard error of a statistic, from its bootstrap distribution.

    Attributes
    ----------
    lower, upper : float
        Ends of the interval.
    error : float
        Standard error: the standard deviation over the draws.
    """

    lower: float
    upper: float
    error: float


def spread(drawn: np.ndarray, linear: np.ndarray, influence: np.ndarray, tail: float) -> Spread:
    """Compute an interval that depends on the seed as little as possible.

    A smooth statistic is nearly linear in how often each customer is drawn, and the moments of the
    linear part are known exactly. If the rest is small, only its moments are estimated from the
    draws, and the interval follows from mean, variance, skewness and kurtosis: with another seed it
    moves by a tenth of what quantiles of the draws move. Else it has these quantiles as its ends.

    Parameters
    ----------
    drawn : ndarray of float, shape (n_draws,)
        The statistic for each draw, minus its value for all customers.
    linear : ndarray of float, shape (n_draws,)
        Its linear part: the sum of the drawn customers' influence.
    influence : ndarray of float, shape (n_customers,)
        Derivative of the statistic by each customer's weight.
    tail : float
        Share of the distribution beyond each end, in [0, 0.5).

    Returns
    -------
    Spread

    Notes
    -----
    Source: Davison, A. C. and Hinkley, D. V. (1997), Bootstrap Methods and their Application,
    section 9.3 (control methods); Cornish, E. A. and Fisher, R. A. (1938), Moments and Cumulants
    in the Specification of Distributions, Revue de l'Institut International de Statistique 5 (4).
    """
    lower, upper = np.quantile(drawn, [tail, 1 - tail])
    plain = Spread(float(lower), float(upper), float(drawn.std()))
    squares = float((influence**2).sum())
    if not (tail > _MIN_TAIL and squares > 0):
        return plain
    mean = float((drawn - linear).mean())
    rest = drawn - linear - mean
    variance = squares + 2 * float((linear * rest).mean()) + float((rest**2).mean())
    third = float((influence**3).sum())
    third += 3 * float(((linear**2 - squares) * rest + linear * rest**2).mean())
    third += float((rest**3).mean())
    if variance <= 0 or rest.var() > _MAX_REST * variance:
        return plain
    skewness = third / variance**1.5
    kurtosis = float((influence**4).sum()) / squares**2 - 3 / len(influence)
    if abs(skewness) > _MAX_SKEWNESS or kurtosis > _MAX_KURTOSIS:
        return plain
    error = np.sqrt(variance)
    ends = mean + error * _cornish_fisher(stats.norm.ppf([tail, 1 - tail]), skewness, kurtosis)
    return Spread(float(ends[0]), float(ends[1]), float(error))


def _cornish_fisher(z: np.ndarray, skewness: float, kurtosis: float) -> np.ndarray:
    """Convert quantiles of the normal distribution to those of a nearly normal one."""
    return np.asarray(
        z
        + skewness * (z**2 - 1) / 6
        + kurtosis * (z**3 - 3 * z) / 24
        - skewness**2 * (2 * z**3 - 5 * z) / 36
    )
