"""A server that dies at a moment of one's choice."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import urlsplit

from tests.registry.servers import Server

_OWN = {"transfer-encoding", "connection", "content-length"}


@dataclass(frozen=True)
class Moment:
    """At which request it dies, and whether it has done by then what it was asked for.

    In `path` and `body` stands what the request has to hold.
    """

    method: str
    path: str
    body: str = ""
    lost: Literal["request", "answer"] = "request"

    def is_now(self, method: str, path: str, body: bytes) -> bool:
        return (method, self.path in path, self.body in body.decode(errors="replace")) == (
            self.method,
            True,
            True,
        )


class _Passing(ThreadingHTTPServer):
    daemon_threads = True  # the thread that closes it shall not wait for itself

    def __init__(self, server: Server, moment: Moment) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind, self.moment = server, moment
        self.has_died = threading.Event()
        self.dying = threading.Lock()


class _Handler(BaseHTTPRequestHandler):
    server: _Passing

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        now = self.server.moment.is_now(self.command, self.path, body)
        answer = None
        if not (now and self.server.moment.lost == "request"):
            answer = self._ask(body)
        if now:
            self._die()
        elif answer is not None:
            status, headers, content = answer
            self.send_response(status)
            for name, value in headers:
                if name.lower() not in _OWN:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass_on  # noqa: N815

    def _ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes] | None:
        """Ask the server behind; None where it is gone."""
        connection = http.client.HTTPConnection(
            urlsplit(self.server.behind.url).netloc, timeout=120
        )
        try:
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def _die(self) -> None:
        with self.server.dying:
            if self.server.has_died.is_set():
                return
            self.server.behind.kill()
            self.server.shutdown()
            self.server.server_close()  # from now on connections are refused
            self.server.has_died.set()

    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def dying_at(moment: Moment, server: Server) -> Iterator[str]:
    """Give the address of a server that is killed at a moment; it is up again in the end."""
    passing = _Passing(server, moment)
    threading.Thread(target=passing.serve_forever, kwargs={"poll_interval": 0.05}).start()
    try:
        yield f"http://127.0.0.1:{passing.server_port}"
        assert passing.has_died.is_set(), f"never came to {moment}"
    finally:
        if not passing.has_died.is_set():
            passing.shutdown()
            passing.server_close()
            server.kill()
        server.start()
