"""Curves as Mermaid charts, which GitHub draws itself, without a host of pictures."""

from __future__ import annotations

import re

import numpy as np

from churn.evaluation.curves import COMPARED, Points

BASELINE_COLOR, CANDIDATE_COLOR = "#999999", "#0072B2"
_STEPS = 40


def chart(curve: str, baseline: Points, candidate: Points, name: str) -> str:
    """Draw one curve of both models into one chart.

    Parameters
    ----------
    curve : {"roc", "precision_recall", "calibration"}
    baseline, candidate : list of dict
        Points as `churn.evaluation.curves` gives them, on the same customers.
    name : str
        The baseline's.

    Returns
    -------
    str
        A fenced block; empty where the two have no stretch in common.

    Notes
    -----
    A Mermaid chart takes heights at even distances only, so both curves are interpolated at 41
    places of the stretch that both cover.
    """
    x_name, y_name, title, (x_label, y_label) = COMPARED[curve]
    if not (baseline and candidate):
        return ""
    lines = [_line(points, x_name, y_name) for points in (baseline, candidate)]
    left, right = max(line[0][0] for line in lines), min(line[0][-1] for line in lines)
    if not left < right:
        return ""
    places = np.linspace(left, right, _STEPS + 1)
    top = 1.0 if curve != "calibration" else max(max(y) for _, y in lines)
    heights = [[f"{np.interp(x, *line):.3f}" for x in places] for line in lines]
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


def _line(points: Points, x_name: str, y_name: str) -> tuple[list[float], list[float]]:
    x = [float(point[x_name]) for point in points]
    return x, [float(point[y_name]) for point in points]


def _quoted(name: str) -> str:
    """Keep of a revision's name what has no meaning in Mermaid."""
    return re.sub(r"[^\w ./~^-]", "", name, flags=re.ASCII)[:40]
