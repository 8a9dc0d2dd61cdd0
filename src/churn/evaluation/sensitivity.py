"""What an exam can tell: which difference it would notice, and which margin it supports."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from churn.evaluation.comparison import LEVEL

# Two models of one family with other hyperparameters have scores that correlate at 0.99 and more;
# of another family, or with other features, at 0.9 to 0.97.
CORRELATION = 0.95
_POWER = 0.8  # noticed in 4 of 5 cases
_TOO_OFTEN = 0.1  # of the changes that change nothing
_END = float(norm.ppf((1 + LEVEL) / 2))


@dataclass(frozen=True)
class Sensitivity:
    """What an interval of a difference can tell.

    Parameters
    ----------
    half_width : float
        Half of the 95% interval's width, in the metric's unit; 0 or more.
    """

    half_width: float

    @property
    def error(self) -> float:
        """The standard error that such an interval has."""
        return self.half_width / _END

    @property
    def noticed(self) -> float:
        """The smallest difference that is called better or worse in 4 of 5 cases."""
        return (_END + float(norm.ppf(_POWER))) * self.error

    @property
    def supported(self) -> float:
        """The smallest margin that 9 of 10 equal models are seen to keep."""
        return (_END + float(norm.ppf(1 - _TOO_OFTEN))) * self.error

    def fails(self, margin: float) -> float:
        """Return the probability that an equal model is not seen to keep a margin."""
        if self.error == 0:
            return 0.0
        return float(norm.sf(margin / self.error - _END))

    def supports(self, margin: float) -> bool:
        """Tell whether equal models are not seen to keep a margin in at most 1 of 10 cases."""
        return self.fails(margin) <= _TOO_OFTEN


def rival(
    y: np.ndarray, probability: np.ndarray, correlation: float, rng: np.random.Generator
) -> np.ndarray:
    """Make up what an equally good model would say, whose scores correlate with given ones.

    Each customer's log-odds are mixed with those of another customer of the same kind, so that
    both kinds keep their distributions, and with them every metric.

    Parameters
    ----------
    y : ndarray of int, shape (n_customers,)
        1 where the customer churned, else 0.
    probability : ndarray of float, shape (n_customers,)
        In [0, 1].
    correlation : float
        Of the log-odds within each kind, in [0, 1].
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
        # The mixture is rounder than what was mixed; its ranks are given the old values.
        other[members[np.argsort(mixed, kind="stable")]] = np.sort(own)
    said: np.ndarray = 1 / (1 + np.exp(-other))
    return said
