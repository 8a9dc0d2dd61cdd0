"""Draw what the monitor has found."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from churn.evaluation.held_out import ScoreCounts
from churn.evaluation.metric_names import TITLES
from churn.evaluation.pictures import BLUE, GREY, ORANGE, STYLE
from churn.evaluation.reference import CategoryCounts, NumberCounts, Reference
from churn.monitor.counting import PREDICTED, Counts
from churn.monitor.results import Interval, Report

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_BARS = 20
_CATEGORIES = 10
_SIZE = (5.2, 3.2)
_TRAINING, _HELD_OUT = "training rows", "held-out customers"  # what a window is compared with


def distribution(column: str, reference: Reference, window: Counts) -> bytes:
    """Draw a column's values in the training rows and in a window, as PNG.

    Parameters
    ----------
    column : str
        Empty for the predictions, whose reference are the held-out customers.
    reference : Reference
    window : Counts
    """
    figure = Figure(figsize=_SIZE, layout="constrained")
    with mpl.rc_context(STYLE):
        axes = figure.subplots()
        if column == PREDICTED:
            _predictions(axes, reference, window)
        elif column in reference.numeric:
            _numbers(axes, reference.numeric[column], window.numbers[column])
        else:
            _categories(axes, reference.categorical[column], window.categories[column])
        age = ", days before" if column in reference.dates else ""
        axes.set_title(_plain(f"{column}{age}" if column else "predictions"))
        axes.legend(frameon=False)
        return _png(figure)


def over_time(metric: str, report: Report, promised: Interval | None) -> bytes | None:
    """Draw a metric by day: estimated before labels, and measured with them; None without either.

    Parameters
    ----------
    metric : str
    report : Report
    promised : Interval or None
        Of the held-out customers.
    """
    estimated = {w.name: w.estimated[metric] for w in report.windows if metric in w.estimated}
    days = {} if report.performance is None else report.performance.days
    measured = {day: values[metric] for day, values in days.items() if metric in values}
    if not estimated and not measured:
        return None
    figure = Figure(figsize=_SIZE, layout="constrained")
    with mpl.rc_context(STYLE):
        axes = figure.subplots()
        names = sorted({*estimated, *measured})
        if promised is not None:
            axes.axhspan(promised.lower, promised.upper, color=GREY, alpha=0.25, linewidth=0)
            axes.axhline(promised.value, color=GREY, linewidth=1, label="held-out customers")
        _intervals(axes, names, estimated, ORANGE, "estimated, before labels", -0.12)
        _intervals(axes, names, measured, BLUE, "measured, with labels", 0.12)
        step = -(-len(names) // 6)
        axes.set_xticks(
            range(0, len(names), step),
            [
                name.removeprefix(name[:5]) if _DAY.fullmatch(name) else name
                for name in names[::step]
            ],
        )
        axes.set_title(TITLES[metric])
        axes.legend(frameon=False, fontsize=8)
        return _png(figure)


def _intervals(
    axes: Axes,
    names: Sequence[str],
    values: Mapping[str, Interval],
    color: str,
    label: str,
    aside: float,
) -> None:
    if not values:
        return
    x = np.array([i for i, name in enumerate(names) if name in values]) + aside
    found = [values[name] for name in names if name in values]
    y = np.array([of.value for of in found])
    ends = np.array([[of.value - of.lower for of in found], [of.upper - of.value for of in found]])
    axes.errorbar(x, y, yerr=ends, color=color, fmt="o", markersize=4, linewidth=1.2, label=label)


def _numbers(axes: Axes, numbers: NumberCounts, window: np.ndarray, label: str = _TRAINING) -> None:
    edges, counts = np.array(numbers.edges), np.array(numbers.counts)
    if len(edges) <= _BARS + 2:  # few values: a bar for each
        shares = [_shares(part[1:-1]) for part in (counts, window)]
        labels = [f"{edge:g}" for edge in edges[1:]]
        _bars(axes, labels, *shares, label=label)
        return
    # Tails would leave no room for the others.
    cumulative = np.cumsum(counts) / counts.sum()
    first, last = (edges[np.searchsorted(cumulative, share)] for share in (0.005, 0.99))
    places = np.linspace(first, last, _BARS + 1)
    shares = []
    for part in (counts, window):
        below = np.cumsum(part)[:-1] / max(part.sum(), 1)
        shares.append(np.diff(np.interp(places, edges, below)))
    _steps(axes, places, *shares, label=label)


def _predictions(axes: Axes, reference: Reference, window: Counts) -> None:
    if reference.scores is not None:
        _scores(axes, reference.scores, window.scores)
    elif isinstance(reference.predicted, NumberCounts):
        _numbers(axes, reference.predicted, window.numbers[PREDICTED], _HELD_OUT)
    elif reference.predicted is not None:
        _categories(axes, reference.predicted, window.categories[PREDICTED], _HELD_OUT)


def _scores(axes: Axes, scores: ScoreCounts, window: np.ndarray) -> None:
    edges = np.array([0.0, *scores.edges, 1.0])
    places = np.linspace(0, 1, _BARS + 1)
    shares = []
    for part in (np.array(scores.churned) + np.array(scores.stayed), window):
        below = np.concatenate([[0], np.cumsum(part)]) / max(part.sum(), 1)
        shares.append(np.diff(np.interp(places, edges, below)))
    _steps(axes, places, *shares, label=_HELD_OUT)


def _categories(
    axes: Axes,
    categories: CategoryCounts,
    window: Mapping[str | None, int],
    label: str = _TRAINING,
) -> None:
    names = list(categories.counts)[:_CATEGORIES]
    others = sum(categories.counts.values()) + categories.others
    counts = [categories.counts[name] for name in names]
    counts.append(others - sum(counts))
    found = [window.get(name, 0) for name in names]
    found.append(sum(window.values()) - sum(found))
    labels = [_plain(name if len(name) <= 12 else f"{name[:11]}…") for name in names]
    shares = [_shares(np.array(part)) for part in (counts, found)]
    _bars(axes, [*labels, "others"], *shares, label=label)


def _steps(
    axes: Axes,
    edges: np.ndarray,
    before: np.ndarray,
    now: np.ndarray,
    *,
    label: str,
) -> None:
    axes.stairs(100 * before, edges, fill=True, color=GREY, alpha=0.5, label=label)
    axes.stairs(100 * now, edges, color=BLUE, linewidth=1.8, label="newest window")
    axes.set_ylabel("customers, %")


def _bars(
    axes: Axes, labels: Sequence[str], before: np.ndarray, now: np.ndarray, *, label: str
) -> None:
    x = np.arange(len(labels))
    axes.bar(x - 0.2, 100 * before, width=0.4, color=GREY, label=label)
    axes.bar(x + 0.2, 100 * now, width=0.4, color=BLUE, label="newest window")
    axes.set_xticks(x, labels, rotation=45 if len(labels) > 8 else 0, fontsize=8)
    axes.set_ylabel("customers, %")


def _shares(counts: np.ndarray) -> np.ndarray:
    shares: np.ndarray = counts / max(counts.sum(), 1)
    return shares


def _plain(text: str) -> str:
    """Return a text that matplotlib does not read as a formula."""
    return text.replace("$", r"\$")


def _png(figure: Figure) -> bytes:
    picture = io.BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()
