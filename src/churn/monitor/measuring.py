"""Measure by how much a window differs from the reference, and what chance alone would show."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

from churn.core.params import EffectsParams, Margin, MetricName
from churn.core.rounding import significant
from churn.evaluation import noise
from churn.evaluation.held_out import Estimate, ScoreCounts, score_middles
from churn.evaluation.metric_names import SMALLER_IS_BETTER, TITLES
from churn.evaluation.noise import Noise, Statistic
from churn.evaluation.reference import CategoryCounts, NumberCounts, Reference
from churn.evaluation.tasks import Task
from churn.monitor.counting import PREDICTED, Counts
from churn.monitor.results import Interval, Kind, Measure

_DIGITS = 6  # of numbers in files
_DAYS_A_WEEK = 7
_SEED = 20_061  # any; the same for all, so that the same log gives the same report
LEVEL = 0.95
_NO_BASIS = (
    "metrics before labels are not estimated: what they require was not stored with this version;"
    " the next model that is released has it"
)


@dataclass(frozen=True)
class _Quantity:
    """What is measured in each window.

    Attributes
    ----------
    reference : ndarray of float, shape (n_bins,)
        Customers of the reference by bin.
    window : callable
        Returns a window's customers by bin.
    edges : ndarray of float, or None
        Upper end of each bin, of numbers.
    """

    kind: Kind
    name: str
    column: str
    statistic: Statistic
    reference: np.ndarray
    effect: float
    window: Callable[[Counts], np.ndarray]
    edges: np.ndarray | None = None


class Measurer:
    """Measures windows of the same model.

    Parameters
    ----------
    reference : Reference
    effects : EffectsParams
    margins : dict of str to float
        `gates.margins`: by how much a metric may be worse.
    task : Task
        With the costs.
    false_alarms : float
        Probability of any alarm in a week in which nothing has changed.

    Attributes
    ----------
    level : float
        Probability with which one quantity is above its limit on one day by chance, at most: the
        week's is divided among all quantities and days (Bonferroni), which holds however they
        depend on each other. That an alarm needs several days makes it rarer still.
    assumption : str
        What estimates assume (`Task.assumption`); empty if there are none.
    """

    def __init__(
        self,
        reference: Reference,
        effects: EffectsParams,
        margins: Mapping[MetricName, Margin],
        task: Task,
        false_alarms: float,
    ) -> None:
        self._reference, self._effects, self._task = reference, effects, task
        self.margins = margins
        self._quantities = list(_quantities(reference, effects))
        # Performance is looked at once a day, estimated and with labels, by each margin.
        count = len(self._quantities) + 2 * len(margins)
        self.level = false_alarms / _DAYS_A_WEEK / count
        self._noises: dict[str, Noise] = {}
        self.assumption = "" if reference.basis is None else task.assumption

    def measure(self, counts: Counts) -> list[Measure]:
        """Measure data and predictions of a window."""
        found = []
        for quantity in self._quantities:
            if quantity.column and quantity.column not in counts.missing:
                continue  # it is not logged
            window = quantity.window(counts)
            if not window.sum():
                continue
            value = quantity.statistic(quantity.reference[None, :], window[None, :])
            found.append(
                Measure(
                    kind=quantity.kind,
                    name=quantity.name,
                    column=quantity.column,
                    value=significant(float(value[0]), _DIGITS),
                    effect=quantity.effect,
                    noise=significant(
                        self._noise(quantity).quantile(int(window.sum()), self.level), _DIGITS
                    ),
                    shown=_shown(quantity, window),
                )
            )
        return found

    def estimate(self, counts: Counts) -> tuple[dict[str, Interval], list[Measure]]:
        """Estimate the metrics of a window, and measure how much worse they are than promised."""
        basis, rng = self._reference.basis, np.random.default_rng(_SEED)
        if basis is None:
            return {}, []
        found = self._task.estimate(basis, counts.scores, self._reference.rule, rng)
        intervals = {
            name: interval(entry.value.value, entry.value.error, np.inf)
            for name, entry in found.items()
        }
        measures = [
            self.loss("estimate", name, found[name].value.value, found[name].difference)
            for name in self.margins
            if name in found
        ]
        return intervals, measures

    def doubts(self, counts: Counts) -> Iterator[str]:
        """Yield why there are no estimates, or which customers they are least sure for."""
        basis = self._reference.basis
        if basis is None:
            yield _NO_BASIS
            return
        share = basis.outside(counts.scores)
        if share > self._effects.out_of_range:
            yield (
                f"{share:.0%} of the customers have a prediction beyond those for the held-out"
                " customers: their errors are estimated by those at the nearest predictions"
            )

    def loss(
        self,
        kind: Kind,
        metric: MetricName,
        value: float,
        difference: Estimate,
        freedom: float = np.inf,
    ) -> Measure:
        """Measure how much worse a metric is than that of the held-out customers.

        Parameters
        ----------
        kind : {"estimate", "performance"}
        metric : str
        value : float
            The metric.
        difference : Estimate
            The metric minus that of the held-out customers.
        freedom : float
            Degrees of freedom of the error; infinite if it is known.
        """
        change = difference.value
        loss = change if metric in SMALLER_IS_BETTER else -change
        chance = float(stats.t.isf(self.level, freedom)) * difference.error
        how = "estimated " if kind == "estimate" else ""
        return Measure(
            kind=kind,
            name=f"{how}{TITLES[metric]}",
            column="",
            value=significant(max(loss, 0.0), _DIGITS),
            effect=self.margins[metric],
            noise=significant(chance, _DIGITS),
            shown=f"{how}{TITLES[metric]} {value:.4g}, promised {value - change:.4g}",
        )

    def _noise(self, quantity: _Quantity) -> Noise:
        if quantity.name not in self._noises:
            seed = (_SEED, zlib.crc32(quantity.name.encode()))
            self._noises[quantity.name] = Noise(quantity.statistic, quantity.reference, seed)
        return self._noises[quantity.name]


def interval(value: float, error: float, freedom: float) -> Interval:
    """Return Student's 95 % interval of a value with a standard error."""
    half = float(stats.t.isf((1 - LEVEL) / 2, freedom)) * error
    return Interval(
        value=significant(value, _DIGITS),
        lower=significant(value - half, _DIGITS),
        upper=significant(value + half, _DIGITS),
    )


