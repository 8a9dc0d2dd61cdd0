"""Callers of a server that take little time themselves: one process, connections that stay."""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import numpy as np


@dataclass
class Answers:
    """What callers have seen.

    Attributes
    ----------
    seconds : list of float
        From each request to its answer.
    moments : list of float
        When each answer came (`time.perf_counter`).
    failures : int
        Answers other than 200, and connections that broke.
    duration : float
        Seconds from the first request to the last answer.
    """

    seconds: list[float] = field(default_factory=list)
    moments: list[float] = field(default_factory=list)
    failures: int = 0
    duration: float = 0.0

    @property
    def per_second(self) -> float:
        """Answers in a second."""
        return len(self.seconds) / self.duration

    def quantile_ms(self, share: float) -> float:
        """Return the milliseconds in which a share of the requests was answered."""
        return float(np.quantile(self.seconds, share)) * 1000


class _Caller(asyncio.Protocol):
    """Asks the same again as soon as it is answered."""

    def __init__(self, request: bytes, answers: Answers, until: float) -> None:
        self._request, self._answers, self._until = request, answers, until
        self._received = b""
        self._missing = -1  # bytes of the body; -1 before its length is known
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport  # uvloop's is not asyncio's
        self._ask()

    def _ask(self) -> None:
        self._begun = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self._missing < 0:
            self._received += data
            head, end, body = self._received.partition(b"\r\n\r\n")
            if not end:
                return
            length = head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]
            self._is_right = b" 200 " in head[:20]
            self._missing, data = int(length), body
        self._missing -= len(data)
        if self._missing > 0:
            return
        now = time.perf_counter()
        self._answers.failures += not self._is_right
        self._answers.seconds.append(now - self._begun)
        self._answers.moments.append(now)
        self._received, self._missing = b"", -1
        if now < self._until:
            self._ask()
        else:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if time.perf_counter() < self._until:
            self._answers.failures += 1
        self.ended.set_result(None)


def call(url: str, body: bytes, connections: int, seconds: float) -> Answers:
    """Send a body to a URL again and again.

    Parameters
    ----------
    url : str
    body : bytes
        JSON.
    connections : int
        How many callers there are at once.
    seconds : float
        How long.
    """
    where = urlsplit(url)
    request = (
        f"POST {where.path} HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    answers = Answers()

    async def run() -> None:
        begun = time.perf_counter()
        loop = asyncio.get_running_loop()
        callers = [
            await loop.create_connection(
                lambda: _Caller(request, answers, begun + seconds), where.hostname, where.port
            )
            for _ in range(connections)
        ]
        await asyncio.gather(*(caller.ended for _, caller in callers))
        answers.duration = time.perf_counter() - begun

    if sys.platform == "win32":
        asyncio.run(run())
    else:
        import uvloop

        uvloop.run(run())
    return answers
