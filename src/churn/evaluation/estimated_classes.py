"""Metrics of several classes before labels are known, from the calibrated probability of each.

As of two classes (`churn.evaluation.estimated`), for each class against all others. Each metric of
several classes is a mean over customers of what is known of one class, or over the classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import expit

from churn.evaluation.estimated import DRAWS, Estimated, compared, fitted, logits
from churn.evaluation.held_out import ClassCounts, score_middles, score_places
from churn.evaluation.weighted import in_order

_RIDGE = 1.0  # customers; few of a class may all be told apart, which sets the slope no limit
# Edges at even steps of the logit: of many classes most probabilities are small.
_EDGES = expit(np.linspace(-8, 8, 199))


def count(
    y: np.ndarray, probabilities: np.ndarray, decided: np.ndarray, names: Sequence[str]
) -> ClassCounts:
    """Count the held-out customers.

    Parameters
    ----------
    y, decided : ndarray of int, shape (n_customers,)
        The class of each, and the predicted one, as positions.
    probabilities : ndarray of float, shape (n_customers, n_classes)
    names : sequence of str
        The classes.
    """

    def cells(own: bool, predicted: bool) -> list[list[int]]:
        members = [((y == k) == own) & ((decided == k) == predicted) for k in range(len(names))]
        return [
            np.bincount(
                score_places(_EDGES, probabilities[of, k]), minlength=len(_EDGES) + 1
            ).tolist()
            for k, of in enumerate(members)
        ]

    return ClassCounts(
        names=list(names),
        edges=_EDGES.tolist(),
        tp=cells(own=True, predicted=True),
        fn=cells(own=True, predicted=False),
        fp=cells(own=False, predicted=True),
        tn=cells(own=False, predicted=False),
    )


def estimate(
    held: ClassCounts, window: np.ndarray, costs: np.ndarray, rng: np.random.Generator
) -> dict[str, Estimated]:
    """Estimate the metrics of a window's customers, of a model of several classes.

    Parameters
    ----------
    held : ClassCounts
        Probabilities and labels of the held-out customers.
    window : ndarray of int, shape (n_classes, 2, n_bins)
        The window's customers by class, whether it is predicted, and the bin of its probability
        (`ClassCounts.counted`).
    costs : ndarray of float, shape (n_classes,)
        Of missing each class.
    rng : Generator

    Returns
    -------
    dict of str to Estimated
        Without metrics that are undefined; empty if a class has no held-out customers.

    Notes
    -----
    Each class has a calibration against all others, ``logit(c) = a + b logit(p) + d``, where d is
    for the customers for whom the class is predicted (Zadrozny, B. and Elkan, C. (2002),
    Transforming Classifier Scores into Accurate Multiclass Probability Estimates, section 4). So
    the held-out customers' own share of right predictions is met for each class. Errors come from
    drawing the held-out customers, the window's customers, and the class of each of them.
    """
    cells = np.array([held.tp, held.fn, held.fp, held.tn], dtype=float)
    own = cells[:2].sum(axis=(0, 2))
    if not window.any() or not own.all():
        return {}
    middles = score_middles(held)
    everyone = np.repeat(cells[None], DRAWS, axis=0)
    drawn = np.concatenate([cells[None], _drawn(everyone, rng)])
    expected = _expected(window, _calibrated(middles, drawn))
    now = np.concatenate([expected[:1], _drawn(expected[1:], rng)])
    return compared(
        _metrics(now, _others(expected, middles), middles, costs),
        _metrics(drawn, _others(cells[None], middles), middles, costs),
    )


def _calibrated(middles: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Calibrate each class.

    Parameters
    ----------
    middles : ndarray of float, shape (n_bins,)
    cells : ndarray, shape (n_draws, 4, n_classes, n_bins)
        Customers, in the order tp, fn, fp, tn.

    Returns
    -------
    ndarray of float, shape (n_draws, n_classes, 2, n_bins)
        Probability of each class, where it is predicted, and where it is not.
    """
    n_draws, _, n_classes, n_bins = cells.shape
    predicted = np.repeat([1.0, 0.0], n_bins)
    X = np.column_stack([np.ones(2 * n_bins), np.tile(logits(middles), 2), predicted])
    own, others = (
        part.transpose(0, 2, 1, 3).reshape(n_draws, n_classes, -1)
        for part in (cells[:, :2], cells[:, 2:])
    )
    # Newton's method may diverge if it begins at probabilities that are far from right.
    found = [fitted(X, own[:, k], others[:, k], np.zeros(3), _RIDGE) for k in range(n_classes)]
    return np.stack(found, axis=1).reshape(n_draws, n_classes, 2, n_bins)


