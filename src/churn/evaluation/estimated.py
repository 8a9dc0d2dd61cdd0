"""Metrics before labels are known, estimated from calibrated probabilities.

If customers with a probability of 0.3 churn in 3 of 10 cases, the probabilities themselves tell how
many decisions are wrong, and how often a pair is ranked wrongly. The assumption is that this still
holds: customers with the same columns churn as often as before. A change of *who the customers are*
is seen; a change of *why they leave* is not, before there are labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from churn.evaluation.reference import Estimate, ScoreCounts, score_middles
from churn.evaluation.tasks import Scored, Task
from churn.model.outputs import Rule

_DRAWS = 200
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
    task: Task,
    scores: ScoreCounts,
    window: np.ndarray,
    rule: Rule,
    rng: np.random.Generator,
) -> dict[str, Estimated]:
    """Estimate the metrics of a window's customers.

    Parameters
    ----------
    task : Task
        Binary, with the costs.
    scores : ScoreCounts
        Probabilities and labels of the held-out customers.
    window : ndarray of int, shape (n_bins,)
        The window's customers by the bin of their probability.
    rule : float
        The threshold.
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
    drawn = rng.multinomial(held.sum(), held / held.sum(), _DRAWS)
    sides = np.vstack([held, drawn]).reshape(-1, 2, len(middles))
    calibrated = calibrate(middles, sides[:, 0], sides[:, 1])
    windows = np.vstack([window, rng.multinomial(window.sum(), window / window.sum(), _DRAWS)])
    expected = windows * calibrated
    # What becomes of the customers of each bin: its expectation first, then a draw.
    left = np.vstack([expected[:1], rng.binomial(windows[1:], calibrated[1:])])
    weighted = task.weighted(np.repeat([1, 0], len(middles)), Scored(np.tile(middles, 2), rule))
    now = weighted.metrics(np.hstack([left, windows - left]).T)
    before = weighted.metrics(np.hstack([sides[:, 0], sides[:, 1]]).T.astype(float))
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
    clipped = np.clip(middles, _LEAST, 1 - _LEAST)
    X = np.column_stack([np.ones(len(middles)), np.log(clipped / (1 - clipped))])
    total = churned + stayed
    line = np.tile([0.0, 1.0], (len(churned), 1))  # the probabilities as they are
    for _ in range(_STEPS):
        fitted = _sigmoid(line @ X.T)
        slope = (churned - total * fitted) @ X - _RIDGE * (line - [0.0, 1.0])
        weights = total * fitted * (1 - fitted)
        curvature = np.einsum("dn,ni,nj->dij", weights, X, X) + _RIDGE * np.eye(2)
        step = np.linalg.solve(curvature, slope[:, :, None])[:, :, 0]
        line = line + np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-8:
            break
    return _sigmoid(line @ X.T)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    found: np.ndarray = 1 / (1 + np.exp(-np.clip(x, -40, 40)))
    return found
