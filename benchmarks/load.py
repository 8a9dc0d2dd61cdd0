"""A locustfile: requests as callers send them, good and bad, and every answer is checked.

`make load` runs it and writes a report; docs/load.md says how to run it with locust's own page. It
asks the server for the columns of the model and of its answers, so it needs nothing but locust and
fits every model.
"""

from __future__ import annotations

import csv
import json
import math
import os
import random
import time
import urllib.request
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from locust import FastHttpUser, LoadTestShape, events, task
from locust.env import Environment

COLUMNS = (
    "moment",
    "endpoint",
    "phase",
    "users",
    "milliseconds",
    "status",
    "version",
    "error",
    "busy",
)
PER_USER = 10  # requests a second of each user, if the answers come at once
MANY = 1000
# Until which part of the time a phase lasts, and its users as a multiple of --steady-users.
PHASES = {"ramp": (0.25, 1.0), "steady": (0.6, 1.0), "burst": (0.75, 4.0), "calm": (1.0, 0.25)}
_ONE_ROW_BODIES, _LARGE_BODIES = 500, 10


# What each column of an answer may hold, in JSON Schema.
Answered = dict[str, dict[str, Any]]


class Bad(NamedTuple):
    """A request that has to be refused."""

    what: str
    body: bytes
    status: int
    says: str  # a part of the message


