"""What a deployed model is compared with: its training rows as counts, and its held-out results.

There are no customers in it, and it has the same size for a table of any length, so it goes with
the model to wherever that is watched.
"""

from __future__ import annotations

from typing import TypedDict

import numpy as np
import pandas as pd

from churn.core.errors import ArtifactError
from churn.core.files import Shape
from churn.core.params import Columns, SlicesParams
from churn.core.rounding import significant
from churn.data import dates
from churn.evaluation.held_out import (
    Basis,
    ClassCounts,
    ErrorCounts,
    Estimate,
    ScoreCounts,
    number_places,
)
from churn.evaluation.slices import Cuts, cuts, divide
from churn.evaluation.tasks import Scored, Task
from churn.model.rule import Rule, rule_of

_DIGITS = 8  # of numbers in files
_BINS = 100  # of a numeric column, each with a hundredth of the customers
_TAILS = (0.001, 0.005, 0.995, 0.999)
_MAX_CATEGORIES = 1000


class NumberCounts(Shape):
    """A column of numbers, or of dates: the days before the newest one.

    Attributes
    ----------
    edges : list of float
        Ascending. Bin i holds the values above edge i - 1, up to edge i. The first edge is the
        largest number below all training rows, the last one is their largest value; so the first
        and the last bin, which have no training rows, hold what is out of range.
    counts : list of int
        Training rows in each bin; one more than edges.
    missing : int
        Training rows without a value.
    spread : float
        Standard deviation of the training rows' values; 0 if they are all equal.
    """

    edges: list[float]
    counts: list[int]
    missing: int
    spread: float


class CategoryCounts(Shape):
    """A column of texts.

    Attributes
    ----------
    counts : dict of str to int
        Training rows with each of the 1,000 most frequent values.
    others : int
        Training rows with any other value.
    missing : int
        Training rows without a value.
    once : int
        Number of values that one training row has. Divided by the number of rows it is the expected
        share of customers with a value that was never seen (Good, I. J. (1953), The Population
        Frequencies of Species and the Estimation of Population Parameters, Biometrika 40).
    """

    counts: dict[str, int]
    others: int
    missing: int
    once: int


class GroupMetrics(Shape):
    """Held-out metrics of a slice; of all customers if column and slice are empty."""

    column: str
    slice: str
    rows: int
    metrics: dict[str, Estimate]


class Reference(Shape):
    """reference.json.

    Attributes
    ----------
    rows : int
        Number of training rows.
    threshold : float or None
        The decision threshold of a binary model.
    half_width : float or None
        Half the width of the intervals of predicted numbers.
    costs : tuple of float or None
        Of missing each of several classes.
    numeric : dict of str to NumberCounts
        Numeric columns, and those with dates.
    dates : list of str
        Those of them that have dates. Dates move on with the calendar, and their age need not.
    categorical : dict of str to CategoryCounts
    scores : ScoreCounts or None
        Of a binary model.
    classes : ClassCounts or None
        Of a model of several classes.
    errors : ErrorCounts or None
        Of a model of numbers.
    predicted : NumberCounts or CategoryCounts or None
        Of another model, what it predicts for the held-out customers.
    cuts : Cuts
    groups : list of GroupMetrics
        All held-out customers first, then each slice that is large enough.
    """

    rows: int
    threshold: float | None = None
    half_width: float | None = None
    costs: tuple[float, ...] | None = None
    numeric: dict[str, NumberCounts]
    dates: list[str]
    categorical: dict[str, CategoryCounts]
    scores: ScoreCounts | None = None
    classes: ClassCounts | None = None
    errors: ErrorCounts | None = None
    predicted: NumberCounts | CategoryCounts | None = None
    cuts: Cuts
    groups: list[GroupMetrics]

    @property
    def basis(self) -> Basis | None:
        """What estimates before labels are made from; None if it was not stored yet."""
        return self.scores or self.classes or self.errors

    @property
    def rule(self) -> Rule:
        """The rule of the model's output (`churn.model.outputs`)."""
        if (rule := rule_of(self)) is None:
            raise ArtifactError("reference.json names no threshold; run churn evaluate again")
        return rule

    @property
    def predicted_range(self) -> tuple[float, float] | None:
        """Smallest and largest number that is predicted for the held-out customers.

        None of a model that predicts no numbers.
        """
        if not isinstance(self.predicted, NumberCounts) or len(self.predicted.edges) < 2:
            return None
        return self.predicted.edges[1], self.predicted.edges[-1]  # the first is below all


class _Predicted(TypedDict, total=False):
    predicted: NumberCounts | CategoryCounts


