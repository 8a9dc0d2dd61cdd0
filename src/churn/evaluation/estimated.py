"""Metrics before labels are known, estimated from calibrated probabilities.

If customers with a probability of 0.3 churn in 3 of 10 cases, the probabilities themselves tell how
many decisions are wrong, and how often a pair is ranked wrongly. The assumption is that this still
holds: customers with the same columns churn as often as before. A change of *who the customers are*
is seen; a change of *why they leave* is not, before there are labels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from churn.evaluation.held_out import Estimate, ScoreCounts, score_middles
from churn.evaluation.weighted import Weighted

DRAWS = 200
_STEPS = 25  # of Newton's method, which needs fewer
_RIDGE = 1e-3  # customers; keeps the slope finite where all of one class have the same probability
_LEAST = 1e-4  # probabilities are clipped before their logit is taken


@dataclass(frozen=True)
class Estimated:
    """A metric that is estimated for a window.

    Attributes
    ----------
    value : Estimate
        For the window.
    difference : Estimate
        The same, minus the metric of the held-out customers.
    """

    value: Estimate
    difference: Estimate


def estimate(
    weighted: Callable[[np.ndarray, np.ndarray], Weighted],
    scores: ScoreCounts,
    window: np.ndarray,
    rng: np.random.Generator,
) -> dict[str, Estimated]:
    """Estimate the metrics of a window's customers, of a binary model.

    Parameters
    ----------
    weighted : callable
        Returns the metrics for labels and probabilities.
    scores : ScoreCounts
        Probabilities and labels of the held-out customers.
    window : ndarray of int, shape (n_bins,)
        The window's customers by the bin of their probability.
    rng : Generator

    Returns
    -------
    dict of str to Estimated
        Without metrics that are undefined; empty if no held-out customers churned, or all.

    Notes
    -----
    The calibration is ``logit(c) = a + b logit(p)``, fitted to the held-out customers (Platt, J.
    (1999), Probabilistic Outputs for Support Vector Machines). A window's customer then counts as
    c who churned and 1 - c who stayed (confidence-based performance estimation; Garg, S. et al.
    (2022), Leveraging Unlabeled Data to Predict Out-of-Distribution Performance, and the reference
    therein to calibration). Errors come from drawing the held-out customers, the window's
    customers, and what becomes of each of them.
    """
    churned, stayed = np.array(scores.churned), np.array(scores.stayed)
    if not (churned.any() and stayed.any() and window.any()):
        return {}
    middles = score_middles(scores)
    held = np.concatenate([churned, stayed])
    drawn = rng.multinomial(held.sum(), held / held.sum(), DRAWS)
    sides = np.vstack([held, drawn]).reshape(-1, 2, len(middles))
    calibrated = calibrate(middles, sides[:, 0], sides[:, 1])
    windows = np.vstack([window, rng.multinomial(window.sum(), window / window.sum(), DRAWS)])
    expected = windows * calibrated
    # What becomes of the customers of each bin: its expectation first, then a draw.
    left = np.vstack([expected[:1], rng.binomial(windows[1:], calibrated[1:])])
    metrics = weighted(np.repeat([1, 0], len(middles)), np.tile(middles, 2)).metrics
    now = metrics(np.hstack([left, windows - left]).T)
    before = metrics(np.hstack([sides[:, 0], sides[:, 1]]).T.astype(float))
    return compared(now, before)


def compared(
    now: Mapping[str, np.ndarray], before: Mapping[str, np.ndarray]
) -> dict[str, Estimated]:
    """Return what draws say of each metric.

    Parameters
    ----------
    now, before : mapping of str to ndarray of float, shape (1 + n_draws,)
        Metrics of the window and of the held-out customers: as they are, then of each draw.

    Returns
    -------
    dict of str to Estimated
        Without metrics that are undefined, or are so in one of twenty draws.
    """
    found = {}
    for name, values in now.items():
        change = values - before[name]
        if np.isfinite(values).mean() > 0.95 and np.isfinite([values[0], change[0]]).all():
            found[name] = Estimated(_drawn(values), _drawn(change))
    return found


def _drawn(values: np.ndarray) -> Estimate:
    """Return the first of some values, with the standard deviation of the others."""
    return Estimate(value=float(values[0]), error=float(np.nanstd(values[1:])))


def calibrate(middles: np.ndarray, churned: np.ndarray, stayed: np.ndarray) -> np.ndarray:
    """Fit the calibration to customers with labels, for several draws of them at once.

    Parameters
    ----------
    middles : ndarray of float, shape (n_bins,)
        Probability of each bin.
    churned, stayed : ndarray of int, shape (n_draws, n_bins)
        Number of customers.

    Returns
    -------
    ndarray of float, shape (n_draws, n_bins)
        Calibrated probability of each bin, in (0, 1).
    """
    X = np.column_stack([np.ones(len(middles)), logits(middles)])
    return fitted(X, churned, stayed, np.array([0.0, 1.0]), _RIDGE)


def logits(middles: np.ndarray) -> np.ndarray:
    """Return the logit of each probability, which is clipped first."""
    clipped = np.clip(middles, _LEAST, 1 - _LEAST)
    found: np.ndarray = np.log(clipped / (1 - clipped))
    return found


def fitted(
    X: np.ndarray, positives: np.ndarray, negatives: np.ndarray, start: np.ndarray, ridge: float
) -> np.ndarray:
    """Fit logistic regressions to counts, for several draws of them at once.

    Parameters
    ----------
    X : ndarray of float, shape (n_bins, n_terms)
        Ones, the logit of the probability, and any other terms.
    positives, negatives : ndarray of int, shape (n_draws, n_bins)
        Number of customers.
    start : ndarray of float, shape (n_terms,)
        Coefficients to begin with.
    ridge : float
        How many customers' worth the probabilities as they are have.

    Returns
    -------
    ndarray of float, shape (n_draws, n_bins)
        Fitted probability of each bin, in (0, 1).
    """
    total, as_they_are = positives + negatives, np.eye(X.shape[1])[1]  # the probabilities
    line = np.tile(start, (len(positives), 1))
    for _ in range(_STEPS):
        found = _sigmoid(line @ X.T)
        slope = (positives - total * found) @ X - ridge * (line - as_they_are)
        weights = total * found * (1 - found)
        curvature = np.einsum("dn,ni,nj->dij", weights, X, X) + ridge * np.eye(X.shape[1])
        step = np.linalg.solve(curvature, slope[:, :, None])[:, :, 0]
        line = line + np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-8:
            break
    return _sigmoid(line @ X.T)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    found: np.ndarray = 1 / (1 + np.exp(-np.clip(x, -40, 40)))
    return found
