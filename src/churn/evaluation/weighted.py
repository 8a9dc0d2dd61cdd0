"""Metrics of a model for weighted customers, as in bootstrap samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from churn.core.params import METRICS, DecisionParams
from churn.evaluation.metric_names import TITLES
from churn.model.threshold import decide

_NAMES = tuple(name for name in TITLES if name in METRICS["binary"])
# Each of these metrics is a ratio of two weighted sums: above and below the line.
RATIOS = {
    "log_loss": ({"loss": 1}, {"n": 1}),
    "brier": ({"square": 1}, {"n": 1}),
    "accuracy": ({"right": 1}, {"n": 1}),
    "precision": ({"tp": 1}, {"tp": 1, "fp": 1}),
    "recall": ({"tp": 1}, {"tp": 1, "fn": 1}),
    "f1": ({"tp": 2}, {"tp": 2, "fp": 1, "fn": 1}),
    "cost": ({"cost": 1}, {"n": 1}),
}
Definitions = Mapping[str, tuple[Mapping[str, float], Mapping[str, float]]]


class Weighted(Protocol):
    """Metrics of one model, where each customer has a weight."""

    def metrics(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        """Compute each metric for each set of weights; NaN if it is undefined.

        Parameters
        ----------
        counts : ndarray of float, shape (n_customers, n_sets)
            Weight of each customer.

        Returns
        -------
        dict of str to ndarray of float, shape (n_sets,)
        """
        ...

    def influence(self) -> dict[str, np.ndarray]:
        """Compute the influence of each customer on each metric.

        Returns
        -------
        dict of str to ndarray of float, shape (n_customers,)
            Derivative of the metric by each customer's weight, at weights of one; NaN if the metric
            is undefined, or has none. They sum to zero.

        Notes
        -----
        Source: Efron, B. (1982), The Jackknife, the Bootstrap and Other Resampling Plans, chapter 6
        (infinitesimal jackknife).
        """
        ...


class Ratios:
    """Metrics that are ratios of two weighted sums, as `Weighted`.

    Parameters
    ----------
    columns : dict of str to ndarray, shape (n_customers,)
        What is known of each customer, and summed.
    definitions : mapping
        By metric, the weights of the columns above and below the line.

    Raises
    ------
    ValueError
        If a definition names a column that there is not.
    """

    def __init__(self, columns: Mapping[str, np.ndarray], definitions: Definitions) -> None:
        for metric, sides in definitions.items():
            if unknown := {*sides[0], *sides[1]} - {*columns}:
                raise ValueError(
                    f"{metric} needs {', '.join(sorted(unknown))}, and the columns are"
                    f" {', '.join(columns)}"
                )
        self._names = list(definitions)
        self._sums = np.column_stack(list(columns.values())).astype(float)
        self._above, self._below = (
            np.array(
                [[sides[part].get(name, 0.0) for name in columns] for sides in definitions.values()]
            )
            for part in (0, 1)
        )

    def metrics(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        """See `Weighted`."""
        sums = self._sums.T @ counts
        with np.errstate(divide="ignore", invalid="ignore"):
            found = (self._above @ sums) / (self._below @ sums)
        return dict(zip(self._names, found, strict=True))

    def influence(self) -> dict[str, np.ndarray]:
        """See `Weighted`."""
        above, below = self._above @ self._sums.T, self._below @ self._sums.T
        with np.errstate(divide="ignore", invalid="ignore"):
            total = below.sum(axis=1, keepdims=True)
            ratio = above.sum(axis=1, keepdims=True) / total
            return dict(zip(self._names, (above - ratio * below) / total, strict=True))


class Ranking:
    """ROC AUC and average precision, as `Weighted`.

    Customers are sorted once. Then both for many sets of weights are cumulative sums.

    Parameters
    ----------
    y : ndarray of int, shape (n_customers,)
        1 where the customer belongs to the class, else 0.
    probability : ndarray of float, shape (n_customers,)
        Predicted probability that the customer does.
    area : bool, default=True
        Whether average precision is computed, which takes as long as ROC AUC.
    """

    def __init__(self, y: np.ndarray, probability: np.ndarray, area: bool = True) -> None:
        p, self._has_area = probability, area
        order = np.argsort(-p, kind="stable")
        is_positive = y[order] == 1
        self._positives, self._negatives = order[is_positive], order[~is_positive]
        self._ranks, self._other_ranks = -p[self._positives], -p[self._negatives]
        # For each churned customer, the number of customers of both classes with a higher rank, and
        # with the same rank or a higher one. Equal probabilities have equal ranks.
        self._with = np.searchsorted(self._ranks, self._ranks, side="right") - 1
        self._others_above = np.searchsorted(self._other_ranks, self._ranks, side="left")
        self._others_with = np.searchsorted(self._other_ranks, self._ranks, side="right")

    def metrics(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        """See `Weighted`."""
        positives = counts[self._positives]
        others = np.zeros((len(self._negatives) + 1, counts.shape[1]))
        np.cumsum(counts[self._negatives], axis=0, out=others[1:])
        total, n_others = positives.sum(axis=0), others[-1]
        above, beside = others[self._others_above], others[self._others_with]
        with np.errstate(divide="ignore", invalid="ignore"):
            # A negative above a positive loses that pair, and one with an equal rank half of it.
            lost = np.einsum("ij,ij->j", positives, above + beside) / 2
            auc = (total * n_others - lost) / (total * n_others)
            if not self._has_area:
                return {"roc_auc": auc}
            found = np.cumsum(positives, axis=0)[self._with]
            # A draw may miss the first customers; the precision there has no weight.
            precision = found / np.maximum(found + beside, 1)
            area = np.einsum("ij,ij->j", positives, precision) / total
        return {"roc_auc": auc, "average_precision": area}

    def influence(self) -> dict[str, np.ndarray]:
        """See `Weighted`."""
        n_positives, n_negatives = len(self._ranks), len(self._other_ranks)
        auc, area = np.full((2, n_positives + n_negatives), np.nan)
        if not (n_positives and n_negatives):
            return {"roc_auc": auc, "average_precision": area}
        first = np.searchsorted(self._ranks, self._other_ranks, side="left")
        last = np.searchsorted(self._ranks, self._other_ranks, side="right")
        won = 1 - (self._others_above + self._others_with) / 2 / n_negatives
        auc[self._positives] = (won - won.mean()) / n_positives
        auc[self._negatives] = ((first + last) / 2 / n_positives - won.mean()) / n_negatives
        found, beside = self._with + 1, self._others_with
        precision = found / (found + beside)
        # One more customer changes the precision at each churned customer with the same rank or a
        # lower one.
        gain, loss = (_from_each(part / (found + beside) ** 2) for part in (beside, found))
        start = np.searchsorted(self._ranks, self._ranks, side="left")
        area[self._positives] = (precision - precision.mean() + gain[start]) / n_positives
        area[self._negatives] = -loss[first] / n_positives
        return {"roc_auc": auc, "average_precision": area}


class WeightedMetrics:
    """Metrics of a binary model, as `Weighted`.

    Parameters
    ----------
    y : ndarray of int, shape (n_customers,)
        1 where the customer churned, else 0.
    probability : ndarray of float, shape (n_customers,)
        Predicted probability of churn. If one is not a number in [0, 1], all metrics are NaN.
    threshold : float
        The model predicts churn at this probability and above.
    decision : DecisionParams
        The costs.
    """

    def __init__(
        self, y: np.ndarray, probability: np.ndarray, threshold: float, decision: DecisionParams
    ) -> None:
        p, self._n = probability, len(y)
        # Invalid probabilities have ranks and decisions as well, which would mean nothing.
        self._is_valid = bool(((p >= 0) & (p <= 1)).all())
        predicted = decide(p, threshold)
        false_positive, false_negative = predicted * (1 - y), (1 - predicted) * y
        # log_loss clips as `churn.evaluation.metrics.results` does.
        clipped = np.clip(p, np.finfo(p.dtype).eps, 1 - np.finfo(p.dtype).eps)
        columns = {
            "loss": -(y * np.log(clipped) + (1 - y) * np.log1p(-clipped)),
            "square": (p - y) ** 2,
            "right": predicted == y,
            "cost": decision.cost_false_negative * false_negative
            + decision.cost_false_positive * false_positive,
            "tp": predicted * y,
            "fp": false_positive,
            "fn": false_negative,
            "n": np.ones(len(y)),
        }
        self._ratios, self._ranking = Ratios(columns, RATIOS), Ranking(y, p)

    def metrics(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        """See `Weighted`."""
        if not self._is_valid:
            return {name: np.full(counts.shape[1], np.nan) for name in _NAMES}
        return in_order(self._ratios.metrics(counts) | self._ranking.metrics(counts))

    def influence(self) -> dict[str, np.ndarray]:
        """See `Weighted`."""
        if not self._is_valid:
            return {name: np.full(self._n, np.nan) for name in _NAMES}
        return in_order(self._ratios.influence() | self._ranking.influence())


def _from_each(values: np.ndarray) -> np.ndarray:
    """Return the sum of the values from each position on; zero beyond the last."""
    return np.append(np.cumsum(values[::-1])[::-1], 0.0)


def in_order(metrics: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return metrics in the order of `TITLES`."""
    return {name: metrics[name] for name in TITLES if name in metrics}