def _expected(window: np.ndarray, calibrated: np.ndarray) -> np.ndarray:
    """Return the expected customers, in the shape of `cells`; each customer has one class."""
    own = window * calibrated
    customers = window[0].sum()
    own *= customers / own.sum(axis=(1, 2, 3), keepdims=True)
    others = np.maximum(window - own, 0.0)
    return np.concatenate([own, others], axis=2).transpose(0, 2, 1, 3)


def _drawn(expected: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw as many customers as are expected, once for each draw, in the shape of `cells`.

    Of what is counted by class, tp and fn together have each customer once, in the class that is
    theirs; tp and fp as well, in the class that is predicted. So whoever is drawn as fn of a class
    is drawn as fp of another one.
    """
    draws, _, n_classes, n_bins = expected.shape
    found = np.zeros(expected.shape)
    customers = round(float(expected[0, :2].sum()))
    own = expected[:, :2].reshape(draws, -1)
    found[:, :2] = rng.multinomial(customers, _shares(own)).reshape(draws, 2, n_classes, n_bins)
    missed = found[:, 1].sum(axis=(1, 2)).astype(int)
    wrong = _shares(expected[:, 2].reshape(draws, -1))
    found[:, 2] = rng.multinomial(missed, wrong).reshape(draws, n_classes, n_bins)
    rest = np.maximum(customers - found[:, :3].sum(axis=(1, 3)), 0).astype(int)
    found[:, 3] = rng.multinomial(rest, _shares(expected[:, 3]))
    return found


def _shares(counts: np.ndarray) -> np.ndarray:
    """Return shares along the last axis; of none, all in the first place."""
    total = counts.sum(axis=-1, keepdims=True)
    first = np.eye(counts.shape[-1])[0]
    return np.where(total > 0, counts / np.where(total > 0, total, 1.0), first)


def _others(expected: np.ndarray, middles: np.ndarray) -> np.ndarray:
    """Return the squared errors of the other classes, as a multiple of those of the customer's."""
    own = (expected[:, :2].sum(axis=(1, 2)) * (1 - middles) ** 2).sum(axis=1)
    found: np.ndarray = (expected[:, 2:].sum(axis=(1, 2)) * middles**2).sum(axis=1) / own
    return found


def _metrics(
    cells: np.ndarray, others: np.ndarray, middles: np.ndarray, costs: np.ndarray
) -> dict[str, np.ndarray]:
    """Compute each metric for each draw."""
    own, other = cells[:, :2].sum(axis=1), cells[:, 2:].sum(axis=1)
    tp, fn, fp, _ = cells.sum(axis=3).transpose(1, 0, 2)
    n, by_bin = own.sum(axis=(1, 2)), own.sum(axis=1)
    below = np.cumsum(other, axis=2) - other / 2  # a pair with equal probabilities counts half
    with np.errstate(divide="ignore", invalid="ignore"):
        auc = (own * below).sum(axis=2) / own.sum(axis=2) / other.sum(axis=2)
        return in_order(
            {
                "log_loss": by_bin @ -np.log(middles) / n,
                "brier": (by_bin @ (1 - middles) ** 2) * (1 + others) / n,
                "accuracy": tp.sum(axis=1) / n,
                "balanced_accuracy": (tp / (tp + fn)).mean(axis=1),
                "macro_f1": (2 * tp / (2 * tp + fp + fn)).mean(axis=1),
                "macro_roc_auc": auc.mean(axis=1),
                "cost": fn @ costs / n,
            }
        )
