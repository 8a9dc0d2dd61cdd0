"""Draw curves as Mermaid charts, which GitHub renders without hosted images."""

from __future__ import annotations

import re
from bisect import bisect_right

from churn.evaluation.curve_names import COMPARED
from churn.review.comparison import Points

BASELINE_COLOR, CANDIDATE_COLOR = "#999999", "#0072B2"
_STEPS = 40


def chart(curve: str, baseline: Points, candidate: Points, name: str) -> str:
    """Draw one curve of both models into one chart.

    Parameters
    ----------
    curve : {"roc", "precision_recall", "calibration"}
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
    top = 1.0 if curve != "calibration" else max(y for line in lines for _, y in line)
    heights = [[f"{_height(line, x):.3f}" for x in places] for line in lines]
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
            f'  x-axis "{x_label}" {left:.3f} --> {right:.3f}',
            f'  y-axis "{y_label}" 0 --> {top:.3f}',
            *(f"  line [{', '.join(line)}]" for line in heights),
            "```",
        ]
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
