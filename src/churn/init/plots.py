"""The plots in dvc.yaml, of which each task has its own."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from churn.core.files import atomic
from churn.core.params import TaskName
from churn.evaluation.curve_names import COMPARED

_SECTION = "\nplots:\n"
_QUALITY = {"binary": "ROC AUC", "regression": "R²", "multiclass": "macro ROC AUC"}
_OF_TASK: dict[TaskName, tuple[str, ...]] = {
    "binary": ("roc", "precision_recall", "calibration", "confusion", "score_histogram"),
    "regression": ("predicted", "residuals", "errors", "tenths"),
    "multiclass": ("class_calibration", "confusion", "classes"),
}


class _Plot(NamedTuple):
    name: str
    title: str
    x: str
    y: str
    labels: tuple[str, str]
    template: str | None = None


_BARS = "bar_horizontal_sorted"
_OTHERS = {
    "confusion": _Plot(
        "Confusion", "Decisions", "actual", "predicted", ("Actual", "Predicted"), "confusion_counts"
    ),
    "score_histogram": _Plot(
        "Score histogram",
        "Predicted probabilities",
        "probability",
        "customers",
        ("Predicted probability", "Customers"),
        "histogram_by_kind",
    ),
    "predicted": _Plot(
        "Predicted",
        "True against predicted",
        "predicted",
        "actual",
        ("Predicted number", "True number"),
        "scatter",
    ),
    "residuals": _Plot(
        "Residuals", "Residuals", "residual", "customers", ("True minus predicted", "Customers")
    ),
    "classes": _Plot(
        "Classes", "Recall of each class", "recall", "actual", ("Recall", "Class"), _BARS
    ),
    "reasons": _Plot(
        "Reasons",
        "Mean absolute SHAP value",
        "effect",
        "column",
        ("Mean absolute SHAP value", "Column"),
        _BARS,
    ),
}


def write(file: Path, task: TaskName) -> None:
    """Let `dvc plots` show the plots of a task: replace the last section of dvc.yaml.

    A file without that section, which somebody has taken out or moved, stays as it is.
    """
    text = file.read_text(encoding="utf-8")
    start = text.find(_SECTION)
    changed = text[:start] + section(task)
    if start >= 0 and changed != text:
        with atomic(file) as fresh:
            fresh.write_text(changed, encoding="utf-8")


def section(task: TaskName) -> str:
    """Return the section for a task, with the line break before it."""
    shown = (*_OF_TASK[task], "importance", "reasons")
    return _SECTION + "".join(_entry(name, _plot(name, task)) for name in shown)


def _entry(file: str, plot: _Plot) -> str:
    template = f"      template: {plot.template}\n" if plot.template else ""
    return (
        f"  - {plot.name}:\n{template}"
        f"      x: {plot.x}\n"
        f"      y: {{reports/plots/{file}.json: {plot.y}}}\n"
        f"      title: {plot.title}\n"
        f"      x_label: {plot.labels[0]}\n"
        f"      y_label: {plot.labels[1]}\n"
    )


def _plot(name: str, task: TaskName) -> _Plot:
    if name in COMPARED:
        x, y, title, labels = COMPARED[name]
        plot = _Plot(title, title, x, y, labels)
    elif name == "importance":
        loss = f"oss of {_QUALITY[task]}"
        labels = (f"L{loss} when shuffled", "Column")
        title = f"Permutation importance, l{loss}"
        return _Plot("Importance", title, "importance", "column", labels, _BARS)
    else:
        plot = _OTHERS[name]
    if name == "confusion" and task == "binary":
        plot = plot._replace(title="Decisions at the threshold")
    return plot._replace(title=f"{plot.title}, held-out customers")
