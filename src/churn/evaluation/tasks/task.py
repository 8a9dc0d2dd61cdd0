"""What the tasks have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from churn.core.errors import DataError
from churn.core.params import METRICS, MetricName
from churn.evaluation.curves import Points
from churn.evaluation.estimated import Estimated
from churn.evaluation.fairness import Measure
from churn.evaluation.held_out import Basis, NamedBasis
from churn.evaluation.metric_names import TITLES
from churn.evaluation.results import Values
from churn.evaluation.tasks.contrast import Contrasts, Row, Scale, Summary
from churn.evaluation.weighted import Weighted
from churn.model.outputs import Output, Rule

if TYPE_CHECKING:
    from churn.evaluation.reference import Reference

_DIGITS = 6


@dataclass(frozen=True)
class Measured:
    """Metrics of a group of customers.

    Attributes
    ----------
    values : dict of str to float or None
        The value of each metric; None if it is undefined.
    undefined : dict of str to str
        The reason for each None.
    """

    values: Values
    undefined: dict[str, str]

    @classmethod
    def of(
        cls,
        results: dict[str, tuple[str, Callable[[], float]]],
        rounded: Callable[[float, int], float] = round,
    ) -> Measured:
        """Compute metrics, each with the reason why it is undefined, or an empty one.

        `rounded` takes a value and a number of decimals.
        """
        return cls(
            values={
                name: None if reason else rounded(float(compute()), _DIGITS)
                for name, (reason, compute) in results.items()
            },
            undefined={name: reason for name, (reason, _) in results.items() if reason},
        )


@dataclass(frozen=True)
class Scored:
    """The predictions of one model.

    Attributes
    ----------
    scores : ndarray of float, shape (n_customers,) or (n_customers, n_classes)
        See `churn.model.outputs.Output`.
    rule : float or tuple of float
        What the model has learned beside the scores: binary, the threshold.
    """

    scores: np.ndarray
    rule: Rule

    def of(self, members: np.ndarray) -> Scored:
        """Return the predictions for some of the customers."""
        return Scored(self.scores[members], self.rule)


class Task(ABC):
    """How the models of a task are measured and compared.

    Attributes
    ----------
    output : Output
    at_rule : tuple of str
        Metrics that change with the rule.
    optional : frozenset of str
        Metrics that may be undefined on a side of the split.
    quality : str
        The metric by which the importance of a column is measured.
    assumption : str
        What metrics before labels assume, in sentences.
    needs_scale : bool
        Whether a trial needs `scale`.
    """

    at_rule: ClassVar[tuple[str, ...]] = ()
    optional: ClassVar[frozenset[str]] = frozenset()
    quality: ClassVar[str]
    assumption: ClassVar[str]
    needs_scale: ClassVar[bool] = False

    @property
    @abstractmethod
    def output(self) -> Output: ...

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics, in the order in which they are shown."""
        return tuple(name for name in TITLES if name in METRICS[self.output.task])

    @abstractmethod
    def measure(self, y: np.ndarray, scored: Scored) -> Measured:
        """Compute every metric.

        Raises
        ------
        ValueError
            If there are no customers.
        DataError
            If a score is no valid one.
        """

    @abstractmethod
    def weighted(self, y: np.ndarray, scored: Scored) -> Weighted:
        """Return the metrics for weighted customers, as in bootstrap samples."""

    @abstractmethod
    def held_out(self, y: np.ndarray, scored: Scored) -> NamedBasis:
        """Count the held-out customers for `estimate`, as a field of `Reference`."""

    @abstractmethod
    def estimate(
        self, basis: Basis, window: np.ndarray, rule: Rule, rng: np.random.Generator
    ) -> dict[str, Estimated]:
        """Estimate the metrics of customers without labels.

        Parameters
        ----------
        basis : Basis
            What `held_out` has counted.
        window : ndarray of int
            The customers (`basis.counted`).
        rule : float or tuple of float
            The model's.
        rng : Generator

        Returns
        -------
        dict of str to Estimated
            Without the metrics that cannot be estimated.
        """

    @abstractmethod
    def n_rarest(self, y: np.ndarray) -> int:
        """Return the number of customers of the rarest class; of numbers, of all customers."""

    def n_behind(self, metric: str, y: np.ndarray) -> int:
        """Return the number of customers on which the width of a metric's interval depends."""
        return self.n_rarest(y)

    @abstractmethod
    def rival(
        self, y: np.ndarray, scores: np.ndarray, correlation: float, rng: np.random.Generator
    ) -> np.ndarray:
        """Simulate the scores of an equally good model.

        Parameters
        ----------
        y : ndarray, shape (n_customers,)
        scores : ndarray
        correlation : float
            Of both models' scores, in [0, 1], where the label is known.
        rng : Generator

        Returns
        -------
        ndarray of float, shape of `scores`
        """

    @abstractmethod
    def goodness(self, y: np.ndarray, scores: np.ndarray) -> float:
        """Return the metric `quality`, of which more is better."""

    def sampled(self, y: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
        """Return the places of about `n` customers, in order; of each class as large a share."""
        classes = np.unique(y) if y.dtype.kind == "i" else [None]
        members = [np.arange(len(y)) if c is None else np.flatnonzero(y == c) for c in classes]
        chosen = [rng.permutation(places) for places in members]
        parts = [places[: max(1, round(n * len(places) / len(y)))] for places in chosen]
        return np.sort(np.concatenate(parts))

    def coverage(self, y: np.ndarray, scored: Scored) -> float | None:
        """Return the share of the customers whose number is in its interval; None without one."""
        return None

    def of_labels(self, y: np.ndarray) -> dict[str, int | float]:
        """Describe the labels of a slice, as the fields of `SliceMetrics`."""
        return {}

    @abstractmethod
    def treatment(self, y: np.ndarray, scored: Scored) -> list[Measure]:
        """Return what the slices of a protected column are compared by."""

    @abstractmethod
    def plots(self, y: np.ndarray, scored: Scored) -> dict[str, Points]:
        """Compute the points of the task's plots on held-out customers."""

    @abstractmethod
    def compared(self, y: np.ndarray, scored: Scored) -> dict[str, Points]:
        """Compute the points of the curves in which two models are compared."""

    def scale(self, reference: Reference) -> Scale | None:
        """Return the limits that a trial needs; None if its values have limits by themselves.

        Parameters
        ----------
        reference : Reference
            The champion's.

        Raises
        ------
        ArtifactError
            If it is of another task, or gives no limits.
        """
        return None

    @abstractmethod
    def contrasts(self, margins: Mapping[MetricName, float], scale: Scale | None) -> Contrasts:
        """Return what a trial compares.

        Parameters
        ----------
        margins : mapping of str to float
            By metric, by how much a challenger may be worse.
        scale : Scale or None
            As `scale` returns it.
        """

    @abstractmethod
    def summary(self, answers: pd.DataFrame) -> Summary:
        """Summarise what a version has predicted; of one customer at least."""

    @abstractmethod
    def rows(self, scale: Scale | None) -> Sequence[Row]:
        """Return the rows of a trial's table that show the summary: titles, and text of a side."""

    def require_all(self, measured: Measured, where: str) -> Values:
        """Return the metrics of a side of the split, which must all be defined.

        Raises
        ------
        DataError
            If one is undefined or not finite, as the cost may be if the parameters are huge.
        """
        for name, value in measured.values.items():
            if name not in self.optional and (value is None or not np.isfinite(value)):
                reason = measured.undefined.get(name, "it is not finite")
                raise DataError(f"{where}: metric {name!r} is undefined: {reason}")
        return measured.values


def require_customers(y: np.ndarray) -> None:
    """Raise ValueError if there are none."""
    if not len(y):
        raise ValueError("no customers to measure on")
