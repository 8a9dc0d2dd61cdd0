"""`make load`: send the requests of `load.py` to a server that runs, and write a page about it.

Locust is in an environment of its own, so it is started as a program; its answers come back as a
CSV file. The exit code is 0 if every answer was right, 1 if one was not, 2 if there is no server.
"""

from __future__ import annotations

import argparse
import base64
import io
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from jinja2 import Environment, StrictUndefined
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from churn.core import params

ROOT = Path(__file__).resolve().parents[1]
LOCUST = ROOT / ".venv-load" / "bin" / "locust"
SCENARIO, TEMPLATE = ROOT / "benchmarks" / "load.py", Path(__file__).with_suffix(".html.j2")
QUANTILES = (0.5, 0.95, 0.99)
_TYPES = {"version": "str", "error": "str", "endpoint": "str", "phase": "str"}
_MOST_POINTS = 90  # of a curve over time
# A generator that computes for so much of a second measures itself.
TOO_BUSY = 0.9
# Okabe and Ito's palette, for every kind of colour vision.
_BLUE, _ORANGE, _GREEN, _RED, _GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#999999"
_PINK, _SKY = "#CC79A7", "#56B4E9"
_STYLE = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "figure.dpi": 110,
}


@dataclass(frozen=True)
class Line:
    """A line of a table: requests of an endpoint or of a phase.

    Attributes
    ----------
    name : str
    requests, errors : int
        All of them; those without an answer, or with a wrong one.
    rate : float
        Requests a second.
    quantiles : tuple of float
        Milliseconds at `QUANTILES`; NaN if nothing was right.
    slowest : float
        Milliseconds.
    """

    name: str
    requests: int
    errors: int
    rate: float
    quantiles: tuple[float, ...]
    slowest: float


def read(path: Path) -> pd.DataFrame:
    """Read the answers that `load.py` has written, in the order in which they were asked for.

    Returns
    -------
    DataFrame, shape (n_requests, n_columns)
        The file's columns, and ``second`` since the first request.
    """
    found = pd.read_csv(path, dtype=_TYPES, keep_default_na=False)
    found = found.sort_values("moment", kind="stable", ignore_index=True)
    return found.assign(second=found["moment"] - found["moment"].min())


def quantiles(milliseconds: pd.Series) -> tuple[float, ...]:
    """Return the latencies at `QUANTILES`, each of them one that was measured; NaN for none."""
    if milliseconds.empty:
        return (float("nan"),) * len(QUANTILES)
    found = np.quantile(milliseconds.to_numpy(), QUANTILES, method="inverted_cdf")
    return tuple(float(value) for value in found)


def lines(answers: pd.DataFrame, column: str) -> list[Line]:
    """Summarize the requests by a column, in the order in which its values are first there.

    Latencies are those of right answers: a connection that is refused at once is not a fast answer.
    """
    found = []
    for name, group in answers.groupby(column, sort=False):
        right = group.loc[group["error"] == "", "milliseconds"]
        begins, ends = group["second"].min(), group["second"].max()
        found.append(
            Line(
                name=str(name),
                requests=len(group),
                errors=len(group) - len(right),
                rate=len(group) / max(ends - begins, 1.0),
                quantiles=quantiles(right),
                slowest=float(right.max()) if len(right) else float("nan"),
            )
        )
    return found


def errors(answers: pd.DataFrame) -> list[dict[str, Any]]:
    """Count the errors by kind and endpoint, the most frequent first."""
    failed = answers[answers["error"] != ""]
    groups = failed.groupby(["error", "endpoint"], sort=False)["second"]
    counted = groups.agg(["size", "min", "max"]).reset_index()
    counted = counted.sort_values("size", ascending=False, kind="stable")
    names = {"size": "count", "min": "first", "max": "last"}
    return [
        {str(k): v for k, v in row.items()}
        for row in counted.rename(columns=names).to_dict("records")
    ]


