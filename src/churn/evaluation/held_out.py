"""What estimates before labels need: held-out customers, by prediction and label, as counts.

A window's customers are counted in the same bins. Counts of parts of a window add up, and are as
long for any number of customers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, TypedDict

import numpy as np
import pandas as pd

from churn.core.errors import ArtifactError
from churn.core.files import Shape


class ScoreCounts(Shape):
    """Predicted probabilities of the held-out customers.

    Attributes
    ----------
    edges : list of float
        Inner edges, ascending; the decision threshold is among them. A bin holds the probabilities
        from one edge on, up to the next.
    churned, stayed : list of int
        Customers in each bin; one more than edges.
    """

    columns: ClassVar[tuple[str, ...]] = ("probability",)
    edges: list[float]
    churned: list[int]
    stayed: list[int]

    def counted(self, answers: Mapping[str, np.ndarray]) -> np.ndarray:
        """Count a window's customers by bin; see `Basis`."""
        places = score_places(np.array(self.edges), answers["probability"])
        return np.bincount(places, minlength=len(self.churned))

    def outside(self, window: np.ndarray) -> float:
        """Return 0: no probability is beyond those of the held-out customers; see `Basis`."""
        return 0.0


class ClassCounts(Shape):
    """Predicted probabilities of several classes, of each against all others.

    Attributes
    ----------
    names : list of str
        The classes.
    edges : list of float
        Inner edges of the bins, as in `ScoreCounts`; the same for each class.
    tp, fn, fp, tn : list of list of int
        By class and bin of its probability: held-out customers of the class for whom it is
        predicted, or another one is; customers of other classes for whom it is predicted, or is
        not.
    """

    names: list[str]
    edges: list[float]
    tp: list[list[int]]
    fn: list[list[int]]
    fp: list[list[int]]
    tn: list[list[int]]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of an answer that are counted."""
        return ("prediction", *(f"probability_{name}" for name in self.names))

    def counted(self, answers: Mapping[str, np.ndarray]) -> np.ndarray:
        """Count a window's customers by class, whether it is predicted, and bin; see `Basis`."""
        decided = pd.Index(self.names).get_indexer(pd.Index(answers["prediction"], dtype=object))
        if (decided < 0).any():
            raise ArtifactError("the log has answers with a class that the model does not have")
        edges, size = np.array(self.edges), len(self.edges) + 1
        found = np.zeros((len(self.names), 2, size), dtype=np.int64)
        for k, column in enumerate(self.columns[1:]):
            places = score_places(edges, answers[column]) + size * (decided != k)
            found[k] = np.bincount(places, minlength=2 * size).reshape(2, size)
        return found

    def outside(self, window: np.ndarray) -> float:
        """Return 0: no probability is beyond those of the held-out customers; see `Basis`."""
        return 0.0


class ErrorCounts(Shape):
    """Errors for the held-out customers, by what was predicted and by how large they are.

    Attributes
    ----------
    edges : list of float
        Of the bins of predictions, as in `churn.evaluation.reference.NumberCounts`: the first and
        the last are the range of the held-out customers' predictions.
    customers : list of list of int
        By bin, and by level of the error: groups of about as many customers, ordered by target
        minus prediction.
    too_low, too_high, squares : list of list of float
        Sums over each group of how much too low the predictions are, of how much too high, and of
        the squared errors.
    """

    columns: ClassVar[tuple[str, ...]] = ("prediction",)
    edges: list[float]
    customers: list[list[int]]
    too_low: list[list[float]]
    too_high: list[list[float]]
    squares: list[list[float]]

    def counted(self, answers: Mapping[str, np.ndarray]) -> np.ndarray:
        """Count a window's customers by bin; below and above the range as well; see `Basis`."""
        known = answers["prediction"][~np.isnan(answers["prediction"])]
        places = number_places(np.array(self.edges), known)
        return np.bincount(places, minlength=len(self.edges) + 1)

    def outside(self, window: np.ndarray) -> float:
        """Return the share that is predicted beyond the held-out customers; see `Basis`."""
        return float((window[0] + window[-1]) / max(window.sum(), 1))


# Each has `columns`, those of an answer that are counted; `counted`, which returns a window's
# customers as an array of int that adds up; and `outside`, the share of a window's customers with
# predictions that no held-out customer has.
Basis = ScoreCounts | ClassCounts | ErrorCounts


class NamedBasis(TypedDict, total=False):
    """What a task has counted under the name that `Reference` has for it, one of these."""

    scores: ScoreCounts
    classes: ClassCounts
    errors: ErrorCounts


class Estimate(Shape):
    """A value with its standard error."""

    value: float
    error: float


def number_places(edges: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the bin of each value, in [0, len(edges)]; see `NumberCounts`."""
    return np.searchsorted(edges, values, side="left")


def score_places(edges: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """Return the bin of each probability, in [0, len(edges)]; see `ScoreCounts`."""
    return np.searchsorted(edges, probability, side="right")


def score_middles(scores: ScoreCounts | ClassCounts) -> np.ndarray:
    """Return the middle of each bin of probabilities."""
    edges = np.array([0.0, *scores.edges, 1.0])
    middles: np.ndarray = (edges[1:] + edges[:-1]) / 2
    return middles
