"""The curves as pictures."""

from __future__ import annotations

import functools
import io
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib.colors
import matplotlib.image
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.text import Text

from churn.core.params import MulticlassDecision, RegressionDecision
from churn.evaluation import curves, pictures, tasks
from churn.evaluation.curve_names import COMPARED
from churn.evaluation.results import Metrics
from churn.evaluation.tasks import Scored
from tests.binary import BINARY

pytestmark = pytest.mark.slow

NAMES = ["calibration", "confusion", "importance", "precision_recall", "reasons", "roc"]
NAMES += ["score_histogram"]


def draw(plots: dict[str, curves.Points], folder: Path, threshold: float) -> None:
    pictures.draw(plots, folder, Metrics(threshold=threshold, train={}, test={}), "ROC AUC")


@pytest.fixture(scope="module")
def plots() -> dict[str, curves.Points]:
    """Return the points of every plot."""
    rng = np.random.default_rng(1)
    probability = rng.random(300)
    y = (rng.random(300) < probability).astype(int)
    return {
        "roc": curves.roc(y, probability),
        "precision_recall": curves.precision_recall(y, probability),
        "calibration": curves.calibration(y, probability),
        "confusion": curves.confusion(y, probability, 0.5),
        "score_histogram": curves.score_histogram(y, probability),
        "importance": [
            {"column": "age", "importance": 0.2, "standard_deviation": 0.01},
            {"column": "plan", "importance": -0.01, "standard_deviation": 0.0},
        ],
        "reasons": [
            {"column": "age", "effect": 0.2, "direction": "raises", "unit": "log-odds"},
            {"column": "plan", "effect": 0.0, "direction": "none", "unit": "log-odds"},
        ],
    }


