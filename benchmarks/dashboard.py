"""deploy/monitoring/grafana-dashboard.json: its panels and their queries, and pictures of them.

Grafana itself is not needed: the queries go to Prometheus's HTTP API, as Grafana sends them.
"""

from __future__ import annotations

import json
import math
import re
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

FILE = Path(__file__).resolve().parents[1] / "deploy/monitoring/grafana-dashboard.json"
_UNITS = {"reqps": "requests/s", "s": "seconds", "percentunit": "share"}
_COLUMNS = 3
_LABEL = re.compile(r"\{\{(\w+)\}\}")
_SIZE = 7.0


@dataclass(frozen=True)
class Query:
    """A query of a panel.

    Attributes
    ----------
    expression : str
        PromQL, with Grafana's variables in it.
    legend : str
        Name of a series, with ``{{label}}`` in it.
    """

    expression: str
    legend: str

    def filled(self, job: str = ".*", interval: str = "1m") -> str:
        """Return the expression with values for Grafana's variables."""
        return self.expression.replace("$job", job).replace("$__rate_interval", interval)

    def named(self, labels: dict[str, str]) -> str:
        """Return the name of a series."""
        return _LABEL.sub(lambda found: labels.get(found[1], ""), self.legend)


@dataclass(frozen=True)
class Panel:
    """A panel: its title, row, unit, and queries."""

    title: str
    row: str
    unit: str
    is_stacked: bool
    queries: Sequence[Query]


def panels(document: dict[str, Any]) -> Iterator[Panel]:
    """Yield the panels of a dashboard, without its rows."""
    row = ""
    for one in document["panels"]:
        if one["type"] == "row":
            row = one["title"]
            continue
        defaults = one["fieldConfig"]["defaults"]
        queries = [Query(target["expr"], target["legendFormat"]) for target in one["targets"]]
        stacked = "stacking" in defaults.get("custom", {})
        yield Panel(one["title"], row, defaults["unit"], stacked, queries)


def read() -> dict[str, Any]:
    """Return the dashboard."""
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


@dataclass(frozen=True)
class Series:
    """Numbers over time; `moments` in seconds."""

    name: str
    moments: list[float]
    values: list[float]


def ask(url: str, query: Query, start: float, end: float, step: float) -> list[Series]:
    """Get the series of a query from Prometheus.

    Parameters
    ----------
    url : str
        Of Prometheus.
    query : Query
    start, end, step : float
        Seconds since 1970, and seconds.
    """
    given = {"query": query.filled(interval=f"{max(1, round(4 * step))}s")}
    given |= {"start": f"{start}", "end": f"{end}", "step": f"{step}"}
    address = f"{url}/api/v1/query_range?{urllib.parse.urlencode(given)}"
    with urllib.request.urlopen(address, timeout=30) as answer:  # noqa: S310
        found = json.load(answer)["data"]["result"]
    moments = [step * place for place in range(round((end - start) / step) + 1)]
    return [
        Series(query.named(one["metric"]), moments, _filled(one["values"], start, step, moments))
        for one in found
    ]


def _filled(
    found: Sequence[tuple[float, str]], start: float, step: float, moments: Sequence[float]
) -> list[float]:
    """Return a value for each moment; NaN where a series has none."""
    by_place = {round((moment - start) / step): float(value) for moment, value in found}
    return [by_place.get(place, math.nan) for place in range(len(moments))]


def draw(url: str, start: float, end: float, step: float, rows: Sequence[str]) -> Figure:
    """Draw the panels of some rows, three beside each other, over seconds; others as for `ask`."""
    shown = [panel for panel in panels(read()) if panel.row in rows]
    height = math.ceil(len(shown) / _COLUMNS)
    figure = Figure(figsize=(12, 2.5 * height), layout="constrained")
    grid = figure.subplots(height, _COLUMNS, squeeze=False).flat
    for axes, panel in zip(grid, shown, strict=False):
        series = [one for query in panel.queries for one in ask(url, query, start, end, step)]
        _draw(axes, panel, series, end - start)
    for axes in list(grid)[len(shown) :]:
        axes.set_axis_off()
    return figure


def _draw(axes: Axes, panel: Panel, series: Sequence[Series], length_s: float) -> None:
    if panel.is_stacked and series:
        heights = np.nan_to_num([one.values for one in series])
        names = [one.name for one in series]
        axes.stackplot(series[0].moments, heights, labels=names, alpha=0.7)
    else:
        for one in series:
            axes.plot(one.moments, one.values, label=one.name, linewidth=1.2)
    axes.set_title(panel.title, fontsize=_SIZE + 2, loc="left", fontweight="bold")
    axes.set_ylabel(_UNITS.get(panel.unit, ""), fontsize=_SIZE)
    axes.set_xlim(0, length_s)
    axes.set_ylim(bottom=0)
    axes.tick_params(labelsize=_SIZE)
    axes.grid(alpha=0.3)
    if panel.unit == "percentunit":
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    if series:
        below = {"loc": "upper left", "bbox_to_anchor": (-0.02, -0.16), "frameon": False}
        axes.legend(fontsize=_SIZE, ncols=2, borderaxespad=0, handlelength=1.2, **below)
    else:
        axes.text(0.5, 0.5, "no data", transform=axes.transAxes, ha="center", color="grey")