def _quantities(reference: Reference, effects: EffectsParams) -> Iterator[_Quantity]:
    for name, numbers in reference.numeric.items():
        yield from _of_number(name, numbers, reference.rows, effects)
    for name, categories in reference.categorical.items():
        yield from _of_category(name, categories, reference.rows, effects)
    yield from _of_predictions(reference, effects)


def _of_number(
    name: str, numbers: NumberCounts, rows: int, effects: EffectsParams
) -> Iterator[_Quantity]:
    counts = np.array(numbers.counts, dtype=float)
    yield from _drift_of_number("data", f"drift of {name}", name, numbers, effects.numeric)
    if counts.sum():
        # Of n customers of the same population, the next one is out of their range in 2 of n + 1
        # cases.
        yield _share(
            "data",
            f"{name} out of range",
            name,
            (2.0, counts.sum() + 1),
            effects.out_of_range,
            lambda window: (
                window.numbers[name][0] + window.numbers[name][-1],
                window.numbers[name].sum(),
            ),
        )
    yield _missing(name, numbers.missing, rows, effects)


def _drift_of_number(
    kind: Kind, name: str, column: str, numbers: NumberCounts, effect: float
) -> Iterator[_Quantity]:
    if numbers.spread > 0:
        edges = np.array(numbers.edges)
        yield _Quantity(
            kind,
            name,
            column,
            noise.wasserstein(edges, numbers.spread),
            np.array(numbers.counts, dtype=float),
            effect,
            lambda window: window.numbers[column],
            edges,
        )


def _by_value(column: str, categories: CategoryCounts) -> Callable[[Counts], np.ndarray]:
    def by_value(window: Counts) -> np.ndarray:
        found = window.categories[column]
        return np.array([found.get(value, 0) for value in [*categories.counts, None]])

    return by_value


