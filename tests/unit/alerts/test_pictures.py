"""Pictures of the dashboard: what Prometheus answers is what is drawn."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from benchmarks import dashboard
from benchmarks.dashboard import Query

ASKED: list[dict[str, str]] = []


class _Answers(BaseHTTPRequestHandler):
    """Answers as Prometheus's API does, with one series that has a gap."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        ASKED.append({"path": parts.path} | {k: v[0] for k, v in parse_qs(parts.query).items()})
        values = [[100, "1"], [102, "2.5"], [106, "NaN"], [108, "4"]]
        series = [
            {
                "metric": {"version": "3", "instance": "a", "role": "b", "outcome": "c"},
                "values": values,
            }
        ]
        body = json.dumps({"status": "success", "data": {"result": series}}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    ASKED.clear()
    server = HTTPServer(("127.0.0.1", 0), _Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_gap_stays_one(url: str) -> None:
    query = Query('rate(x{job=~"$job"}[$__rate_interval])', "version {{version}}{{absent}}")
    [series] = dashboard.ask(url, query, 100, 110, 2)
    assert series.name == "version 3"
    assert series.moments == [0, 2, 4, 6, 8, 10]
    assert series.values[:2] == [1, 2.5]
    assert [math.isnan(value) for value in series.values] == [False, False, True, True, False, True]
    assert ASKED[0]["path"] == "/api/v1/query_range"
    assert ASKED[0]["query"] == 'rate(x{job=~".*"}[8s])'


def test_each_panel_of_a_row_is_drawn(url: str) -> None:
    figure = dashboard.draw(url, 100, 110, 2, ["Versions"])
    shown = [panel for panel in dashboard.panels(dashboard.read()) if panel.row == "Versions"]
    assert [axes.get_title(loc="left") for axes in figure.axes] == [one.title for one in shown]
    assert len(ASKED) == sum(len(panel.queries) for panel in shown)
