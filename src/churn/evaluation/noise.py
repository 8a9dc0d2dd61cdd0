"""How large a statistic of two groups of customers gets by chance, if nothing differs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats

_DRAWS = 400
# Of the counts of the reference and of the window, shape (n_draws, n_bins) each, shape (n_draws,).
Statistic = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Noise:
    """The distribution of a statistic when reference and window are of the same population.

    Both groups are drawn anew: the reference is itself a sample of the population.

    Parameters
    ----------
    statistic : callable
        Of the counts of the reference and of the window, each of shape (n_draws, n_bins); returns
        one value for each draw. It is 0 if both have the same shares, and larger the more these
        differ.
    counts : ndarray of float, shape (n_bins,)
        Of the reference.
    seed : sequence of int
        Of the draws; the same seed gives the same quantiles, in whatever order they are asked for.
    """

    def __init__(self, statistic: Statistic, counts: np.ndarray, seed: Sequence[int]) -> None:
        self._statistic, self._seed = statistic, tuple(seed)
        rng = np.random.default_rng(self._seed)
        self._shares = counts / counts.sum()
        self._references = rng.multinomial(round(counts.sum()), self._shares, _DRAWS)
        self._found: dict[tuple[int, float], float] = {}

    def quantile(self, rows: int, level: float) -> float:
        """Return the value that the statistic exceeds by chance with the probability `level`.

        Parameters
        ----------
        rows : int
            Number of customers of the window; rounded down to two digits, which leaves the value a
            little too large.
        level : float
            In (0, 1); may be far smaller than one of the number of draws.

        Notes
        -----
        Mean, standard deviation and skewness of the draws decide a Pearson type III distribution,
        whose quantile is returned: exact for normal and chi-squared statistics, near for others.
        Without it a level of one in ten thousand would need many times as many draws.
        """
        rows = _rounded(rows)
        if (rows, level) not in self._found:
            self._found[rows, level] = self._drawn(rows, level)
        return self._found[rows, level]

    def _drawn(self, rows: int, level: float) -> float:
        rng = np.random.default_rng([*self._seed, rows])
        windows = rng.multinomial(rows, self._shares, _DRAWS)
        drawn = self._statistic(self._references, windows)
        skewness = max(float(stats.skew(drawn)), 0.0) if drawn.std() > 0 else 0.0
        return float(stats.pearson3.isf(level, skewness, drawn.mean(), max(drawn.std(), 1e-12)))


def _rounded(rows: int) -> int:
    """Round down to two significant digits."""
    unit = int(10 ** max(len(str(rows)) - 2, 0))
    return rows // unit * unit


def wasserstein(edges: np.ndarray, spread: float) -> Statistic:
    """Return Wasserstein's distance of two groups' numbers, in standard deviations.

    Parameters
    ----------
    edges : ndarray of float, shape (n_bins - 1,)
        Values beyond all training rows count as if they were there: what is far out of
        range has a limit of its own.
    spread : float
        Standard deviation, greater than 0.

    Notes
    -----
    ``W = integral of |F(x) - G(x)| dx`` for the distribution functions F and G, by the trapezoidal
    rule between the edges. Source: Vallender, S. S. (1974), Calculation of the Wasserstein Distance
    between Probability Distributions on the Line, Theory of Probability and its Applications 18.
    """
    # The first edge is just below the smallest value.
    gaps = np.diff(edges[1:]) / spread
    widths = (np.append(gaps, 0) + np.append(0, gaps)) / 2

    def statistic(reference: np.ndarray, window: np.ndarray) -> np.ndarray:
        below = [_cumulative(counts)[:, 1:-1] for counts in (reference, window)]
        found: np.ndarray = np.abs(below[0] - below[1]) @ widths
        return found

    return statistic


def _cumulative(counts: np.ndarray) -> np.ndarray:
    sums: np.ndarray = np.cumsum(counts, axis=1)
    shares: np.ndarray = sums / np.maximum(sums[:, -1:], 1)
    return shares


def jensen_shannon(reference: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Return Jensen and Shannon's distance of two groups' categories, in [0, 1].

    Notes
    -----
    The square root of the divergence ``(KL(a, m) + KL(b, m)) / 2`` with ``m = (a + b) / 2`` and
    logarithms of base 2. Source: Endres, D. M. and Schindelin, J. E. (2003), A New Metric for
    Probability Distributions, IEEE Transactions on Information Theory 49 (7).
    """
    a, b = (
        counts / np.maximum(counts.sum(axis=1, keepdims=True), 1) for counts in (reference, window)
    )
    middle = (a + b) / 2

    def divergence(of: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            parts = np.where(of > 0, of * np.log2(of / middle), 0.0)
        found: np.ndarray = parts.sum(axis=1)
        return found

    found: np.ndarray = np.sqrt(np.maximum(divergence(a) + divergence(b), 0) / 2)
    return found


def share(reference: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Return the difference of two groups' shares of the first of two bins, in [0, 1]."""
    first = [counts[:, 0] / np.maximum(counts.sum(axis=1), 1) for counts in (reference, window)]
    found: np.ndarray = np.abs(first[0] - first[1])
    return found