def _drift_of_category(
    kind: Kind, name: str, column: str, categories: CategoryCounts, effect: float
) -> Iterator[_Quantity]:
    counts = np.array([*categories.counts.values(), categories.others], dtype=float)
    if (counts > 0).sum() > 1:
        of = _by_value(column, categories)
        yield _Quantity(kind, name, column, noise.jensen_shannon, counts, effect, of)


def _of_category(
    name: str, categories: CategoryCounts, rows: int, effects: EffectsParams
) -> Iterator[_Quantity]:
    counts = np.array([*categories.counts.values(), categories.others], dtype=float)

    by_value = _by_value(name, categories)
    yield from _drift_of_category("data", f"drift of {name}", name, categories, effects.categorical)
    if counts.sum():
        yield _share(
            "data",
            f"unseen {name}",
            name,
            (max(categories.others, categories.once), counts.sum()),
            effects.unseen,
            lambda window: (by_value(window)[-1], by_value(window).sum()),
        )
    yield _missing(name, categories.missing, rows, effects)


def _of_predictions(reference: Reference, effects: EffectsParams) -> Iterator[_Quantity]:
    kind: Kind = "predictions"
    name, predicted = "drift of the prediction", reference.predicted
    if isinstance(predicted, NumberCounts):
        yield from _drift_of_number(kind, name, PREDICTED, predicted, effects.score)
    elif isinstance(predicted, CategoryCounts):
        yield from _drift_of_category(kind, name, PREDICTED, predicted, effects.categorical)
    if reference.scores is not None and reference.threshold is not None:
        yield from _of_scores(reference.scores, reference.threshold, effects)


def _of_scores(
    scores: ScoreCounts, threshold: float, effects: EffectsParams
) -> Iterator[_Quantity]:
    counts, middles = np.array(scores.churned) + np.array(scores.stayed), score_middles(scores)
    mean = np.average(middles, weights=counts)
    spread = float(np.sqrt(np.average((middles - mean) ** 2, weights=counts)))
    if spread > 0:
        edges = np.array([-1.0, 0.0, *scores.edges, 1.0])
        yield _Quantity(
            "predictions",
            "drift of the probability",
            "",
            noise.wasserstein(edges, spread),
            _within(counts),
            effects.score,
            lambda window: _within(window.scores),
            edges,
        )
    yield _share(
        "predictions",
        "share predicted to churn",
        "",
        (counts[middles >= threshold].sum(), counts.sum()),
        effects.predicted,
        lambda window: (window.predicted, window.customers),
    )


def _within(scores: np.ndarray) -> np.ndarray:
    """Add the bins of a column of numbers that hold what is out of range: no probability is."""
    return np.array([0, 0, *scores, 0])


def _missing(name: str, missing: int, rows: int, effects: EffectsParams) -> _Quantity:
    return _share(
        "data",
        f"missing {name}",
        name,
        (missing, rows),
        effects.missing,
        lambda window: (window.missing[name], window.customers),
    )


def _share(
    kind: Kind,
    name: str,
    column: str,
    reference: tuple[float, float],
    effect: float,
    of: Callable[[Counts], tuple[float, float]],
) -> _Quantity:
    """Return the quantity of a share: how many of how many."""
    count, total = reference

    def window(counts: Counts) -> np.ndarray:
        part, whole = of(counts)
        return np.array([part, whole - part])

    # Half a row for what never was, which may happen all the same.
    bins = np.array([count + 0.5, total - count + 0.5])
    return _Quantity(kind, name, column, noise.share, bins, effect, window)


def _shown(quantity: _Quantity, window: np.ndarray) -> str:
    both = (window, quantity.reference)
    if quantity.statistic is noise.share:
        now, before = (f"{100 * bins[0] / bins.sum():.1f} %" for bins in both)
        return f"{quantity.name}: {now}, before {before}"
    if quantity.edges is None:
        return quantity.name
    now, before = (f"{_median(quantity.edges, bins):.4g}" for bins in both)
    return f"{quantity.name}: median {now}, before {before}"


def _median(edges: np.ndarray, bins: np.ndarray) -> float:
    """Return the upper end of the bin that holds the median."""
    place = int(np.searchsorted(np.cumsum(bins), bins.sum() / 2))
    return float(edges[min(place, len(edges) - 1)])