class Model:
    """What the server says of its model, and bodies for it.

    Parameters
    ----------
    document : dict
        The server's OpenAPI document.
    too_large_mb : float
        More megabytes than the server takes.
    seed : int
        Decides the customers.
    """

    def __init__(self, document: dict[str, Any], too_large_mb: float, seed: int = 0) -> None:
        paths = document["paths"]
        predictions = document["components"]["schemas"]["Predictions"]["properties"]["predictions"]
        self.answered: Answered = predictions["items"]["properties"]
        self.infer = next(path for path in paths if path.endswith("/infer"))
        content = paths["/invocations"]["post"]["requestBody"]["content"]
        [self._typical] = content["application/json"]["example"]["dataframe_records"]
        self._random = random.Random(seed)  # noqa: S311
        self.one_row = [self._invocations(1) for _ in range(_ONE_ROW_BODIES)]
        self.many_rows = [self._invocations(MANY) for _ in range(_LARGE_BODIES)]
        self.v2 = [self._v2(10) for _ in range(_ONE_ROW_BODIES)]
        self.bad = list(self._bad())
        self.too_large = b" " * int(too_large_mb * 1_000_000)

    def _customer(self) -> dict[str, Any]:
        """Return the typical customer with other numbers, of which some are missing."""
        return {name: self._cell(cell) for name, cell in self._typical.items()}

    def _cell(self, typical: Any) -> Any:
        if isinstance(typical, str):
            return typical
        if self._random.random() < 0.02:
            return None
        # Mostly small and sometimes large, as counts and amounts are.
        return round(self._random.lognormvariate(3, 1.5), 2)

    def _invocations(self, count: int) -> bytes:
        records = [self._customer() for _ in range(count)]
        return json.dumps({"dataframe_records": records}).encode()

    def _v2(self, count: int) -> bytes:
        customers = [self._customer() for _ in range(count)]
        inputs = [
            {
                "name": name,
                "shape": [count],
                "datatype": "BYTES" if isinstance(cell, str) else "FP64",
                "data": [customer[name] for customer in customers],
            }
            for name, cell in self._typical.items()
        ]
        return json.dumps({"inputs": inputs}).encode()

    def _bad(self) -> list[Bad]:
        customer = self._customer()
        first = next(iter(customer))
        lacking = {name: cell for name, cell in customer.items() if name != first}
        good = json.dumps({"dataframe_records": [customer]}).encode()
        found = [
            Bad("broken JSON", good[: len(good) // 2], 400, ""),
            Bad("a column is missing", _records(lacking), 400, first),
        ]
        numeric = [name for name, cell in self._typical.items() if not isinstance(cell, str)]
        if numeric:
            wrong = {**customer, numeric[0]: "many"}
            found.append(Bad("no number", _records(wrong), 400, numeric[0]))
        return found


def _records(customer: dict[str, Any]) -> bytes:
    return json.dumps({"dataframe_records": [customer]}).encode()


def wrong_predictions(body: bytes | None, count: int, answered: Answered) -> str | None:
    """Say what is wrong with an answer in MLflow's protocol; None if nothing is.

    Parameters
    ----------
    body : bytes or None
    count : int
        The number of customers that were asked about.
    answered : dict
        What each column may hold.
    """
    try:
        found = json.loads(body or b"")["predictions"]
        columns = {name: [one[name] for one in found] for name in answered}
    except (ValueError, KeyError, TypeError):
        return "wrong answer: no predictions"
    return _wrong(columns, count, answered)


def wrong_outputs(body: bytes | None, count: int, answered: Answered) -> str | None:
    """Say what is wrong with an answer in the Open Inference Protocol; None if nothing is."""
    try:
        outputs = {one["name"]: list(one["data"]) for one in json.loads(body or b"")["outputs"]}
        columns = {name: outputs[name] for name in answered}
    except (ValueError, KeyError, TypeError):
        return "wrong answer: no outputs"
    return _wrong(columns, count, answered)


def _wrong(columns: dict[str, list[Any]], count: int, answered: Answered) -> str | None:
    if any(len(values) != count for values in columns.values()):
        return "wrong answer: another number of customers"
    for name, kind in answered.items():
        if not all(_is_valid(value, kind) for value in columns[name]):
            return f"wrong answer: {name} is not {_described(kind)}"
    return None


def _is_valid(value: Any, kind: dict[str, Any]) -> bool:
    if "enum" in kind:
        return value in kind["enum"]
    if kind["type"] == "string":
        return isinstance(value, str)
    is_number = isinstance(value, float | int) and math.isfinite(value)
    return is_number and kind.get("minimum", -math.inf) <= value <= kind.get("maximum", math.inf)


def _described(kind: dict[str, Any]) -> str:
    if "enum" in kind:
        return " or ".join(map(str, kind["enum"]))
    if kind["type"] == "string":
        return "a text"
    return f"in [{kind['minimum']}, {kind['maximum']}]" if "minimum" in kind else "a number"


def phase_at(part: float) -> tuple[str, float]:
    """Return the phase at a part of the time, and its users as a multiple of the steady ones.

    Both are empty when the time is over.
    """
    begins = 0.0
    for name, (ends, share) in PHASES.items():
        if part < ends:
            return name, share * (part - begins) / (ends - begins) if name == "ramp" else share
        begins = ends
    return "", 0.0


class Shape(LoadTestShape):
    """A ramp, a steady load, a burst of four times as much, and a calm end."""

    phase = "ramp"
    busy = 0.0  # part of the last second in which this process has computed
    _looked = (0.0, 0.0)

    def tick(self) -> tuple[int, float] | None:
        """Return how many users there shall be, and how many may begin in a second."""
        assert self.runner is not None
        options = self.runner.environment.parsed_options
        assert options is not None
        phase, share = phase_at(self.get_run_time() / options.seconds)
        if not phase:
            return None
        Shape.phase = phase
        self._note_busy()
        users = max(1, round(options.steady_users * share))
        # All that come or go do so at once: a burst does not come slowly.
        return users, max(1, abs(users - self.runner.user_count))

    def _note_busy(self) -> None:
        """Locust has a number for this, but only every five seconds."""
        now = (time.monotonic(), time.process_time())
        if self._looked[0]:
            Shape.busy = (now[1] - self._looked[1]) / (now[0] - self._looked[0])
        self._looked = now


class Caller(FastHttpUser):
    """Asks again and again; `@task` says how often which request, relative to the others."""

    network_timeout = connection_timeout = 60.0
    model: Model  # set before the first one begins

    def on_start(self) -> None:
        """Take every status for an answer: they are judged here.

        For an error, locust would write down the whole request, and ask nothing for as long as that
        takes with 17 MB.
        """
        self.client.client.valid_response_codes = frozenset(range(100, 600))

    def wait_time(self) -> float:
        """Wait for a random time: with a constant one, users that begin together stay together."""
        return random.expovariate(PER_USER)

    @task(120)
    def one_row(self) -> None:
        """Ask about one customer."""
        self._ask("/invocations, 1 row", random.choice(self.model.one_row), 1)  # noqa: S311

    @task(6)
    def many_rows(self) -> None:
        """Ask about 1,000 customers."""
        self._ask("/invocations, 1,000 rows", random.choice(self.model.many_rows), MANY)  # noqa: S311

    @task(40)
    def v2(self) -> None:
        """Ask about ten customers in the Open Inference Protocol."""
        body = random.choice(self.model.v2)  # noqa: S311
        with self._post(self.model.infer, "/v2 infer, 10 rows", body) as answer:
            self._judge(answer, wrong_outputs(answer.content, 10, self.model.answered))

    @task(20)
    def bad(self) -> None:
        """Send a bad request, which has to be refused with the right message."""
        self._refused(random.choice(self.model.bad))  # noqa: S311

    @task(1)
    def too_large(self) -> None:
        """Send a body that is larger than the server takes."""
        self._refused(Bad("too large", self.model.too_large, 413, ""))

    def _ask(self, name: str, body: bytes, count: int) -> None:
        with self._post("/invocations", name, body) as answer:
            self._judge(answer, wrong_predictions(answer.content, count, self.model.answered))

    def _post(self, path: str, name: str, body: bytes) -> Any:
        headers = {"Content-Type": "application/json", **_key()}
        return self.client.post(path, body, name=name, headers=headers, catch_response=True)

    def _judge(self, answer: Any, wrong: str | None) -> None:
        if answer.status_code != 200:
            answer.failure(_unanswered(answer))
        elif wrong is not None:
            answer.failure(wrong)
        elif not _version(answer):
            answer.failure("wrong answer: no version")
        else:
            answer.success()

    def _refused(self, bad: Bad) -> None:
        with self._post("/invocations", f"bad: {bad.what}", bad.body) as answer:
            if answer.status_code == bad.status and bad.says in _message(answer.content):
                answer.success()
            elif answer.status_code == bad.status:
                answer.failure("wrong refusal: it does not name what is wrong")
            elif 200 <= answer.status_code < 500:
                answer.failure(f"wrong refusal: status {answer.status_code}, not {bad.status}")
            else:
                answer.failure(_unanswered(answer))


def _unanswered(answer: Any) -> str:
    if answer.status_code == 0:
        return f"no answer: {type(answer.error).__name__}"
    return f"status {answer.status_code}"


def _message(body: bytes | None) -> str:
    try:
        return str(json.loads(body or b"")["message"])
    except (ValueError, KeyError, TypeError):
        return ""


def _version(answer: Any) -> str:
    return (answer.headers.get("x-model-version") or "") if answer.headers else ""


def _key() -> dict[str, str]:
    """Return the header with the first key of CHURN_API_KEYS, which the server reads as well."""
    key = os.environ.get("CHURN_API_KEYS", "").split(",")[0].strip()
    return {"Authorization": f"Bearer {key}"} if key else {}


@events.init_command_line_parser.add_listener
def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=60, help="Duration of all phases")
    parser.add_argument("--steady-users", type=int, default=20, help="Users of the steady phase")
    parser.add_argument("--too-large-mb", type=float, default=17, help="A body that is refused")
    parser.add_argument("--answers", default="", help="CSV file with a line for each request")


@events.test_start.add_listener
def _begin(environment: Environment, **_: object) -> None:
    options = environment.parsed_options
    assert options is not None and environment.host is not None
    url = f"{environment.host.rstrip('/')}/openapi.json"
    request = urllib.request.Request(url, headers=_key())  # noqa: S310
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        Caller.model = Model(json.load(answer), options.too_large_mb)
    if options.answers:
        file = Path(options.answers).open("w", newline="", encoding="utf-8")  # noqa: SIM115
        _record(environment, file)


def _record(environment: Environment, file: TextIO) -> None:
    """Write a line for each request."""
    writer = csv.writer(file)
    writer.writerow(COLUMNS)

    def note(
        name: str, response_time: float, start_time: float, response: Any, **other: Any
    ) -> None:
        error = other.get("exception")
        runner = environment.runner
        assert runner is not None
        writer.writerow([
            f"{start_time:.4f}",
            name,
            Shape.phase,
            runner.user_count,
            f"{response_time:.3f}",
            response.status_code,
            _version(response),
            "" if error is None else str(error),
            f"{Shape.busy:.2f}",
        ])  # fmt: skip

    def end(**_: object) -> None:
        file.close()

    environment.events.request.add_listener(note)
    environment.events.quit.add_listener(end)
