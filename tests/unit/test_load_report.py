"""`make load`: the report of its answers, and what the scenario finds wrong with a server."""

from __future__ import annotations

import base64
import json
import math
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
import pytest
from benchmarks import load_report

from tests.conftest import PARAMS

_MOMENT = datetime(2026, 11, 29, 6, 30, tzinfo=UTC)
_ANSWERS = """moment,endpoint,phase,users,milliseconds,status,version,error,busy
100.0,one,ramp,1,10.0,200,1,,0.10
100.5,one,ramp,1,30.0,200,1,,0.10
100.2,many,ramp,1,20.0,200,1,,0.10
103.1,one,burst,8,40.0,200,2,,0.95
103.2,one,burst,8,1.0,503,,status 503,0.95
103.3,one,burst,8,1.0,503,,status 503,0.95
103.4,many,burst,8,2.0,200,2,wrong answer: <script>alert(1)</script>,0.95
"""
needs_locust = pytest.mark.skipif(
    not load_report.LOCUST.exists(), reason="locust is not here; install it: make load"
)


@pytest.fixture
def answers(tmp_path: Path) -> pd.DataFrame:
    path = tmp_path / "answers.csv"
    path.write_text(_ANSWERS)
    return load_report.read(path)


def test_quantiles_are_latencies_that_were_measured() -> None:
    assert load_report.quantiles(pd.Series(range(1, 101), dtype=float)) == (50.0, 95.0, 99.0)
    assert load_report.quantiles(pd.Series([7.0])) == (7.0, 7.0, 7.0)
    assert all(map(math.isnan, load_report.quantiles(pd.Series([], dtype=float))))


def test_answers_are_in_the_order_of_the_questions(answers: pd.DataFrame) -> None:
    assert answers["second"].round(1).tolist() == [0.0, 0.2, 0.5, 3.1, 3.2, 3.3, 3.4]
    assert answers["version"].tolist() == ["1", "1", "1", "2", "", "", "2"]


def test_what_was_not_answered_is_an_error_and_has_no_latency(answers: pd.DataFrame) -> None:
    one, many = load_report.lines(answers, "endpoint")
    assert (one.name, one.requests, one.errors, one.slowest) == ("one", 5, 2, 40.0)
    assert one.quantiles == (30.0, 40.0, 40.0)
    assert (many.requests, many.errors, many.quantiles) == (2, 1, (20.0, 20.0, 20.0))


def test_errors_are_counted_by_kind_the_most_frequent_first(answers: pd.DataFrame) -> None:
    first, second = load_report.errors(answers)
    assert (first["error"], first["endpoint"], first["count"]) == ("status 503", "one", 2)
    assert (round(first["first"], 1), round(first["last"], 1)) == (3.2, 3.3)
    assert second["count"] == 1


def test_a_second_without_an_answer_is_shown_as_one(answers: pd.DataFrame) -> None:
    found = load_report.over_time(answers)
    assert found.index.tolist() == [0.0, 1.0, 2.0, 3.0]
    assert found["rate"].tolist() == [3.0, 0.0, 0.0, 4.0]
    assert found["errors"].tolist() == [0.0, 0.0, 0.0, 3.0]
    assert found["p50"].dropna().tolist() == [20.0, 40.0]


def test_versions_are_counted_by_second(answers: pd.DataFrame) -> None:
    found = load_report.versions(answers)
    assert found.to_dict("index") == {0.0: {"1": 3, "2": 0}, 3.0: {"1": 0, "2": 2}}


@pytest.mark.slow
def test_the_page_needs_no_other_file_and_shows_what_is_wrong(answers: pd.DataFrame) -> None:
    page = load_report.page(answers, "http://127.0.0.1:8000", _MOMENT)
    assert '<h1 class="bad">3 of 7 requests without a right answer</h1>' in page
    assert "2026-11-29 06:30 UTC" in page
    assert "was busy for 95 % of a second" in page
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)" in page
    [picture] = re.findall(r'src="([^"]*)"', page)
    assert base64.b64decode(picture.removeprefix("data:image/png;base64,")).startswith(b"\x89PNG")


@pytest.mark.slow
def test_a_page_can_be_written_where_everything_is_right_and_where_nothing_is(
    answers: pd.DataFrame,
) -> None:
    right = answers[answers["error"] == ""].assign(busy=0.2)
    page = load_report.page(right, "http://x", _MOMENT)
    assert "<h1>4 requests, every answer right</h1>" in page
    assert "<h2>Errors</h2>" not in page
    assert "was busy" not in page
    none = answers.assign(error="no answer: ConnectionRefusedError", version="")
    assert "7 of 7 requests" in load_report.page(none, "http://x", _MOMENT)


