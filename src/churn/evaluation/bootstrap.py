"""Draws of customers with replacement, and the interval that they give."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import stats

# Customers times draws that are worked on at once. A matrix of 0.8 MB stays in the processor's
# cache, which is several times faster than one that does not.
_CELLS = 100_000
# Beyond these a distribution is too far from the normal one, or the statistic too far from linear.
_MAX_SKEWNESS, _MAX_KURTOSIS, _MAX_REST = 0.5, 1.0, 0.1
_MIN_TAIL = 0.005


def draws(n: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Give draws of n of n customers with replacement, as many at a time as memory is meant for.

    Parameters
    ----------
    n : int
    resamples : int
        Number of draws.
    seed : int

    Yields
    ------
    ndarray of float, shape (n, some draws)
        How often each customer is in each draw.
    """
    rng = np.random.default_rng(seed)
    at_once = max(1, _CELLS // n)
    for start in range(0, resamples, at_once):
        size = min(at_once, resamples - start)
        cells = rng.integers(0, n, (n, size)) * size + np.arange(size)
        yield np.bincount(cells.ravel(), minlength=n * size).reshape(n, size).astype(float)


@dataclass(frozen=True)
class Spread:
    """The middle of a statistic's bootstrap distribution, and its width.

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
    """Find the ends of an interval, with as little of the chance in the draws as can be had.

    Of a smooth statistic nearly all is linear in how often each customer is drawn, and the moments
    of that part are known without any draw. Where it is nearly all, the draws only add what is not
    linear, and the ends follow from mean, variance, skewness and kurtosis: another seed moves them
    by a tenth of what it moves quantiles of the draws. Else they are those quantiles.

    Parameters
    ----------
    drawn : ndarray of float, shape (n_draws,)
        The statistic on each draw, less its value on all customers.
    linear : ndarray of float, shape (n_draws,)
        Its linear part: the sum over the drawn customers of their influence.
    influence : ndarray of float, shape (n_customers,)
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
    """Turn quantiles of the normal distribution into those of one that is nearly normal."""
    return np.asarray(
        z
        + skewness * (z**2 - 1) / 6
        + kurtosis * (z**3 - 3 * z) / 24
        - skewness**2 * (2 * z**3 - 5 * z) / 36
    )