def describe(
    train: pd.DataFrame,
    test: pd.DataFrame,
    task: Task,
    y: np.ndarray,
    scored: Scored,
    columns: Columns,
    slices: SlicesParams,
) -> Reference:
    """Summarise what a model was trained on, and how it does on held-out customers.

    Parameters
    ----------
    train, test : DataFrame
        Both sides of the split.
    task : Task
        With the costs.
    y : ndarray, shape (n_test,)
        Labels of the held-out customers.
    scored : Scored
        The held-out customers.
    columns : Columns
        The model's.
    slices : SlicesParams
    """
    chosen = cuts(train, slices)

    def group(column: str, name: str, of: np.ndarray) -> GroupMetrics:
        found = estimates(task, y[of], scored.of(of))
        return GroupMetrics(column=column, slice=name, rows=int(of.sum()), metrics=found)

    groups = [group("", "", np.ones(len(y), dtype=bool))]
    groups += [
        group(column, name, members)
        for column, name, members in divide(test, chosen)
        if members.sum() >= slices.min_rows
    ]
    numbers = {name: train[name].to_numpy(dtype=float) for name in columns.numeric}
    ages = {name: _ages(train[name]) for name in columns.dates}
    return Reference(
        rows=len(train),
        **task.output.learned(scored.rule),
        numeric={name: _numbers(values) for name, values in (numbers | ages).items()},
        dates=list(columns.dates),
        categorical={name: _categories(train[name]) for name in columns.categorical},
        **_predictions(task, scored),
        **task.held_out(y, scored),
        cuts=chosen,
        groups=groups,
    )


def estimates(task: Task, y: np.ndarray, scored: Scored) -> dict[str, Estimate]:
    """Compute the metrics of customers, with standard errors.

    Returns
    -------
    dict of str to Estimate
        Without the metrics that are undefined, or whose error is.

    Notes
    -----
    The error is that of the infinitesimal jackknife (`Weighted.influence`), times
    ``sqrt(n / (n - 1))``.
    """
    n = len(y)
    if n < 2:
        return {}
    weighted = task.weighted(y, scored)
    values, influence = weighted.metrics(np.ones((n, 1))), weighted.influence()
    errors = {name: float(np.sqrt((of**2).sum() * n / (n - 1))) for name, of in influence.items()}
    return {
        name: Estimate(
            value=significant(float(value[0]), _DIGITS), error=significant(errors[name], _DIGITS)
        )
        for name, value in values.items()
        if np.isfinite(value[0]) and np.isfinite(errors[name])
    }


def _ages(column: pd.Series) -> np.ndarray:
    """Return the days before the newest date."""
    days = dates.days(dates.timestamps(column)).to_numpy(float)
    ages: np.ndarray = np.nanmax(days, initial=0.0) - days
    return ages


def _numbers(values: np.ndarray) -> NumberCounts:
    known = values[~np.isnan(values)]
    if not len(known):
        return NumberCounts(edges=[], counts=[0], missing=len(values), spread=0.0)
    # Tails are long, and a bin's values are taken as spread evenly.
    shares = np.unique([*np.linspace(0, 1, _BINS + 1), *_TAILS])
    quantiles = np.unique(np.quantile(known, shares))
    edges = np.array([np.nextafter(known.min(), -np.inf), *quantiles])
    counts = np.bincount(number_places(edges, known), minlength=len(edges) + 1)
    return NumberCounts(
        edges=edges.tolist(),
        counts=counts.tolist(),
        missing=len(values) - len(known),
        spread=significant(float(known.std()), _DIGITS),
    )


def _categories(values: pd.Series) -> CategoryCounts:
    found = {str(name): int(count) for name, count in values.value_counts().items()}
    # Ties are sorted by name, so that the same table gives the same file.
    ordered = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return CategoryCounts(
        counts=dict(ordered[:_MAX_CATEGORIES]),
        others=sum(count for _, count in ordered[_MAX_CATEGORIES:]),
        missing=int(values.isna().sum()),
        once=sum(count == 1 for count in found.values()),
    )


def _predictions(task: Task, scored: Scored) -> _Predicted:
    """Describe what is predicted, as the fields of `Reference`; nothing of probabilities."""
    answer = task.output.answer(scored.scores, scored.rule)
    if "probability" in answer:
        return {}
    predicted = pd.Series(answer["prediction"])
    if task.output.answered["prediction"] is str:
        return {"predicted": _categories(predicted)}
    return {"predicted": _numbers(predicted.to_numpy(dtype=float))}
