"""Draw docs/images/serving-metrics.png: the dashboard's own queries, of a server under load.

Starts what `make soak` starts, and a Prometheus (`apt install prometheus`) with the configuration
of deploy/monitoring. For some minutes connections ask about customers, some of them wrongly, and
more of them for a while; versions change, one is tried on a part of the customers, and the registry
is killed and brought back. Then each panel of the rows *Answers* and *Versions* is drawn from what
Prometheus answers to its queries. Grafana is not needed.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks import dashboard, soak
from benchmarks.soak import Caller, Question
from tests.unit.alerts.prometheus import prometheus

PICTURE = Path(__file__).resolve().parents[1] / "docs/images/serving-metrics.png"
ROWS = ("Answers", "Versions")
_RATE, _MORE, _BAD = 60.0, 120.0, 3.0  # requests a second
_CONNECTIONS = 4
_PERIOD_S, _STEP_S = 60.0, 2.0
_WRONG = Question(b'{"dataframe_records": [{"age": "old"}]}', {})


def callers(address: tuple[str, int], asked: Sequence[Question], rate: float) -> list[Caller]:
    """Make connections that together ask at a rate."""
    interval = _CONNECTIONS / rate
    return [
        Caller(address, asked, interval, interval * place / _CONNECTIONS)
        for place in range(_CONNECTIONS)
    ]


def during(threads: Sequence[Caller], begin_s: float, end_s: float) -> None:
    """Let connections ask from one moment to another, from now on."""
    for delay, act in ((begin_s, Caller.start), (end_s, Caller.stop)):
        for thread in threads:
            timer = threading.Timer(delay, act, [thread])
            timer.daemon = True
            timer.start()


def main() -> None:
    """Run it, and draw."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--output", type=Path, default=PICTURE)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    seconds = options.minutes * 60
    with tempfile.TemporaryDirectory(prefix="churn-picture-") as name, ExitStack() as stack:
        folder = Path(name)
        store = stack.enter_context(soak.registry(folder / "registry"))
        stack.enter_context(soak.environment(folder, store.url))
        candidates, customers = soak.release(folder / "releases")
        asked = soak.questions(candidates, customers)
        _, url = stack.enter_context(soak.server(folder / "serve", candidates))
        target = urlsplit(url)
        address = str(target.hostname), int(target.port or 80)
        found = stack.enter_context(prometheus(folder / "prometheus", {"churn": [target.netloc]}))
        begun = time.time()
        during(callers(address, asked, _RATE), 0, seconds)
        during(callers(address, [_WRONG], _BAD), 0, seconds)
        during(callers(address, asked, _MORE), seconds * 0.6, seconds * 0.8)
        soak.happen(candidates, store, seconds, _PERIOD_S, print)
        figure = dashboard.draw(found.url, begun, begun + seconds, _STEP_S, ROWS)
    figure.savefig(options.output, dpi=110)
    print(options.output)


if __name__ == "__main__":
    main()
