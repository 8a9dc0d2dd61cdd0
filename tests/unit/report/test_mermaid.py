"""Curves as Mermaid charts."""

from __future__ import annotations

import math
import re
from typing import cast

import numpy as np
import pytest

from churn.core.params import RegressionDecision
from churn.evaluation import tasks
from churn.evaluation.curve_names import COMPARED
from churn.evaluation.tasks import Scored
from churn.review.comparison import Points
from churn.review.report.mermaid import chart
from tests.unit.report.samples import HOSTILE, points, random_texts

_NUMBER = r"-?\d+\.\d{3}"
_SHAPE = re.compile(
    r"```mermaid\n---\nconfig:\n(?:  .*\n)+---\nxychart-beta\n"
    r'  title "(?P<title>[^"\n]*)"\n'
    rf'  x-axis "[^"\n]+" (?P<left>{_NUMBER}) --> (?P<right>{_NUMBER})\n'
    rf'  y-axis "[^"\n]+" 0 --> (?P<top>{_NUMBER})\n'
    rf"  line \[(?P<first>{_NUMBER}(?:, {_NUMBER})*)\]\n"
    rf"  line \[(?P<second>{_NUMBER}(?:, {_NUMBER})*)\]\n```"
)
CURVES = ["roc", "precision_recall", "calibration"]


def parsed(text: str) -> re.Match[str]:
    found = _SHAPE.fullmatch(text)
    assert found is not None, text
    return found


def heights(text: str, which: str) -> list[float]:
    return [float(number) for number in parsed(text)[which].split(", ")]


@pytest.mark.parametrize("curve", CURVES)
def test_a_chart_has_two_lines_of_41_finite_heights_below_its_top(curve: str) -> None:
    both = points()[curve]
    text = chart(curve, both["baseline"], both["candidate"], "main")
    found = parsed(text)
    assert float(found["left"]) < float(found["right"])
    for line in ("first", "second"):
        numbers = heights(text, line)
        assert len(numbers) == 41
        assert all(math.isfinite(x) and 0 <= x <= float(found["top"]) for x in numbers)


def test_the_baseline_is_the_first_line_and_the_candidate_the_second() -> None:
    low = [{"recall": x, "precision": 0.25} for x in (0.0, 1.0)]
    high = [{"recall": x, "precision": 0.75} for x in (0.0, 1.0)]
    text = chart("precision_recall", low, high, "main")
    assert set(heights(text, "first")) == {0.25}
    assert set(heights(text, "second")) == {0.75}
    assert parsed(text)["title"] == "Precision and recall: main grey, this change blue"
    assert 'plotColorPalette: "#999999, #0072B2"' in text


def test_heights_are_interpolated_on_the_stretch_that_both_cover() -> None:
    one = [{"predicted": x, "observed": x} for x in (0.0, 0.5)]
    other = [{"predicted": x, "observed": 1 - x} for x in (0.25, 1.0)]
    text = chart("calibration", one, other, "main")
    found = parsed(text)
    assert (found["left"], found["right"], found["top"]) == ("0.250", "0.500", "0.750")
    assert heights(text, "first")[::40] == [0.25, 0.5]
    assert heights(text, "second")[::40] == [0.75, 0.5]
    assert heights(text, "first")[20] == 0.375


@pytest.mark.parametrize(
    ("one", "other"),
    [((0.0, 0.2), (0.3, 0.9)), ((0.0, 0.3), (0.3, 0.9)), ((0.4,), (0.1, 0.9)), ((), (0.1, 0.9))],
)
def test_without_a_common_stretch_there_is_no_chart(
    one: tuple[float, ...], other: tuple[float, ...]
) -> None:
    lines = [[{"predicted": x, "observed": x} for x in line] for line in (one, other)]
    assert chart("calibration", *lines, "main") == ""
    assert chart("calibration", *reversed(lines), "main") == ""


@pytest.mark.parametrize("curve", CURVES)
def test_a_name_cannot_break_out_of_the_title(curve: str) -> None:
    both = points()[curve]
    for name in [*HOSTILE, *random_texts(300, seed=5)]:
        title = parsed(chart(curve, both["baseline"], both["candidate"], name))["title"]
        assert re.fullmatch(r"[\w ./~^:-]+", title.replace(",", ""), re.ASCII), name
        assert len(title) < 120


@pytest.mark.parametrize("name", ["main", "HEAD~1", "HEAD^", "feature/x-1.2", "Production"])
def test_a_usual_name_is_shown_as_it_is(name: str) -> None:
    both = points()["roc"]
    title = parsed(chart("roc", both["baseline"], both["candidate"], name))["title"]
    assert title == f"ROC: {name} grey, this change blue"


def test_points_of_any_order_give_heights_between_them() -> None:
    # A curve of a stranger: back and forth, upright, and with points that are none.
    line = [
        {"recall": x, "precision": y} for x, y in ((1, 0.2), (0, 0.8), (0.5, 1), (0.5, 0), (0, 0.3))
    ]
    odd = [*line, {"recall": 0.7}, {"precision": 9.0}, {}]
    text = chart("precision_recall", odd, [*reversed(line)], "main")
    assert all(0 <= x <= 1 for which in ("first", "second") for x in heights(text, which))
    assert heights(text, "first")[20] == 0.0  # the last one that came for this place


def test_huge_points_stay_numbers() -> None:
    line = [{"recall": x, "precision": y} for x, y in ((-1e29, 1e29), (1e29, -1e29))]
    text = chart("precision_recall", line, line, "main")
    assert len(heights(text, "first")) == 41
    assert "nan" not in text
    assert "inf" not in text


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("curve", ["errors", "tenths"])
def test_a_chart_of_numbers_has_axes_of_their_unit(curve: str, unit: float) -> None:
    rng = np.random.default_rng(1)
    y = rng.normal(-50, 120, 400)
    task = tasks.of(RegressionDecision(folds=5, max_rows=1000))
    both = [
        cast(Points, task.compared(unit * y, Scored(unit * (y + noise), unit))[curve])
        for noise in rng.normal(0, 30, (2, 400))
    ]
    text = chart(curve, *both, "main")
    number = r"-?\d+\.\d+|0"  # Mermaid reads no other
    axes = re.findall(rf'axis "[^"]+" ({number}) --> ({number})\n', text)
    (left, right), (low, top) = (tuple(map(float, ends)) for ends in axes)
    assert left < right and low < top
    x, height = COMPARED[curve][:2]
    lines = re.findall(rf"line \[((?:{number})(?:, (?:{number}))*)\]\n", text)
    for model, line in zip(both, lines, strict=True):
        heights = [float(found) for found in line.split(", ")]
        assert len(set(heights)) > 5
        assert all(low <= found <= top for found in heights)
        places = np.linspace(left, right, len(heights))
        expected = np.interp(places, *zip(*sorted((p[x], p[height]) for p in model), strict=True))
        np.testing.assert_allclose(heights, expected, atol=0.02 * (top - low))
