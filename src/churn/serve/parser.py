"""How requests are parsed: with httptools, as of a server that speaks nothing but HTTP/1.1."""

from __future__ import annotations

from contextlib import suppress
from typing import Protocol

import httptools


class Reader(Protocol):
    """What is told of a request, as uvicorn's protocol is.

    Attributes
    ----------
    url : bytes
    headers : list of (bytes, bytes)
        By names in lower case.
    """

    url: bytes
    headers: list[tuple[bytes, bytes]]


class Parser(httptools.HttpRequestParser):
    """Reads a request that offers another protocol as if it did not.

    Java's client and `curl --http2` offer HTTP/2 with any request. httptools ends such a request
    with its head, and takes the body for the next request, which somebody else may have written.

    Parameters
    ----------
    reader : Reader
        Must pass over a request while `is_offered`; it comes again, without the offer.
    """

    def __init__(self, reader: Reader) -> None:
        super().__init__(reader)
        self._reader = reader
        with suppress(AttributeError):  # httptools < 0.6.3; as uvicorn does it
            self.set_dangerous_leniencies(lenient_data_after_close=True)

    @property
    def is_offered(self) -> bool:
        """Whether the request whose headers are there offers another protocol."""
        return self.should_upgrade() and self.get_method() != b"CONNECT"

    def read(self, data: bytes) -> None:
        """Read what has come.

        Raises
        ------
        httptools.HttpParserError
            If it is not HTTP.
        httptools.HttpParserUpgrade
            If another protocol is demanded, by ``CONNECT``.
        """
        rest: bytes | memoryview = data
        while True:
            try:
                self.feed_data(rest)
            except httptools.HttpParserUpgrade as stop:
                if not self.is_offered:
                    raise
                rest = memoryview(rest)[stop.args[0] :]  # many requests may have come at once
                self.feed_data(self._head())
            else:
                return

    def _head(self) -> bytes:
        """Write the head that was read, without the offer."""
        version = self.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (self.get_method(), self._reader.url, version)]
        lines += [b"%b: %b" % one for one in self._reader.headers if one[0] != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])
