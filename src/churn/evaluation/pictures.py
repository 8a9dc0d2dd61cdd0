"""Draw the curves as PNG files."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from churn.evaluation.curve_names import COMPARED
from churn.evaluation.curves import Points
from churn.evaluation.reason_names import DIRECTIONS, MOST_COLUMNS
from churn.evaluation.results import Metrics

_Read = Sequence[Mapping[str, float | int | str]]  # points, computed or read from a file
# Okabe and Ito's palette, for every kind of colour vision.
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#999999"
_COLORS = {"raises": ORANGE, "lowers": BLUE}
_LONGEST_CLASS = 16  # characters beside an axis
_MOST_IN_A_LINE = 40  # below one
_BINNED = ("calibration", "class_calibration", "tenths")
_OTHER = (GREY, "both ways, or by category")
STYLE = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "font.size": 10,
    "axes.titlesize": 11,
    "figure.dpi": 110,
}


def draw(plots: dict[str, Points], folder: Path, measured: Metrics, quality: str) -> None:
    """Draw every plot to a PNG file in `folder`.

    Parameters
    ----------
    plots : dict of str to list of dict
        Points by plot, as `churn.evaluation.tasks` and `churn.explanation.overall` return them.
    folder : Path
        Must not exist.
    measured : Metrics
        With the decision threshold or the width of the intervals, which are drawn as well.
    quality : str
        Title of the metric by which the importance of a column is measured.
    """
    folder.mkdir()
    painters: dict[str, Callable[[Axes, Points], None]] = {
        "roc": _roc,
        "precision_recall": _precision_recall,
        "calibration": lambda axes, points: _calibration(axes, points, "calibration"),
        "class_calibration": lambda axes, points: _calibration(axes, points, "class_calibration"),
        "confusion": _confusion,
        "score_histogram": lambda axes, points: _score_histogram(axes, points, measured.threshold),
        "importance": lambda axes, points: _importance(axes, points, quality),
        "reasons": _reasons,
        "classes": _classes,
        "predicted": _predicted,
        "residuals": _residuals,
        "errors": _errors,
        "tenths": _tenths,
    }
    for name, points in plots.items():
        with mpl.rc_context(STYLE):
            figure = Figure(figsize=(5.2, 4.0), layout="constrained")
            painters[name](figure.subplots(), points)
            # Without matplotlib's version, so that an upgrade alone does not change the file.
            figure.savefig(folder / f"{name}.png", metadata={"Software": None})


def draw_compared(curve: str, baseline: _Read, candidate: _Read, name: str) -> bytes:
    """Draw a curve for two models in one picture.

    Parameters
    ----------
    curve : str
        One of `churn.evaluation.curve_names.COMPARED`.
    baseline, candidate : list of dict
        Points on the same customers.
    name : str
        Name of the baseline.

    Returns
    -------
    bytes
        PNG.
    """
    x, y, title, labels = COMPARED[curve]
    picture = io.BytesIO()
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.2, 4.0), layout="constrained")
        axes = figure.subplots()
        marker = "o" if curve in _BINNED else None
        for points, color, label in (
            (baseline, GREY, "baseline"),
            (candidate, BLUE, "this change"),
        ):
            axes.plot(
                _column(points, x), _column(points, y), color=color, marker=marker, label=label
            )
        axes.set(title=title, xlabel=labels[0], ylabel=labels[1])
        # Named afterwards, because matplotlib ignores labels that begin with _.
        named = axes.legend(frameon=False).get_texts()[0]
        named.set_text((name if len(name) <= 40 else f"{name[:39]}…").replace("$", r"\$"))
        figure.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()


def draw_reasons(points: Points) -> bytes:
    """Draw what a model goes by, as `draw` does, and return the PNG."""
    picture = io.BytesIO()
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.2, 4.0), layout="constrained")
        _reasons(figure.subplots(), points)
        figure.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()


def _column(points: _Read, name: str) -> list[float]:
    return [float(point[name]) for point in points]


def _roc(axes: Axes, points: Points) -> None:
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="guessing")
    x, y = _column(points, "false_positive_rate"), _column(points, "true_positive_rate")
    axes.plot(x, y, color=BLUE, label="model")
    axes.set(title="ROC, held-out customers", xlabel="False positive rate")
    axes.set(ylabel="True positive rate", aspect="equal")
    axes.legend(loc="lower right", frameon=False)


def _precision_recall(axes: Axes, points: Points) -> None:
    axes.plot(_column(points, "recall"), _column(points, "precision"), color=BLUE)
    axes.set(title="Precision and recall, held-out customers", xlabel="Recall")
    axes.set(ylabel="Precision", xlim=(0, 1), ylim=(0, 1.02))


def _calibration(axes: Axes, points: Points, curve: str) -> None:
    predicted, observed = _column(points, "predicted"), _column(points, "observed")
    top = max(*predicted, *observed) * 1.05
    axes.plot([0, top], [0, top], color=GREY, linestyle="--", linewidth=1, label="perfect")
    axes.plot(predicted, observed, color=BLUE, marker="o", label="model, tenths of the customers")
    _, _, title, labels = COMPARED[curve]
    axes.set(title=f"{title}, held-out customers", xlabel=labels[0], ylabel=labels[1])
    axes.legend(loc="upper left", frameon=False)


def _confusion(axes: Axes, points: Points) -> None:
    names = list(dict.fromkeys(str(point["actual"]) for point in points))
    counts = {(p["actual"], p["predicted"]): int(p["customers"]) for p in points}
    table = [[counts[actual, predicted] for predicted in names] for actual in names]
    axes.imshow(table, cmap="Blues", vmin=0)
    largest, size = max(map(max, table)), min(14.0, max(4.0, 70 / len(names)))
    for i, row in enumerate(table):
        for j, count in enumerate(row):
            color = "white" if count > largest / 2 else "black"
            axes.text(j, i, f"{count:,}", ha="center", va="center", color=color, fontsize=size)
    axes.set(title="Decisions, held-out customers")
    ticks = range(len(names))
    axes.set(yticks=ticks, xlabel="Predicted", ylabel="Actual")
    axes.set_yticklabels(map(_short, names))
    _name_classes(axes, names)
    axes.grid(visible=False)


def _score_histogram(axes: Axes, points: Points, threshold: float | None) -> None:
    for name, color in (("stayed", BLUE), ("churned", ORANGE)):
        of_kind = [point for point in points if point["actual"] == name]
        middles, counts = _column(of_kind, "probability"), _column(of_kind, "customers")
        width = middles[1] - middles[0]
        axes.bar(middles, counts, width=width, color=color, alpha=0.55, label=name)
    if threshold is not None:
        label = f"threshold {threshold:g}"
        axes.axvline(threshold, color="black", linewidth=1, linestyle=":", label=label)
    axes.set(title="Predicted probabilities, held-out customers", xlabel="Predicted probability")
    axes.set(ylabel="Customers", xlim=(0, 1))
    axes.legend(frameon=False)


def _importance(axes: Axes, points: Points, quality: str) -> None:
    shown = points[:MOST_COLUMNS][::-1]
    names = _escaped(shown)
    spread = _column(shown, "standard_deviation")
    axes.barh(names, _column(shown, "importance"), xerr=spread, color=BLUE, ecolor=GREY)
    axes.set(title="Permutation importance", xlabel=f"Loss of {quality} when shuffled")
    axes.grid(visible=False, axis="y")


def _reasons(axes: Axes, points: Points) -> None:
    number = f"{points[0]['customers']:,} " if points and points[0].get("customers") else ""
    axes.set(title=f"What the model goes by, {number}held-out customers")
    if not points:
        axes.text(0.5, 0.5, "no reasons for this model", ha="center", transform=axes.transAxes)
        axes.set_axis_off()
        return
    shown = points[:MOST_COLUMNS][::-1]
    names, effects = _escaped(shown), _column(shown, "effect")
    named = {way: (color, DIRECTIONS[way]) for way, color in _COLORS.items()}
    kinds = [named.get(str(point["direction"]), _OTHER) for point in shown]
    axes.barh(names, effects, color=[color for color, _ in kinds])
    for color, label in (*named.values(), _OTHER):
        if (color, label) in kinds:
            axes.barh(names[:1], [0], color=color, label=label)
    axes.set(xlabel=f"Mean absolute SHAP value ({_plain(shown[0]['unit'])})")
    axes.legend(loc="lower right", frameon=False)
    axes.grid(visible=False, axis="y")


def _classes(axes: Axes, points: Points) -> None:
    names = [str(point["actual"]) for point in points]
    places = [*range(len(names))]
    recall, precision = _column(points, "recall"), _column(points, "precision")
    axes.bar([place - 0.2 for place in places], recall, 0.4, color=BLUE, label="recall")
    axes.bar([place + 0.2 for place in places], precision, 0.4, color=ORANGE, label="precision")
    axes.set(title="Each class, held-out customers", ylim=(0, 1))
    _name_classes(axes, names)
    axes.legend(frameon=False)


def _predicted(axes: Axes, points: Points) -> None:
    x, y = _column(points, "predicted"), _column(points, "actual")
    lower, upper = _column(points, "lower"), _column(points, "upper")
    axes.fill_between(x, lower, upper, color=BLUE, alpha=0.12, linewidth=0, label="interval")
    axes.plot([min(x), max(x)], [min(x), max(x)], color=GREY, linestyle="--", label="perfect")
    axes.scatter(x, y, s=10, color=BLUE, alpha=0.6, linewidths=0, label="customer")
    axes.set(title="True against predicted, held-out customers", xlabel="Predicted", ylabel="True")
    axes.legend(frameon=False)


def _residuals(axes: Axes, points: Points) -> None:
    middles, counts = _column(points, "residual"), _column(points, "customers")
    axes.bar(middles, counts, width=middles[1] - middles[0], color=BLUE)
    axes.axvline(0, color="black", linewidth=1, linestyle=":")
    axes.set(title="Residuals, held-out customers", xlabel="True minus predicted")
    axes.set(ylabel="Customers")


def _errors(axes: Axes, points: Points) -> None:
    axes.plot(_column(points, "error"), _column(points, "share"), color=BLUE)
    axes.set(title="Errors, held-out customers", xlabel="Absolute error", ylim=(0, 1.02))
    axes.set(ylabel="Share of customers up to it")


def _tenths(axes: Axes, points: Points) -> None:
    predicted, observed = _column(points, "predicted"), _column(points, "observed")
    ends = [min(*predicted, *observed), max(*predicted, *observed)]
    axes.plot(ends, ends, color=GREY, linestyle="--", linewidth=1, label="perfect")
    axes.plot(predicted, observed, color=BLUE, marker="o", label="tenths of the customers")
    axes.set(title="Tenths of the customers, held out", xlabel="Mean prediction")
    axes.set(ylabel="Mean of the true numbers")
    axes.legend(frameon=False)


def _escaped(points: Points) -> list[str]:
    """Return the names of columns."""
    return [_plain(point["column"]) for point in points]


def _name_classes(axes: Axes, names: Sequence[str]) -> None:
    """Write the names of classes below the axes, slanting if they are long."""
    short = [*map(_short, names)]
    axes.set_xticks(range(len(names)), short)
    if sum(map(len, short)) > _MOST_IN_A_LINE:
        for label in axes.get_xticklabels():
            label.set(rotation=45, ha="right")


def _short(name: str) -> str:
    return _plain(name if len(name) <= _LONGEST_CLASS else f"{name[: _LONGEST_CLASS - 1]}…")


def _plain(text: object) -> str:
    """Escape a text, because matplotlib reads what is between two dollars as a formula."""
    return str(text).replace("$", r"\$")
