"""Errors of predicted numbers before labels are known, estimated from those for held-out customers.

If predictions of about 100 were wrong by 10 on average, a window with more of such predictions has
more of such errors. The assumption is that errors at a given prediction are distributed as they
were. A change of *who the customers are* is seen, as far as it changes what is predicted; a change
of *what becomes of them* is not, before there are labels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from churn.core.rounding import significant
from churn.evaluation.estimated import DRAWS, Estimated, compared
from churn.evaluation.held_out import ErrorCounts, number_places

_DIGITS = 8  # of numbers in files
_BINS, _LEAST_CUSTOMERS = 20, 25  # of predictions; in each
_TAILS = (0.0125, 0.025, 0.975, 0.9875)  # further bins, if they have as many
_LEVELS = 40  # of the error in each bin, and some more for the largest errors


def count(y: np.ndarray, predicted: np.ndarray) -> ErrorCounts:
    """Count the held-out customers by prediction and error.

    Parameters
    ----------
    y, predicted : ndarray of float, shape (n_customers,)

    Returns
    -------
    ErrorCounts
        Bins have about as many customers each: at least 25, if there are so many.
    """
    bins = int(np.clip(len(y) // _LEAST_CUSTOMERS, 1, _BINS))
    tails = _TAILS if len(y) * min(_TAILS) >= _LEAST_CUSTOMERS else ()
    shares = np.unique([*np.linspace(0, 1, bins + 1), *tails])
    # Predictions that there are, so that no bin is empty: trees predict few different numbers.
    upper = np.unique(np.quantile(predicted, shares[1:], method="inverted_cdf"))
    edges = np.array([np.nextafter(predicted.min(), -np.inf), *upper])
    places, errors = number_places(edges, predicted), y - predicted
    found = [_by_level(np.sort(errors[places == place])) for place in range(1, len(edges))]
    customers, too_low, too_high, squares = (list(part) for part in zip(*found, strict=True))
    return ErrorCounts(
        edges=edges.tolist(),
        customers=customers,
        too_low=too_low,
        too_high=too_high,
        squares=squares,
    )


def _by_level(errors: np.ndarray) -> tuple[list[int], list[float], list[float], list[float]]:
    """Return customers, and sums of their errors, by groups: of sorted errors."""
    parts = (np.maximum(errors, 0), np.maximum(-errors, 0), errors**2)
    starts = _starts(len(errors))
    too_low, too_high, squares = (
        [significant(float(total), _DIGITS) for total in np.add.reduceat(of, starts)]
        for of in parts
    )
    return np.diff([*starts, len(errors)]).tolist(), too_low, too_high, squares


def _starts(customers: int) -> np.ndarray:
    """Return where each group begins: large errors are few, and squares depend on them most."""
    tail = 2 ** np.arange(int(np.log2(customers)) + 1)
    evenly = np.linspace(0, customers, _LEVELS + 1).astype(int)
    starts = np.unique([*evenly, *tail, *(customers - tail)])
    return starts[starts < customers]


def estimate(
    held: ErrorCounts,
    window: np.ndarray,
    costs: tuple[float, float],
    rng: np.random.Generator,
) -> dict[str, Estimated]:
    """Estimate the metrics of a window's customers, of a model of numbers.

    Parameters
    ----------
    held : ErrorCounts
        Errors for the held-out customers.
    window : ndarray of int, shape (n_bins + 2,)
        The window's customers by bin (`ErrorCounts.counted`). Those beyond all bins are taken as
        those of the nearest.
    costs : tuple of float
        Of each unit by which a prediction is too low, and too high.
    rng : Generator

    Returns
    -------
    dict of str to Estimated
        Without R², which needs the spread of the target; empty if the window is.

    Notes
    -----
    A metric is that of the held-out customers, each with the weight of its bin: the window's
    customers in it, divided by its own (poststratification; Cochran, W. G. (1977), Sampling
    Techniques, section 5A.9). Errors come from drawing the held-out customers, the window's
    customers, and the error of each of them.
    """
    if not window.any():
        return {}
    inside = window[1:-1].copy()
    inside[0] += window[0]
    inside[-1] += window[-1]
    customers = _filled(held.customers)
    drawn = rng.multinomial(int(customers.sum()), (customers / customers.sum()).ravel(), DRAWS)
    before = np.concatenate([customers[None], drawn.reshape(-1, *customers.shape)])
    total = before.sum(axis=2, keepdims=True)
    shares = np.where(total > 0, before / np.maximum(total, 1), before[:1] / total[:1])
    windows = rng.multinomial(inside.sum(), inside / inside.sum(), DRAWS)
    now = np.concatenate(
        [inside[None, :, None] * shares[:1], rng.multinomial(windows, shares[1:]).astype(float)]
    )
    groups = _Groups(held, customers, costs)
    return compared(groups.metrics(now), groups.metrics(before))


def _filled(rows: Sequence[Sequence[float]]) -> np.ndarray:
    """Return rows of different lengths as an array, with zeros behind the shorter ones."""
    found = np.zeros((len(rows), max(map(len, rows))))
    for place, row in enumerate(rows):
        found[place, : len(row)] = row
    return found


class _Groups:
    """Metrics of customers who have the mean errors of their group."""

    def __init__(
        self, held: ErrorCounts, customers: np.ndarray, costs: tuple[float, float]
    ) -> None:
        of = np.maximum(customers, 1)
        low, high = _filled(held.too_low) / of, _filled(held.too_high) / of
        means = (low + high, costs[0] * low + costs[1] * high, _filled(held.squares) / of)
        self._means = np.column_stack([mean.ravel() for mean in means])
        self._order = np.argsort(self._means[:, 0], kind="stable")

    def metrics(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        """Compute each metric for each of some numbers of customers by group."""
        flat = counts.reshape(len(counts), -1)
        mae, cost, mse = (flat @ self._means / flat.sum(axis=1, keepdims=True)).T
        up_to = np.cumsum(flat[:, self._order], axis=1)
        middle = np.argmax(up_to >= up_to[:, -1:] / 2, axis=1)
        median = self._means[self._order, 0][middle]
        return {"rmse": np.sqrt(mse), "mae": mae, "median_error": median, "cost": cost}
