"""Draw curves as Mermaid charts, which GitHub renders without hosted images."""

from __future__ import annotations

import math
import re
from bisect import bisect_right

from churn.evaluation.curve_names import COMPARED
from churn.review.comparison import Points

BASELINE_COLOR, CANDIDATE_COLOR = "#999999", "#0072B2"
_STEPS = 40
_DECIMALS = 3  # of numbers on an axis that is about as long as 1; Mermaid reads no 1e-05


def chart(curve: str, baseline: Points, candidate: Points, name: str) -> str:
    """Draw one curve of both models into one chart.

    Parameters
    ----------
    curve : str
        One of `churn.evaluation.curve_names.COMPARED`.
    baseline, candidate : list of dict
        Points from `churn.evaluation.curves`, on the same customers; points without both
        coordinates are left out.
    name : str
        The baseline's.

    Returns
    -------
    str
        A fenced code block; empty if the x-ranges do not overlap.

    Notes
    -----
    A Mermaid chart takes y-values at equal distances only, so both curves are interpolated at 41
    places of their common x-range.
    """
    x_name, y_name, title, (x_label, y_label) = COMPARED[curve]
    lines = [_line(points, x_name, y_name) for points in (baseline, candidate)]
    if not all(lines):
        return ""
    left, right = max(line[0][0] for line in lines), min(line[-1][0] for line in lines)
    if not left < right:
        return ""
    places = [left + (right - left) * step / _STEPS for step in range(_STEPS + 1)]
    low, top = _ends(curve, [y for line in lines for _, y in line])
    along, up = _decimals(right - left), _decimals(top - low)
    bottom = f"{low:.{up}f}" if low else "0"
    heights = [[f"{_height(line, x):.{up}f}" for x in places] for line in lines]
    return "\n".join(
        [
            "```mermaid",
            "---",
            "config:",
            "  xyChart: {width: 480, height: 360}",
            "  themeVariables:",
            f'    xyChart: {{plotColorPalette: "{BASELINE_COLOR}, {CANDIDATE_COLOR}"}}',
            "---",
            "xychart-beta",
            f'  title "{title}: {_quoted(name)} grey, this change blue"',
            f'  x-axis "{x_label}" {left:.{along}f} --> {right:.{along}f}',
            f'  y-axis "{y_label}" {bottom} --> {top:.{up}f}',
            *(f"  line [{', '.join(line)}]" for line in heights),
            "```",
        ]
    )


def _ends(curve: str, heights: list[float]) -> tuple[float, float]:
    """Return the lower and the upper end of the y-axis."""
    if curve == "tenths":  # of the target's unit
        return min(heights), max(heights)
    return 0.0, max(heights) if curve == "calibration" else 1.0


def _decimals(length: float) -> int:
    """Return how many decimals the numbers on an axis of a length need; 0 is no length."""
    return (
        max(_DECIMALS, _DECIMALS - 1 - math.floor(math.log10(length))) if length > 0 else _DECIMALS
    )


def _line(points: Points, x_name: str, y_name: str) -> list[tuple[float, float]]:
    """Return the points sorted by x; points with equal x keep their order."""
    pairs = [(point[x_name], point[y_name]) for point in points if {x_name, y_name} <= set(point)]
    return sorted(pairs, key=lambda pair: pair[0])


def _height(line: list[tuple[float, float]], x: float) -> float:
    """Interpolate linearly at x; of several points at x, the last one counts."""
    right = bisect_right(line, x, key=lambda pair: pair[0])
    if right == len(line):
        return line[-1][1]
    (x0, y0), (x1, y1) = line[right - 1 : right + 1]
    return y0 + (y1 - y0) * (x - x0) / (x1 - x0)


def _quoted(name: str) -> str:
    """Remove the characters of a revision's name that have a meaning in Mermaid."""
    return re.sub(r"[^\w ./~^-]", "", name, flags=re.ASCII)[:40]
