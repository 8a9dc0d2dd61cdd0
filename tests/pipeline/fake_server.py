"""A small server that answers as MLflow's does, and others of which each does one thing wrong."""

from __future__ import annotations

import csv
import json
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from typing import Any

import numpy as np
import pandas as pd

from churn.data.dates import with_timestamps

Record = dict[str, Any]
NUMERIC, CATEGORIES = ("spend", "visits", "age"), {"gold": -1.0, "basic": 1.0}
COLUMNS, RARE = [*NUMERIC, "joined", "plan"], "trial"
NEWEST = datetime(2026, 1, 1, tzinfo=UTC)
TRUTH_VALUES = {"true": 1, "false": 0}
ON_THE_THRESHOLD = {
    "spend": 0.0,
    "visits": 9.0,
    "age": 50.0,
    "joined": "2026-01-01",
    "plan": "gold",
}


class RefusedError(Exception):
    """An answer that is none."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Right:
    """Does everything right."""

    threshold = 1 / (1 + math.exp(-(0.7 - 0 - 9 / 7 + 1 - 1)))

    def ping(self) -> int:
        return 200

    def answer(self, kind: str, body: bytes) -> list[Record]:
        self.require_kind(kind)
        return self.predictions(self.csv(body) if kind == "text/csv" else self.read(body))

    def require_kind(self, kind: str) -> None:
        if kind not in ("application/json", "text/csv"):
            raise RefusedError(415, f"not {kind}")

    def csv(self, body: bytes) -> list[Record]:
        lines = csv.DictReader(StringIO(body.decode()))
        return [{name: cell or None for name, cell in line.items()} for line in lines]

    def read(self, body: bytes) -> list[Record]:
        question = self.parse(body)
        if not isinstance(question, dict) or len(question) != 1:
            raise RefusedError(400, "not one format")
        form, table = next(iter(question.items()))
        try:
            records = {
                "dataframe_records": self.records,
                "dataframe_split": self.split,
                "inputs": self.inputs,
            }[form](table)
            missing = [name for name in COLUMNS if any(name not in one for one in records)]
        except (KeyError, TypeError, ValueError) as error:
            raise RefusedError(400, f"not a table: {error}") from error
        if missing or not records:
            self.refuse_missing(missing)
        return records

    def parse(self, body: bytes) -> Any:
        try:
            return json.loads(body)
        except ValueError as error:
            raise RefusedError(400, f"not JSON: {error}") from error

    def records(self, table: Any) -> list[Record]:
        return [dict(record) for record in table]

    def split(self, table: Any) -> list[Record]:
        return [dict(zip(table["columns"], cells, strict=True)) for cells in table["data"]]

    def inputs(self, table: Any) -> list[Record]:
        if isinstance(table, list):
            return self.records(table)
        return [dict(zip(table, cells, strict=True)) for cells in zip(*table.values(), strict=True)]

    def refuse_missing(self, missing: list[str]) -> None:
        raise RefusedError(400, f"Model is missing inputs {missing}.")

    def predictions(self, records: list[Record]) -> list[Record]:
        return [self.predict(record) for record in records]

    def predict(self, record: Record) -> Record:
        probability = self.probability(record)
        return {"probability": probability, "prediction": self.decide(probability)}

    def probability(self, record: Record) -> float:
        spend, visits, age = (self.number(name, record.get(name)) for name in NUMERIC)
        score = 0.7 - spend / 90 - visits / 7 + age / 50 + self.category(record.get("plan"))
        score -= self.days(record.get("joined")) / 5000
        return 1 / (1 + math.exp(-score))

    def number(self, name: str, cell: Any) -> float:
        if isinstance(cell, str):
            cell = self.as_text(cell.strip())
        if cell is None:
            return 33.3
        if not isinstance(cell, (int, float)) or math.isinf(cell):
            raise RefusedError(400, f"column {name!r} holds {str(cell)!r}, which is not a number")
        return float(cell)

    def as_text(self, text: str) -> Any:
        if text.lower() in TRUTH_VALUES:
            return TRUTH_VALUES[text.lower()]
        try:
            return float(text) if text else None
        except ValueError:
            return text

    def days(self, cell: Any) -> float:
        if cell is None:
            return 500.0
        try:
            date = datetime.fromisoformat(cell.strip())
        except ValueError as error:
            said = f"column 'joined' holds {cell!r}, which is not a date"
            raise RefusedError(400, said) from error
        return (NEWEST - date.replace(tzinfo=date.tzinfo or UTC)).total_seconds() / 86400

    def category(self, cell: Any) -> float:
        return CATEGORIES.get(cell, 0.0)

    def decide(self, probability: float) -> Any:
        return int(probability >= self.threshold)


class WrongInTheLastDigit(Right):
    def probability(self, record: Record) -> float:
        right = super().probability(record)
        return math.nextafter(right, 1) if record["visits"] == 7 else right


class IgnoresTheThreshold(Right):
    threshold = 0.5


class IsWrongOnTheThreshold(Right):
    """Its only mistake is about customers who are exactly on it."""

    def decide(self, probability: float) -> Any:
        return int(probability > self.threshold)


class FailsOneOfFifty(Right):
    asked = 0

    def answer(self, kind: str, body: bytes) -> list[Record]:
        self.asked += 1
        if self.asked % 50 == 0:
            raise RefusedError(500, "out of luck")
        return super().answer(kind, body)


class GetsSlow(Right):
    """Twelve of 200 requests in a row, of which nobody has asked for its health in between."""

    asked = 0

    def ping(self) -> int:
        self.asked = 0
        return 200

    def answer(self, kind: str, body: bytes) -> list[Record]:
        self.asked += 1
        if self.asked > 188:
            time.sleep(0.51)
        return super().answer(kind, body)


class MixesClientsUp(Right):
    def predictions(self, records: list[Record]) -> list[Record]:
        self.current = records
        time.sleep(0.001)
        return super().predictions(self.current)


class BreaksOnBrokenJson(Right):
    broken = False

    def parse(self, body: bytes) -> Any:
        if self.broken:
            self.broken = False
            raise RefusedError(500, "still broken")
        try:
            return super().parse(body)
        except RefusedError:
            self.broken = True
            raise


class BlamesItselfForBrokenJson(Right):
    def parse(self, body: bytes) -> Any:
        try:
            return super().parse(body)
        except RefusedError as error:
            raise RefusedError(500, "Internal Server Error") from error


class AnswersWhatIsNoQuestion(Right):
    def read(self, body: bytes) -> list[Record]:
        try:
            return super().read(body)
        except RefusedError:
            return []


class KnowsNobodyAlone(Right):
    """But for the first customer of its table."""

    def predictions(self, records: list[Record]) -> list[Record]:
        answers = super().predictions(records)
        if len(records) == 1 and records[0] != self.first:
            answers[0]["probability"] /= 2
        return answers

    @cached_property
    def first(self) -> Record:
        return customers()[0]


class ImputesMissingColumns(Right):
    def refuse_missing(self, missing: list[str]) -> None:
        if not missing:
            super().refuse_missing(missing)


class DoesNotNameMissingColumns(Right):
    def refuse_missing(self, missing: list[str]) -> None:
        raise RefusedError(400, f"give all of {COLUMNS}")


class RefusesNumbersAsText(Right):
    def as_text(self, text: str) -> Any:
        return text if text[:1].isdigit() else super().as_text(text)


class RefusesTruthValuesAsText(Right):
    def as_text(self, text: str) -> Any:
        return text if text.lower() in TRUTH_VALUES else super().as_text(text)


class RefusesTruthValues(Right):
    def number(self, name: str, cell: Any) -> float:
        return super().number(name, "yes" if cell is True else cell)


class TakesBlanksForZero(Right):
    def as_text(self, text: str) -> Any:
        return super().as_text(text or "0")


class LosesDecimalCommas(Right):
    def as_text(self, text: str) -> Any:
        return super().as_text(text.replace(",", ""))


class IgnoresTimeZones(Right):
    def days(self, cell: Any) -> float:
        return super().days(cell and cell.partition("+")[0])


class DiesOfText(Right):
    def number(self, name: str, cell: Any) -> float:
        return super().number(name, cell) if cell is None else float(cell) + 0


class RefusesWholeNumbers(Right):
    def number(self, name: str, cell: Any) -> float:
        if type(cell) is int:
            raise RefusedError(400, f"column {name!r}: cannot safely convert int64 to float64")
        return super().number(name, cell)


class RefusesNull(Right):
    def number(self, name: str, cell: Any) -> float:
        return super().number(name, cell if cell is not None else "null")


class RefusesUnseenTexts(Right):
    def category(self, cell: Any) -> float:
        if cell not in (None, RARE, *CATEGORIES):
            raise RefusedError(400, f"unknown category {cell!r}")
        return super().category(cell)


class RefusesOtherColumns(Right):
    def probability(self, record: Record) -> float:
        if other := set(record) - set(COLUMNS):
            raise RefusedError(400, f"extra inputs {other}")
        return super().probability(record)


class ReadsSplitByPosition(Right):
    def split(self, table: Any) -> list[Record]:
        records = super().split(table)
        if set(COLUMNS) <= set(table["columns"]):
            return [dict(zip(COLUMNS, record.values(), strict=False)) for record in records]
        return records


class SortsCustomers(Right):
    def predictions(self, records: list[Record]) -> list[Record]:
        return super().predictions(sorted(records, key=lambda one: str(one["spend"])))


class LosesCustomers(Right):
    def predictions(self, records: list[Record]) -> list[Record]:
        return super().predictions(records[:5000])


class PredictsHalves(Right):
    def decide(self, probability: float) -> Any:
        return float(super().decide(probability))


class RefusesCsv(Right):
    def csv(self, body: bytes) -> list[Record]:
        raise RefusedError(400, "some of the inputs types are not DataType")


class TakesAnyKind(Right):
    def require_kind(self, kind: str) -> None:
        pass


class IsNotHealthy(Right):
    def ping(self) -> int:
        return 503


MISTAKES = {kind.__name__: kind for kind in Right.__subclasses__()}


def fake(*mistakes: str) -> Right:
    """Return a server that makes these mistakes."""
    return type("Fake", (*(MISTAKES[name] for name in mistakes), Right), {})()


def customers() -> list[Record]:
    """Return customers, some cells of theirs missing."""
    draw = np.random.default_rng(7)
    count = 200
    made = pd.DataFrame(
        {
            "spend": draw.gamma(2, 60, count).round(2),
            "visits": draw.integers(0, 12, count).astype(float),
            "age": draw.integers(18, 80, count).astype(float),
            "joined": [f"2025-{month:02}-17" for month in draw.integers(1, 13, count)],
            "plan": draw.choice([*CATEGORIES, RARE], count),
        }
    ).astype(object)
    made.loc[1] = ON_THE_THRESHOLD
    made.loc[::5, "age"] = None
    made.loc[::7, "plan"] = None
    made.loc[::9, "joined"] = None
    return made.to_dict("records")


def rows() -> pd.DataFrame:
    """Return the customers with the right answers."""
    answers = pd.DataFrame(Right().predictions(customers()))
    return with_timestamps(pd.DataFrame(customers()), ["joined"]).join(answers)


class _Server(ThreadingHTTPServer):
    request_queue_size = 64  # sixteen clients come at once
    fakes: dict[str, Right]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._say(self._fake.ping(), {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            answers = self._fake.answer(self.headers["Content-Type"], body)
        except RefusedError as error:
            self._say(error.status, {"message": str(error)})
        except (TypeError, ValueError, OverflowError) as error:
            self._say(500, {"message": str(error)})
        else:
            self._say(200, {"predictions": answers})

    @property
    def _fake(self) -> Right:
        """The first part of the path says which one is asked."""
        return self.server.fakes[self.path.split("/")[1]]

    def _say(self, status: int, answer: Record) -> None:
        content = json.dumps(answer).encode()
        self.send_response(HTTPStatus(status))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: Any) -> None:
        pass


@contextmanager
def serving(fakes: dict[str, Right]) -> Iterator[str]:
    """Serve each of some servers under its name, and yield the address before that name."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.fakes = fakes
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
