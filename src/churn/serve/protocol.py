"""How the server speaks HTTP: uvicorn's protocol, with a short way for the usual request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from churn.serve import metrics
from churn.serve.app import ASKED, SMALL_BODY, App, asked_now
from churn.serve.parser import Parser
from churn.serve.predicting import Asked

_MOST_WAITING = 1000  # requests of a connection
_MOST_HEAD = 65_536  # bytes, and what came with its first ones


class _Event:
    """What uvicorn sets when more of a request has come; nobody waits for it here."""

    def set(self) -> None:
        """Do nothing."""


class _Direct:
    """A request that goes the short way, as uvicorn sees the one of a connection.

    Attributes
    ----------
    asked : Asked
    parts : list of bytes
        Of the body, as far as it is there.
    keep_alive : bool
        Whether the connection stays after the answer; uvicorn sets it to False when it ends.
    response_complete : bool
        Whether it was answered, or was left to ASGI.
    """

    message_event = _Event()

    def __init__(self, asked: Asked, keep_alive: bool) -> None:
        self.asked, self.keep_alive = asked, keep_alive
        self.parts: list[bytes] = []
        self.response_complete = self.disconnected = False


class Protocol(HttpToolsProtocol):
    """uvicorn's protocol, which also knows since when a request is coming in, and has a short way.

    uvicorn closes connections that are idle after an answer, and not those that send nothing, or a
    byte a minute; `close_slow` does. It keeps any number of requests that came before the answers
    to those before them, and heads of any size; here a caller who never reads the answers, or
    whose head has no end, is cut off.

    A small request for predictions is held until it is whole. Where the application can answer it
    at once, the answer is written as it is; a task, messages and the check of each header, as ASGI
    has them, take longer than the prediction. Every other request goes to ASGI.
    """

    app: App
    parser: Parser
    since: float | None = None  # None between requests
    idle_since: float | None = None  # after the short way, and where uvicorn's timer has ended
    _held: _Direct | None = None  # whose body is on its way
    _n_head = 0  # bytes since a request or a part of its body began

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self.parser = Parser(self)
        self.since = self.loop.time()

    def data_received(self, data: bytes) -> None:
        """Take what has come; end the connection if it is too much at once."""
        self._n_head += len(data)
        self._unset_keepalive_if_required()
        try:
            self.parser.read(data)
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
        except httptools.HttpParserUpgrade:
            pass  # CONNECT, which is answered as any other method is
        if len(self.pipeline) > _MOST_WAITING:
            metrics.count("churn_errors", "too many at once")
            self.transport.abort()
        elif self._n_head > _MOST_HEAD:
            metrics.count("churn_errors", "head")
            self.transport.abort()
        elif self.idle_since is None and self.since is None and self._is_answered():
            self.idle_since = self.loop.time()  # uvicorn's timer has ended, and this begins nothing

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer whole requests of a caller who sends no more, and end the connection then."""
        is_waited_for = self.since is None and not self._is_answered()
        if is_waited_for:
            self.cycle.keep_alive = False
        return is_waited_for

    def on_message_begin(self) -> None:
        """Begin to wait for the rest of a request."""
        self.since, self.idle_since, self._n_head = self.loop.time(), None, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Hold a small request for predictions; begin to answer any other one."""
        if self.parser.is_offered:
            return
        if self.url == b"/invocations" and self._is_idle():
            headers = dict(self.headers)
            if self._is_small(headers) and self.app.may_begin(headers):
                self._held = _Direct(asked_now(headers), self.parser.should_keep_alive())
                self.cycle = self._held  # type: ignore[assignment]  # as far as uvicorn looks at it
                self.app.in_flight += 1  # while its body is on its way, as one of ASGI
                return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._n_head = 0
        if self._held is None:
            super().on_body(body)
        else:
            self._held.parts.append(body)

    def on_message_complete(self) -> None:
        """Wait no more; answer what was held."""
        if self.parser.is_offered:
            return
        self.since = None
        if (held := self._held) is not None:
            body = b"".join(held.parts)
            self._let_go()
            if self.app.begin(held.asked, body, lambda answer: self._answer(held, answer)):
                return
            self._leave(held, body)
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Have ASGI count what was held: its caller has gone."""
        if (held := self._held) is not None:
            self._let_go()
            self._leave(held, b"")
        super().connection_lost(exc)

    def _let_go(self) -> None:
        self._held = None
        self.app.in_flight -= 1  # and it is counted again by what answers it

    def _leave(self, held: _Direct, body: bytes) -> None:
        """Leave to ASGI what was held."""
        held.response_complete = True  # of it there will be nothing to wait for
        self.scope["state"][ASKED] = held.asked
        super().on_headers_complete()
        self.cycle.keep_alive &= held.keep_alive
        super().on_body(body)

    def _is_small(self, headers: dict[bytes, bytes]) -> bool:
        length = headers.get(b"content-length", b"")
        return (
            length.isdigit()
            and int(length) < SMALL_BODY
            and self.parser.get_method() == b"POST"
            and self.parser.get_http_version() == "1.1"
            and not self.expect_100_continue
        )

    def _is_idle(self) -> bool:
        """Tell whether the answers before have been sent, and taken by the caller."""
        return self._is_answered() and not self.flow.write_paused

    def _is_answered(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _answer(self, request: _Direct, answer: bytes) -> None:
        request.response_complete = True
        if self.transport.is_closing():
            return
        if not request.keep_alive:
            answer = answer.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n", 1)
        self.transport.write(answer)
        if not request.keep_alive:
            self.transport.close()
        elif self.pipeline:
            self.on_response_complete()
        elif self.since is None:
            self.idle_since = self.loop.time()


def close_slow(connections: Iterable[Any], before: float) -> None:
    """Close the connections whose request began to come in before a moment, and is not there."""
    for one in list(connections):
        if one.since is not None and one.since < before and not one.transport.is_closing():
            metrics.count("churn_errors", "slow caller")
            one.transport.close()


def close_idle(connections: Iterable[Any], before: float) -> None:
    """Close the connections without a request since an answer before a moment.

    uvicorn does it after an answer of its own, by a timer for each.
    """
    for one in list(connections):
        if one.idle_since is not None and one.idle_since < before:
            one.transport.close()
