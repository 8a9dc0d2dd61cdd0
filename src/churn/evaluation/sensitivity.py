"""Statistical power of a comparison: the smallest difference it detects, and margin it supports."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from churn.evaluation.bootstrap import LEVEL

# Scores of two models of one family with different hyperparameters correlate at 0.99 and more; of
# models of two families, or with different features, at 0.9 to 0.97.
CORRELATION = 0.95
_POWER = 0.8  # a difference is detected in 4 of 5 cases
_FALSE_ALARMS = 0.1  # of the equal models, at most
_END = float(norm.ppf((1 + LEVEL) / 2))


@dataclass(frozen=True)
class Sensitivity:
    """The power of a comparison with intervals of a given width.

    Parameters
    ----------
    half_width : float
        Half of the 95% interval's width, in the metric's unit; 0 or more.
    """

    half_width: float

    @property
    def error(self) -> float:
        """The standard error of the difference."""
        return self.half_width / _END

    @property
    def noticed(self) -> float:
        """The smallest difference that is detected, as better or worse, in 4 of 5 cases."""
        return (_END + float(norm.ppf(_POWER))) * self.error

    @property
    def supported(self) -> float:
        """The smallest margin for which 9 of 10 equal models pass."""
        return (_END + float(norm.ppf(1 - _FALSE_ALARMS))) * self.error

    def fails(self, margin: float) -> float:
        """Return the probability that an equal model does not pass with a margin."""
        if self.error == 0:
            return 0.0
        return float(norm.sf(margin / self.error - _END))

    def supports(self, margin: float) -> bool:
        """Tell whether at least 9 of 10 equal models pass with a margin."""
        return self.fails(margin) <= _FALSE_ALARMS


def rival(
    y: np.ndarray, probability: np.ndarray, correlation: float, rng: np.random.Generator
) -> np.ndarray:
    """Simulate the predictions of an equally good model, whose scores correlate with given ones.

    Each customer's log-odds are mixed with those of another customer of the same class. So both
    classes keep their distributions of scores, and every metric is equal.

    Parameters
    ----------
    y : ndarray of int, shape (n_customers,)
        1 where the customer churned, else 0.
    probability : ndarray of float, shape (n_customers,)
        In [0, 1].
    correlation : float
        Correlation of the log-odds within each class, in [0, 1].
    rng : Generator

    Returns
    -------
    ndarray of float, shape (n_customers,)
    """
    clipped = np.clip(probability, 1e-6, 1 - 1e-6)
    score = np.log(clipped / (1 - clipped))
    other = score.copy()
    for kind in (0, 1):
        members = np.flatnonzero(y == kind)
        if not len(members):
            continue
        own = score[members]
        mixed = correlation * (own - own.mean()) + np.sqrt(1 - correlation**2) * (
            rng.permutation(own) - own.mean()
        )
        # The mixture is closer to normal; give its ranks the original values.
        other[members[np.argsort(mixed, kind="stable")]] = np.sort(own)
    simulated: np.ndarray = 1 / (1 + np.exp(-other))
    return simulated
