"""HTTP answers and refusals, in the forms of the two protocols."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
import numpy as np

JSON = b"application/json"
_TEXT = b"text/plain; charset=utf-8"
RETRY = ((b"retry-after", b"1"),)
# Of MLflow's errors; any other status is of a bad request.
_CODES = {500: "INTERNAL_ERROR", 501: "NOT_IMPLEMENTED", 503: "TEMPORARILY_UNAVAILABLE"}
encode = msgspec.json.Encoder().encode
Headers = list[tuple[bytes, bytes]]


class Answer(msgspec.Struct, frozen=True):
    """What is sent: status, body, its type, and further headers."""

    status: int
    body: bytes
    kind: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()

    @property
    def head(self) -> Headers:
        """All its headers."""
        length = str(len(self.body)).encode()
        return [(b"content-type", self.kind), (b"content-length", length), *self.headers]


class Refusal(Exception):  # noqa: N818 (an answer, and not a fault of the server)
    """A request that is not answered.

    Parameters
    ----------
    status : int
        HTTP's, from 400 on.
    message : str
        What is wrong, for the caller.
    kind : str
        A word for the metrics, such as ``cells``.
    headers : tuple of (bytes, bytes)
    """

    def __init__(
        self,
        status: int,
        message: str,
        kind: str,
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.kind, self.headers = status, message, kind, headers

    def answer(self, *, v2: bool) -> Answer:
        """Return it in the form of a protocol."""
        body = {"error": self.message}
        if not v2:
            code = _CODES.get(self.status, "BAD_REQUEST")
            body = {"error_code": code, "message": self.message}
        return Answer(self.status, encode(body), headers=self.headers)


def predictions(answer: dict[str, np.ndarray]) -> bytes:
    """Return the body of an answer in MLflow's protocol: an object for each customer.

    Parameters
    ----------
    answer : dict of str to ndarray, shape (n_customers,)
        By column, as `churn.model.outputs.Output.answer` returns it.
    """
    of = _prediction(tuple(answer))
    return encode({"predictions": list(map(of, *[one.tolist() for one in answer.values()]))})


@cache
def _prediction(columns: tuple[str, ...]) -> type[msgspec.Struct]:
    """Return a class of a customer's answer, which is encoded faster than a dict."""
    fields = [(f"f{place}", Any) for place in range(len(columns))]
    names = {field: column for (field, _), column in zip(fields, columns, strict=True)}
    return msgspec.defstruct("Prediction", fields, rename=names.get, gc=False)


def text(body: str, kind: bytes = _TEXT) -> Answer:
    """Return an answer for people."""
    return Answer(200, body.encode(), kind)
