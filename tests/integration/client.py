"""A caller of the served model."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import requests

from tests.integration.rows import Record, Rows

_TIMEOUT_S = 60  # what hangs is a failure, and the other tests are run
# Linear algebra adds up in another order where it has another number of rows.
ROUNDING = 1e-12
_HERE = ("127.0.0.1", "localhost")


class Client:
    """Asks one server, over one connection that is kept."""

    def __init__(self, url: str, answered: Mapping[str, type]) -> None:
        self._url, self._answered = url.rstrip("/"), answered
        self._session = requests.Session()
        self._session.trust_env = urlsplit(url).hostname not in _HERE  # no proxy on the way there

    def ping(self) -> int:
        """Return the status of the server's health."""
        return self._session.get(f"{self._url}/ping", timeout=_TIMEOUT_S).status_code

    def post(self, body: bytes, content_type: str = "application/json") -> requests.Response:
        return self._session.post(
            f"{self._url}/invocations",
            data=body,
            headers={"Content-Type": content_type},
            timeout=_TIMEOUT_S,
        )

    def send(self, question: Any) -> requests.Response:
        return self.post(json.dumps(question).encode())

    def answers(self, question: Any) -> list[dict[str, Any]]:
        """Ask what has to be answered, and return the answer as it stands."""
        if isinstance(question, str):
            response = self.post(question.encode(), "text/csv")
        else:
            response = self.send(question)
        assert response.status_code == 200, f"{response.status_code}: {response.text[:1000]}"
        return response.json()["predictions"]

    def ask(self, question: Any) -> pd.DataFrame:
        """Ask what has to be answered, and return each customer's answer as a row."""
        answers = pd.DataFrame(self.answers(question))
        assert sorted(answers) == sorted(self._answered)
        for name, kind in self._answered.items():
            if name.startswith("probability"):
                assert answers[name].between(0, 1).all()
            elif kind is int:
                assert answers[name].isin([0, 1]).all()
        return answers[list(self._answered)]

    def about(self, records: Iterable[Record]) -> pd.DataFrame:
        return self.ask({"dataframe_records": list(records)})


def reason(response: requests.Response) -> str:
    """Make sure that a request was refused as the caller's mistake, and return what was said."""
    assert 400 <= response.status_code < 500, f"{response.status_code}: {response.text[:1000]}"
    is_json = response.headers["Content-Type"].startswith("application/json")
    said = response.json()["message"] if is_json else response.text
    assert said.strip(), "refused without a word"
    return said


def require_offline(answers: pd.DataFrame, rows: Rows, which: Any = slice(None)) -> None:
    """Make sure that customers, by position, get the offline answers."""
    offline = rows.answers.loc[which] if isinstance(which, np.ndarray) else rows.answers[which]
    require_close(answers.reset_index(drop=True), offline.reset_index(drop=True), rows)


def require_close(some: pd.DataFrame, others: pd.DataFrame, rows: Rows) -> None:
    """Make sure that answers are the same but for rounding, which is relative to the largest."""
    size = max(rows.output.size(rows.answers[name].to_numpy()) for name in rows.numbers)
    pd.testing.assert_frame_equal(
        some, others, check_dtype=False, rtol=ROUNDING, atol=ROUNDING * size
    )