def over_time(answers: pd.DataFrame) -> pd.DataFrame:
    """Summarize the requests of each second, or of several where there are many.

    Returns
    -------
    DataFrame, shape (n_intervals, 6)
        By its begin in seconds: ``rate``, ``errors`` and ``users``, and ``p50``, ``p95`` and
        ``p99`` of the right answers in milliseconds.
    """
    width = max(1, int(np.ceil(answers["second"].max() / _MOST_POINTS)))
    place = (answers["second"] // width * width).rename("begin")
    groups = answers.groupby(place)
    begins = np.arange(0, place.max() + width, width, dtype=float)
    found = pd.DataFrame(
        {
            "rate": groups.size() / width,
            "errors": groups["error"].agg(lambda kinds: (kinds != "").sum()) / width,
        }
    ).reindex(begins, fill_value=0.0)  # a second without any request is one too
    found["users"] = groups["users"].max()
    right = answers[answers["error"] == ""]
    by_begin = right["milliseconds"].groupby(place.loc[right.index])
    latencies = {begin: quantiles(group) for begin, group in by_begin}
    for number, quantile in enumerate(QUANTILES):
        column = {begin: measured[number] for begin, measured in latencies.items()}
        found[f"p{quantile * 100:g}"] = pd.Series(column, dtype=float)
    return found


def versions(answers: pd.DataFrame) -> pd.DataFrame:
    """Count the predictions by version and second, shape (n_seconds, n_versions)."""
    told = answers[answers["version"] != ""]
    if told.empty:
        return pd.DataFrame()
    return pd.crosstab((told["second"] // 1).rename("begin"), told["version"])


def picture(answers: pd.DataFrame) -> bytes:
    """Draw requests, latencies, errors and versions over time, as PNG."""
    summary = over_time(answers)
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.5, 10.5), layout="constrained")
        panels = figure.subplots(4, 1, sharex=True, height_ratios=[3, 3.4, 2, 2])
        _requests(panels[0], summary)
        _latencies(panels[1], summary)
        _errors(panels[2], answers, float(summary.index[-1]))
        _versions(panels[3], answers)
        panels[3].set_xlabel("seconds")
        panels[3].set_xlim(0, float(answers["second"].max()))
        for axes in panels:
            _phases(axes, answers, named=axes is panels[0])
        written = io.BytesIO()
        figure.savefig(written, metadata={"Software": None})
    return written.getvalue()


def _phases(axes: Axes, answers: pd.DataFrame, *, named: bool) -> None:
    for place, (phase, group) in enumerate(answers.groupby("phase", sort=False)["second"]):
        begins, ends = group.min(), group.max()
        if place % 2:
            axes.axvspan(begins, ends, color=_GREY, alpha=0.12, linewidth=0)
        if named:
            axes.text(
                (begins + ends) / 2, 1.0, str(phase), transform=axes.get_xaxis_transform(),
                ha="center", va="bottom", color="#555555",
            )  # fmt: skip


def _requests(axes: Axes, summary: pd.DataFrame) -> None:
    axes.fill_between(summary.index, summary["rate"], step="post", color=_BLUE, alpha=0.25)
    axes.step(summary.index, summary["rate"], where="post", color=_BLUE, label="requests/s")
    axes.step(
        summary.index, summary["users"], where="post", color=_GREY, linestyle="--", label="users"
    )
    axes.set_ylim(bottom=0)
    axes.set_title("requests per second", pad=18)
    axes.legend(loc="upper left", frameon=False)


def _latencies(axes: Axes, summary: pd.DataFrame) -> None:
    for name, colour in (("p99", _RED), ("p95", _ORANGE), ("p50", _BLUE)):
        axes.plot(summary.index + 0.5, summary[name], color=colour, label=name)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_title("latency of right answers, ms")
    axes.legend(loc="upper left", frameon=False, ncols=3)


def _errors(axes: Axes, answers: pd.DataFrame, end: float) -> None:
    axes.set_title("errors per second, by kind")
    failed = answers[answers["error"] != ""]
    if failed.empty:
        axes.text(0.5, 0.5, "none", transform=axes.transAxes, ha="center", va="center")
        axes.set_yticks([])
        return
    counted = pd.crosstab(failed["second"] // 1, failed["error"])
    counted = counted.reindex(np.arange(0, end + 1), fill_value=0)
    bottom = np.zeros(len(counted))
    colours = (_RED, _ORANGE, _PINK, _SKY, _GREEN, _GREY)
    for place, kind in enumerate(counted):
        axes.bar(
            counted.index + 0.5, counted[kind], bottom=bottom, width=1.0, label=str(kind),
            color=colours[min(place, len(colours) - 1)],
        )  # fmt: skip
        bottom += counted[kind].to_numpy()
    axes.legend(loc="upper left", frameon=False, fontsize=8)


def _versions(axes: Axes, answers: pd.DataFrame) -> None:
    counted = versions(answers)
    axes.set_title("predictions per second, by version")
    if counted.empty:
        return
    colours = (_GREEN, _PINK, _SKY, _ORANGE, _BLUE, _GREY)
    chosen = [colours[min(place, len(colours) - 1)] for place in range(counted.shape[1])]
    series = [counted[version] for version in counted]
    labels = [f"version {version}" for version in counted]
    axes.stackplot(counted.index + 0.5, series, labels=labels, colors=chosen, alpha=0.6)
    axes.legend(loc="upper left", frameon=False, ncols=4)


def page(answers: pd.DataFrame, url: str, moment: datetime) -> str:
    """Return a page that needs no other file.

    Parameters
    ----------
    answers : DataFrame
        As `read` returns them.
    url : str
        The server.
    moment : datetime
        When it was asked.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    environment.filters["ms"] = _shown
    wrong = int((answers["error"] != "").sum())
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        url=url,
        moment=f"{moment:%Y-%m-%d %H:%M} UTC",
        requests=len(answers),
        wrong=wrong,
        seconds=float(answers["second"].max()),
        tables={
            "By request": sorted(lines(answers, "endpoint"), key=lambda line: line.name),
            "By phase": lines(answers, "phase"),
        },
        quantiles=[f"p{quantile * 100:g}" for quantile in QUANTILES],
        errors=errors(answers),
        busy=float(answers["busy"].max()),
        too_busy=TOO_BUSY,
        picture=base64.b64encode(picture(answers)).decode(),
    )


def _shown(milliseconds: float) -> str:
    return "–" if np.isnan(milliseconds) else f"{milliseconds:,.1f}"  # noqa: RUF001


def require_server(url: str) -> None:
    """End with one line if the server cannot be asked.

    Raises
    ------
    SystemExit
        With exit code 2.
    """
    try:
        with urllib.request.urlopen(f"{url}/v2/health/ready", timeout=5):  # noqa: S310
            return
    except urllib.error.HTTPError as error:
        if error.code == 503:
            why = "the server has no model yet"
        else:
            why = f"status {error.code} for /v2/health/ready; this is not `churn serve`"
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        why = f"nothing answers there ({reason}); start `churn serve`, or set URL"
    print(f"Error: {url}: {why}", file=sys.stderr)
    raise SystemExit(2)


def run(url: str, seconds: float, users: int, answers: Path, too_large_mb: float) -> None:
    """Send the requests, and write the answers to a CSV file.

    Raises
    ------
    SystemExit
        With exit code 2, if locust is not there or fails.
    """
    if not LOCUST.exists():
        print(f"Error: {LOCUST}: not there; `make load` installs it", file=sys.stderr)
        raise SystemExit(2)
    done = subprocess.run(
        [LOCUST, f"--locustfile={SCENARIO}", "--headless", f"--host={url}", "--only-summary",
         f"--seconds={seconds}", f"--steady-users={users}", f"--answers={answers}",
         f"--too-large-mb={too_large_mb}", "--exit-code-on-error=0"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode or not answers.exists():
        print(f"{done.stderr}Error: locust: exit code {done.returncode}", file=sys.stderr)
        raise SystemExit(2)


def main() -> None:
    """Measure, write the page, and say in a few lines what is in it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--users", type=int, default=20, help="users of the steady phase")
    parser.add_argument("--output", type=Path, default=ROOT / "reports" / "load.html")
    options = parser.parse_args()
    url = options.url.rstrip("/")
    require_server(url)
    moment = datetime.now(UTC)
    too_large_mb = params.load(ROOT / "params.yaml").serve.max_body_mb + 1
    print(f"asks {url} for {options.seconds:g} s", flush=True)
    with tempfile.TemporaryDirectory(prefix="churn-load-") as folder:
        path = Path(folder) / "answers.csv"
        run(url, options.seconds, options.users, path, too_large_mb)
        answers = read(path)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(page(answers, url, moment), encoding="utf-8")
    for line in lines(answers, "phase"):
        told = ", ".join(
            f"p{q * 100:g} {_shown(ms)} ms" for q, ms in zip(QUANTILES, line.quantiles, strict=True)
        )
        print(f"{line.name:7} {line.rate:6.0f} requests/s  {told}  {line.errors} errors")
    wrong = errors(answers)
    for one in wrong:
        print(f"error   {one['count']} x {one['error']} ({one['endpoint']})")
    print(f"report  {options.output}")
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
