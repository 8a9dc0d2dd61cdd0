"""Ask an ASGI application in this process, as a server would."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from churn.serve.app import App


@dataclass(frozen=True)
class Response:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def probabilities(self) -> list[float]:
        return [one["probability"] for one in self.json["predictions"]]


async def ask(
    app: App,
    path: str,
    body: bytes | Any = b"",
    headers: dict[str, str] | Sequence[tuple[bytes, bytes]] = (),
    method: str = "",
    parts: Sequence[bytes] | None = None,
) -> Response:
    """Send a request; anything but bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent: list[dict[str, Any]] = []
    given = headers.items() if isinstance(headers, dict) else headers
    raw = [(_bytes(name).lower(), _bytes(value)) for name, value in given]
    if content and not any(name == b"content-type" for name, _ in raw):
        raw.append((b"content-type", b"application/json"))
    chunks = list(parts if parts is not None else [content])
    messages = [
        {"type": "http.request", "body": chunk, "more_body": place < len(chunks) - 1}
        for place, chunk in enumerate(chunks)
    ]

    async def receive() -> dict[str, Any]:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method or ("POST" if content or parts else "GET"),
        "path": path,
        "query_string": b"",
        "headers": raw,
    }
    await app(scope, receive, send)
    start, *rest = sent
    assert start["type"] == "http.response.start"
    assert [one["type"] for one in rest] == ["http.response.body"]
    answered = Response(
        start["status"],
        {name.decode(): value.decode("latin-1") for name, value in start["headers"]},
        rest[0]["body"],
    )
    assert int(answered.headers["content-length"]) == len(answered.body)
    return answered


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1")


def asked(app: App, path: str, *arguments: Any, **more: Any) -> Response:
    """Send one request in a loop of its own."""

    async def answered() -> Response:
        try:
            return await ask(app, path, *arguments, **more)
        finally:
            await app.close()

    return asyncio.run(answered())
