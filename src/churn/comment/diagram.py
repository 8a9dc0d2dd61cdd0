"""The one diagram that is drawn: that of churn.report.mermaid, told by its lines.

Other Mermaid has links, HTML labels and settings. It is drawn in a frame of its own, but looks like
a part of the report.
"""

from __future__ import annotations

import re

# 0 to 1 in earnest, but a number does nothing however large it is.
_NUMBER = r"\d{1,3}\.\d{3}"
_LABEL = r"[A-Za-z ]{1,40}"
_LINE = rf"  line \[{_NUMBER}(?:, {_NUMBER}){{1,200}}\]"
_LINES = [
    re.compile(line, re.ASCII)
    for line in (
        r"```mermaid",
        r"---",
        r"config:",
        r"  xyChart: \{width: \d{3}, height: \d{3}\}",
        r"  themeVariables:",
        r'    xyChart: \{plotColorPalette: "#[0-9A-Fa-f]{6}, #[0-9A-Fa-f]{6}"\}',
        r"---",
        r"xychart-beta",
        rf'  title "{_LABEL}: [\w ./~^-]{{0,40}} grey, this change blue"',
        rf'  x-axis "{_LABEL}" {_NUMBER} --> {_NUMBER}',
        rf'  y-axis "{_LABEL}" 0 --> {_NUMBER}',
        _LINE,
        _LINE,
        r"```",
    )
]


def is_ours(block: list[str]) -> bool:
    """Tell whether a fenced block, its fences included, is a chart as the report draws it."""
    return len(block) == len(_LINES) and all(
        line.fullmatch(shown) for line, shown in zip(_LINES, block, strict=True)
    )