def test_without_a_server_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        load_report.require_server("http://127.0.0.1:9")
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("Error: http://127.0.0.1:9: nothing answers there")
    assert said.count("\n") == 1


class Wrong(BaseHTTPRequestHandler):
    """A server that answers at once, with status 200, and wrong in every way there is."""

    protocol_version = "HTTP/1.1"
    answered: ClassVar[dict[str, Any]] = {
        "probability": {"type": "number", "minimum": 0, "maximum": 1},
        "prediction": {"enum": [0, 1]},
    }
    in_turn: ClassVar[tuple[dict[str, Any], ...]] = (
        {"predictions": [{"probability": 1.5, "prediction": 1}]},
        {"predictions": [{"probability": 0.5, "prediction": 2}]},
        {"predictions": [{"probability": 0.5, "prediction": 1}]},  # right, and without a version
        {"predictions": []},
        {"predicted": 0.5},
    )
    count: ClassVar[int] = 0

    def do_GET(self) -> None:
        example = {"dataframe_records": [{"age": 10, "plan": "a"}]}
        asked = {"requestBody": {"content": {"application/json": {"example": example}}}}
        items = {"type": "array", "items": {"properties": self.answered}}
        self._send(
            {
                "paths": {"/invocations": {"post": asked}, "/v2/models/m/infer": {}},
                "components": {"schemas": {"Predictions": {"properties": {"predictions": items}}}},
            }
        )

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        Wrong.count += 1
        self._send(self.in_turn[Wrong.count % len(self.in_turn)])

    def _send(self, found: object) -> None:
        body = json.dumps(found).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class WrongNumbers(Wrong):
    """The same of a model that predicts a number, or a class."""

    answered: ClassVar[dict[str, Any]] = {
        "prediction": {"type": "number"},
        "group": {"type": "string"},
    }
    in_turn: ClassVar[tuple[dict[str, Any], ...]] = (
        {"predictions": [{"prediction": None, "group": "a"}]},
        {"predictions": [{"prediction": 7.5, "group": 1}]},
        {"predictions": [{"prediction": 7.5, "group": "a"}]},  # right, and without a version
    )


@pytest.fixture
def wrong_server(request: pytest.FixtureRequest) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), request.param) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def server(stored: Path, tmp_path: Path) -> Iterator[str]:
    """Return the address of a `churn serve` of the small model."""
    shutil.copy(PARAMS, tmp_path)
    log = tmp_path / "log"
    command = [sys.executable, "-m", "churn", "serve", f"--model={stored}", "--port=0"]
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=tmp_path, stdout=output, stderr=subprocess.STDOUT)
    try:
        until = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < until:
            if found := re.search(r"serves (http://\S+)", log.read_text()):
                try:
                    load_report.require_server(found[1])
                except SystemExit:  # not yet
                    pass
                else:
                    yield found[1]
                    break
            time.sleep(0.2)
        else:
            pytest.fail(log.read_text())
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.long
@pytest.mark.exhaustive
@needs_locust
def test_every_request_to_a_server_is_answered_right(server: str, tmp_path: Path) -> None:
    path = tmp_path / "answers.csv"

    load_report.run(server, 5, 5, path, too_large_mb=17)

    found = load_report.read(path)
    assert load_report.errors(found) == []
    assert len(found) > 50
    assert list(found["phase"].unique()) == ["ramp", "steady", "burst", "calm"]
    names = set(found["endpoint"])
    assert names >= {"/invocations, 1 row", "/v2 infer, 10 rows"}
    assert any(name.startswith("bad: ") for name in names)


@pytest.mark.long
@needs_locust
@pytest.mark.parametrize(
    ("wrong_server", "kinds"),
    [
        pytest.param(
            Wrong,
            {
                "wrong answer: probability is not in [0, 1]",
                "wrong answer: prediction is not 0 or 1",
                "wrong answer: another number of customers",
                "wrong answer: no predictions",
                "wrong answer: no outputs",
                "wrong refusal: status 200, not 400",
            },
            id="two classes",
        ),
        pytest.param(
            WrongNumbers,
            {"wrong answer: prediction is not a number", "wrong answer: group is not a text"},
            id="numbers",
        ),
    ],
    indirect=["wrong_server"],
)
def test_wrong_answers_are_errors_whatever_their_status(
    wrong_server: str, kinds: set[str], tmp_path: Path
) -> None:
    path = tmp_path / "answers.csv"

    load_report.run(wrong_server, 5, 10, path, too_large_mb=0.1)

    found = load_report.read(path)
    assert (found["status"] == 200).all()
    assert (found["error"] != "").all()
    assert set(found["error"]) >= kinds | {"wrong answer: no version"}