@pytest.fixture(scope="module")
def drawn(plots: dict[str, curves.Points], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the pictures, with a threshold of 0.3."""
    folder = tmp_path_factory.mktemp("drawn") / "plots"
    draw(plots, folder, 0.3)
    return folder


def test_each_plot_is_a_picture_with_something_on_it(drawn: Path) -> None:
    assert sorted(file.name for file in drawn.iterdir()) == [f"{name}.png" for name in NAMES]
    for file in drawn.iterdir():
        green = matplotlib.image.imread(file)[..., 1]
        assert green.shape == (440, 572)  # 4.0 x 5.2 inches at 110 dots
        assert len(np.unique(green)) > 20


def test_the_same_points_give_the_same_bytes(
    drawn: Path, plots: dict[str, curves.Points], tmp_path: Path
) -> None:
    draw(plots, tmp_path / "again", 0.3)
    for name in NAMES:
        again = tmp_path / "again" / f"{name}.png"
        assert again.read_bytes() == (drawn / f"{name}.png").read_bytes()
    assert b"Software" not in again.read_bytes()


def test_the_threshold_is_drawn_into_the_histogram(
    drawn: Path, plots: dict[str, curves.Points], tmp_path: Path
) -> None:
    draw(plots, tmp_path / "other", 0.7)
    changed = [
        name
        for name in NAMES
        if (tmp_path / "other" / f"{name}.png").read_bytes() != (drawn / f"{name}.png").read_bytes()
    ]
    assert changed == ["score_histogram"]


@pytest.mark.parametrize("name", ["$ spent, $ returned", r"$\frac{$", "a $b$", "$", r"1 \$ $"])
def test_a_dollar_in_a_column_s_name_is_a_dollar_and_no_formula(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[tuple[str, bool]] = []
    original = Text._preprocess_math

    def noted(text: Text, s: str) -> tuple[str, bool]:
        drawn.append(original(text, s))
        return drawn[-1]

    monkeypatch.setattr(Text, "_preprocess_math", noted)
    columns: curves.Points = [{"column": name, "importance": 0.1, "standard_deviation": 0.0}]
    draw({"importance": columns}, tmp_path / "plots", 0.3)
    assert (name, False) in drawn
    drawn.clear()
    reasons: curves.Points = [{"column": name, "effect": 1, "direction": "lowers", "unit": "x"}]
    draw({"reasons": reasons}, tmp_path / "again", 0.3)
    assert (name, False) in drawn


@pytest.mark.slow
def test_at_most_fifteen_columns_are_drawn(drawn: Path, tmp_path: Path) -> None:
    columns = [
        {"column": f"c{i}", "importance": 1 / (i + 1), "standard_deviation": 0.0} for i in range(30)
    ]
    for n in (15, 30):
        draw({"importance": columns[:n]}, tmp_path / str(n), 0.3)
    content = {n: (tmp_path / str(n) / "importance.png").read_bytes() for n in (15, 30)}
    assert content[30] == content[15]
    assert content[15] != (drawn / "importance.png").read_bytes()


@pytest.mark.parametrize("curve", ["calibration", "class_calibration"])
def test_a_curve_is_named_alike_alone_and_beside_another(
    curve: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named: list[tuple[str, str]] = []
    original = Figure.savefig

    def noted(figure: Figure, *args: Any, **kwargs: Any) -> None:
        [axes] = figure.axes
        named.append((axes.get_xlabel(), axes.get_ylabel()))
        original(figure, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", noted)
    points = compared()[0][curve]
    draw({curve: points}, tmp_path / "plots", 0.3)
    pictures.draw_compared(curve, points, points, "main")
    assert named == [COMPARED[curve][3]] * 2


@pytest.mark.parametrize("plot", ["confusion", "classes"])
@pytest.mark.parametrize("n", [4, 20])
def test_long_names_of_classes_leave_room_for_the_picture(
    plot: str, n: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: figures.append(figure))
    names = [f"{i}, from $10 to $20 a month, or never at all" for i in range(n)]
    y = np.arange(200) % n
    task = tasks.of(MulticlassDecision(folds=5, max_rows=1000), names)
    points = task.plots(y, Scored(np.eye(n)[y] * 0.5 + 0.5 / n, (1.0,) * n))[plot]
    draw({plot: points}, tmp_path / "plots", 0.3)
    [figure] = figures
    figure.draw_without_rendering()
    [axes] = figure.axes
    assert min(axes.get_position().width, axes.get_position().height) > 0.4
    labels = axes.get_xticklabels()
    assert [label.get_text()[:2] for label in labels] == [name[:2] for name in names]
    ends = [label.get_window_extent().x1 for label in labels]  # where a slanting one is written to
    assert all(one < other for one, other in pairwise(ends))
    assert all(label.get_rotation() == 45 for label in labels)


@functools.cache
def compared() -> tuple[dict[str, curves.Points], ...]:
    """Return the curves of two models of each task."""
    rng = np.random.default_rng(1)
    probability = rng.random(300)
    y = (rng.random(300) < probability).astype(int)
    noisy = np.clip(probability + rng.normal(0, 0.2, 300), 0, 1)
    regression = tasks.of(RegressionDecision(folds=5, max_rows=1000))
    multiclass = tasks.of(MulticlassDecision(folds=5, max_rows=1000), ("stayed", "churned"))
    number = probability + rng.normal(0, 0.1, 300)
    both = [np.column_stack([1 - p, p]) for p in (noisy, probability)]
    return tuple(
        BINARY.compared(y, Scored(p, 0.5))
        | regression.compared(number, Scored(p, 0.1))
        | multiclass.compared(y, Scored(of_classes, (1.0, 1.0)))
        for p, of_classes in zip((noisy, probability), both, strict=True)
    )


@pytest.mark.parametrize("curve", list(COMPARED))
def test_a_picture_of_two_models_has_a_line_of_each_and_is_always_the_same(curve: str) -> None:
    baseline, candidate = (models[curve] for models in compared())
    png = pictures.draw_compared(curve, baseline, candidate, "main")
    assert pictures.draw_compared(curve, baseline, candidate, "main") == png
    assert b"Software" not in png
    image = matplotlib.image.imread(io.BytesIO(png))[..., :3]
    assert image.shape == (440, 572, 3)
    for color in ("#999999", "#0072B2"):
        wanted = matplotlib.colors.to_rgb(color)
        assert (np.abs(image - wanted).max(axis=2) < 0.02).sum() > 50, color
    assert pictures.draw_compared(curve, candidate, baseline, "main") != png
    assert pictures.draw_compared(curve, baseline, baseline, "main") != png
    assert pictures.draw_compared(curve, baseline, candidate, "other") != png


@pytest.mark.parametrize("name", ["_release", "$x$", r"$\frac{$", "HEAD~1", "a" * 300, "a_b^c"])
def test_the_legend_names_the_baseline_whatever_it_is_called(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    legends: list[Legend] = []
    original = Axes.legend

    def noted(axes: Axes, *args: object, **kwargs: object) -> Legend:
        legends.append(original(axes, *args, **kwargs))
        return legends[-1]

    monkeypatch.setattr(Axes, "legend", noted)
    baseline, candidate = (models["roc"] for models in compared())
    pictures.draw_compared("roc", baseline, candidate, name)
    [legend] = legends
    shown, other = (text.get_text() for text in legend.get_texts())
    assert other == "this change"
    assert shown.replace(r"\$", "$").startswith(name[:39])
    assert len(shown) < 60
