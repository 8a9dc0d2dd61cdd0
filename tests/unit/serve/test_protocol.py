"""The short way of a usual request says the same as the long one, and nothing else takes it."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

import pandas as pd
import pytest

from churn.core.params import ServeParams
from churn.model.artifact import Model
from churn.serve import metrics
from churn.serve.access import Keys
from churn.serve.app import SMALL_BODY, App
from churn.serve.prediction_log import Entry, PredictionLog
from churn.serve.protocol import close_idle
from churn.serve.served import Served
from churn.serve.versions import Serving, Trial
from churn.serve.worker import Server, config
from tests.unit.serve.models import KEY

pytestmark = pytest.mark.long

T = TypeVar("T")
SECRET = "a name"
LONG = "application/json; charset=utf-8"  # means the same, and is not written as usual
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Watched(App):
    """The application, which notes what came through ASGI and what did not."""

    def __init__(
        self, champion: Served, keys: Keys, log: PredictionLog | None = None, **settings: Any
    ) -> None:
        super().__init__(ServeParams(**settings), keys, log)
        self.serving = Serving("churn", champion)
        self.ways: list[str] = []
        self.server: Server

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.ways.append("long")
        await super().__call__(scope, receive, send)

    def begin(self, *arguments: Any) -> bool:
        is_begun = super().begin(*arguments)
        if is_begun:
            self.ways.append("short")
        return is_begun


@pytest.fixture
def app(champion: Served) -> Watched:
    return Watched(champion, Keys())


@pytest.fixture(scope="module")
def customer(planned: pd.DataFrame, model: Model) -> bytes:
    cells = planned[[*model.card.inputs, "customer_id"]].head(1).astype(object)
    return json.dumps({"dataframe_records": cells.to_dict("records")}).encode()


def request(body: bytes, *headers: str, kind: str = "application/json") -> bytes:
    lines = [
        "POST /invocations HTTP/1.1",
        "Host: churn",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def served(app: Watched, work: Callable[[Callable[[], Awaitable[Connection]]], Awaitable[T]]) -> T:
    """Serve on a port while some work is done, which may open connections."""

    async def run() -> T:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            app.server = server = Server(config(app, 1))
            running = asyncio.create_task(server._serve([listening]))
            port = listening.getsockname()[1]
            try:
                return await work(lambda: asyncio.open_connection("127.0.0.1", port))
            finally:
                server.should_exit = True
                await running
                await app.close()

    return asyncio.run(run())


async def answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Read the head and the body of an answer."""
    async with asyncio.timeout(10):
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        return head, await reader.readexactly(int(length))


def answers(app: Watched, *requests: bytes) -> list[tuple[bytes, bytes]]:
    """Send requests one after the other through one connection."""

    async def work(connect: Callable[[], Awaitable[Connection]]) -> list[tuple[bytes, bytes]]:
        reader, writer = await connect()
        found = []
        for one in requests:
            writer.write(one)
            found.append(await answer(reader))
        writer.close()
        return found

    return served(app, work)


def test_both_ways_give_the_same_bytes(app: Watched, customer: bytes) -> None:
    short, long = answers(
        app,
        request(customer, "X-Request-ID: abc"),
        request(customer, "X-Request-ID: abc", kind=LONG),
    )
    assert app.ways == ["short", "long"]
    assert short == long
    assert short[0].startswith(b"HTTP/1.1 200 OK\r\n")


def test_both_ways_count_alike(app: Watched, customer: bytes) -> None:
    def counted() -> list[float]:
        registry = metrics.collected(None)
        labels = {"endpoint": "/invocations"}
        return [
            registry.get_sample_value(name, {**labels, **more}) or 0
            for name, more in [
                ("churn_requests_total", {"status": "200"}),
                ("churn_request_duration_seconds_count", {}),
            ]
        ]

    before = counted()
    answers(app, request(customer))
    between = counted()
    answers(app, request(customer, kind=LONG))
    assert app.ways == ["short", "long"]
    assert [b - a for a, b in zip(before, between, strict=True)] == [1, 1]
    assert [b - a for a, b in zip(between, counted(), strict=True)] == [1, 1]
    assert app.in_flight == 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"dataframe_records": []}',
        b'{"dataframe_records": [{"age": "old"}]}',
        b'{"dataframe_records": [{"age": 1}]}',
        b'{"inputs": 3}',
    ],
)
def test_what_is_refused_is_refused_by_the_long_way(body: bytes, app: Watched) -> None:
    one, other = answers(
        app,
        request(body, "X-Request-ID: abc"),
        request(body, "X-Request-ID: abc", kind=LONG),
    )
    assert app.ways == ["long", "long"]
    assert one == other
    assert one[0].startswith(b"HTTP/1.1 400 ")


def test_a_key_is_asked_for(champion: Served, customer: bytes) -> None:
    app = Watched(champion, Keys([KEY]))
    without, wrong, right = answers(
        app,
        request(customer),
        request(customer, "X-API-Key: " + "x" * len(KEY)),
        request(customer, f"X-API-Key: {KEY}"),
    )
    assert app.ways == ["long", "long", "short"]
    for head, _ in (without, wrong):
        assert head.startswith(b"HTTP/1.1 401 ")
    assert right[0].startswith(b"HTTP/1.1 200 ")


def test_limits_hold(champion: Served, customer: bytes) -> None:
    body = Watched(champion, Keys(), max_body_mb=len(customer) / 1e6)
    busy = Watched(champion, Keys(), max_in_flight=1)
    busy.in_flight = 1
    rows = Watched(replace(champion, questions=_of_one(champion)), Keys())
    two = json.dumps({"dataframe_records": json.loads(customer)["dataframe_records"] * 2}).encode()
    heads = [
        answers(body, request(customer))[0][0],
        answers(body, request(customer + b" "))[0][0],
        answers(busy, request(customer))[0][0],
        answers(rows, request(two))[0][0],
    ]
    assert [head.split()[1] for head in heads] == [b"200", b"413", b"503", b"413"]


def _of_one(champion: Served) -> Any:
    return type(champion.questions)(champion.model, 1)


def test_others_go_the_long_way(app: Watched, customer: bytes, champion: Served) -> None:
    padded = customer + b" " * SMALL_BODY
    chunked = request(customer, "Transfer-Encoding: chunked").replace(
        f"Content-Length: {len(customer)}\r\n".encode(), b""
    )
    head, _, _ = chunked.partition(b"\r\n\r\n")
    in_chunks = head + b"\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(customer), customer)
    found = answers(app, request(padded), in_chunks)
    app.serving = Serving("churn", champion, Trial(champion, 0.0, False))
    found += answers(app, request(customer))
    app.serving, app.draining = Serving("churn", champion), True
    found += answers(app, request(customer))
    assert app.ways == ["long"] * 4
    assert {head.split()[1] for head, _ in found} == {b"200"}
    assert len({body for _, body in found}) == 1
    assert b"connection: close" in found[-1][0]


def test_requests_that_are_sent_at_once_are_answered_in_their_order(
    app: Watched, customer: bytes
) -> None:
    ids = [f"id-{i}" for i in range(6)]
    kinds = ["application/json", LONG, "application/json", "application/json", LONG, LONG]
    sent = b"".join(
        request(customer, f"X-Request-ID: {name}", kind=kind)
        for name, kind in zip(ids, kinds, strict=True)
    )

    async def work(connect: Callable[[], Awaitable[Connection]]) -> list[bytes]:
        reader, writer = await connect()
        writer.write(sent)
        found = [(await answer(reader))[0] for _ in ids]
        writer.close()
        return found

    heads = served(app, work)
    shown = [head.partition(b"x-request-id: ")[2].split()[0].decode() for head in heads]
    assert shown == ids
    assert app.ways[0] == "short"


def test_a_request_in_pieces_is_answered(app: Watched, customer: bytes) -> None:
    async def work(connect: Callable[[], Awaitable[Connection]]) -> bytes:
        reader, writer = await connect()
        for byte in request(customer):
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)
        head, _ = await answer(reader)
        writer.close()
        return head

    assert served(app, work).startswith(b"HTTP/1.1 200 ")
    assert app.ways == ["short"]


@pytest.mark.parametrize(
    ("sent", "way"), [("Connection: close", "short"), ("Connection: keep-alive", "short")]
)
def test_the_connection_ends_if_the_caller_wants_that(
    sent: str, way: str, app: Watched, customer: bytes
) -> None:
    async def work(connect: Callable[[], Awaitable[Connection]]) -> bool:
        reader, writer = await connect()
        writer.write(request(customer, sent))
        head, _ = await answer(reader)
        assert head.startswith(b"HTTP/1.1 200 ")
        try:
            return await asyncio.wait_for(reader.read(1), 0.2) == b""
        except TimeoutError:
            return False
        finally:
            writer.close()

    assert served(app, work) is (sent == "Connection: close")
    assert app.ways == [way]


def test_a_caller_that_asks_before_it_sends_is_told(app: Watched, customer: bytes) -> None:
    head, _, body = request(customer, "Expect: 100-continue").partition(b"\r\n\r\n")

    async def work(connect: Callable[[], Awaitable[Connection]]) -> list[bytes]:
        reader, writer = await connect()
        writer.write(head + b"\r\n\r\n")
        async with asyncio.timeout(10):
            told = await reader.readuntil(b"\r\n\r\n")
        writer.write(body)
        found = [told, (await answer(reader))[0]]
        writer.close()
        return found

    told, head = served(app, work)
    assert told.startswith(b"HTTP/1.1 100 ")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert app.ways == ["long"]


def test_a_caller_who_goes_takes_nothing_along(app: Watched, customer: bytes) -> None:
    async def work(connect: Callable[[], Awaitable[Connection]]) -> bytes:
        for _ in range(20):
            _, gone = await connect()
            gone.write(request(customer))
            gone.transport.abort()
        reader, writer = await connect()
        writer.write(request(customer))
        head, _ = await answer(reader)
        writer.close()
        return head

    assert served(app, work).startswith(b"HTTP/1.1 200 ")
    assert app.in_flight == 0


def test_a_connection_that_is_idle_is_closed_and_not_one_that_asks(
    app: Watched, customer: bytes
) -> None:
    async def work(connect: Callable[[], Awaitable[Connection]]) -> list[bool]:
        idle, asks = await connect(), await connect()
        for reader, writer in (idle, asks):
            writer.write(request(customer))
            await answer(reader)
        asks[1].write(request(customer)[:-1])  # the rest of it is on its way
        await asyncio.sleep(0.1)
        now, connections = asyncio.get_running_loop().time(), app.server.server_state.connections
        close_idle(connections, now - 60)
        await asyncio.sleep(0.1)
        before = [reader.at_eof() for reader, _ in (idle, asks)]
        close_idle(connections, now)
        await asyncio.sleep(0.1)
        after = [reader.at_eof() for reader, _ in (idle, asks)]
        asks[1].write(b"}")
        head, _ = await answer(asks[0])
        assert head.startswith(b"HTTP/1.1 200 ")
        for _, writer in (idle, asks):
            writer.close()
        return before + after

    assert served(app, work) == [False, False, True, False]
    assert app.ways == ["short"] * 3


def test_a_request_whose_body_is_on_its_way_counts_until_its_caller_goes(
    app: Watched, customer: bytes
) -> None:
    async def work(connect: Callable[[], Awaitable[Connection]]) -> list[int]:
        _, writer = await connect()
        writer.write(request(customer)[:-1])
        await asyncio.sleep(0.1)
        found = [app.in_flight]
        writer.transport.abort()
        await asyncio.sleep(0.1)
        return [*found, app.in_flight]

    assert served(app, work) == [1, 0]


@pytest.mark.parametrize("kind", ["application/json", LONG])
def test_a_request_whose_body_is_on_its_way_is_answered_before_the_server_ends(
    kind: str, app: Watched, customer: bytes
) -> None:
    async def work(connect: Callable[[], Awaitable[Connection]]) -> bytes:
        reader, writer = await connect()
        writer.write(request(customer, kind=kind)[:-1])
        await asyncio.sleep(0.1)
        app.server.should_exit = True
        await asyncio.sleep(0.5)  # it closes connections that ask nothing
        writer.write(customer[-1:])
        head, _ = await answer(reader)
        assert await reader.read(1) == b""
        return head

    assert served(app, work).startswith(b"HTTP/1.1 200 ")


def test_a_failure_tells_nothing_of_a_customer(
    champion: Served, customer: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        by_row = True

        def scores(self, *_: Any) -> Any:
            raise ValueError(SECRET)

    app = Watched(replace(champion, compiled=Broken()), Keys())  # type: ignore[arg-type]
    [(head, body)] = answers(app, request(customer, "X-Request-ID: abc"))
    assert app.ways == ["short"]
    assert head.startswith(b"HTTP/1.1 500 ")
    assert b"request abc" in body
    assert SECRET not in caplog.text + body.decode()
    assert app.in_flight == 0


@pytest.mark.parametrize("kind", ["application/json", LONG])
def test_a_caller_that_never_reads_is_cut_off(kind: str, app: Watched, customer: bytes) -> None:
    async def work(connect: Callable[[], Awaitable[Connection]]) -> bool:
        _, writer = await connect()
        many = request(customer, kind=kind) * 200
        try:
            async with asyncio.timeout(30):
                for _ in range(1000):
                    writer.write(many)
                    await writer.drain()
        except ConnectionError:
            return True
        return False

    assert served(app, work)


@pytest.mark.parametrize("kind", ["application/json", LONG])
@pytest.mark.parametrize("ends", ["between", "within"])
def test_an_answer_says_that_the_connection_ends(
    ends: str, kind: str, app: Watched, customer: bytes
) -> None:
    async def work(connect: Callable[[], Awaitable[Connection]]) -> bytes:
        reader, writer = await connect()
        if ends == "between":
            writer.write(request(customer, "Connection: close", kind=kind))
        else:  # the server begins to end while the body is on its way
            writer.write(request(customer, kind=kind)[:-1])
            await asyncio.sleep(0.1)
            app.draining = True
            writer.write(customer[-1:])
        head, _ = await answer(reader)
        writer.close()
        return head

    head = served(app, work)
    assert head.startswith(b"HTTP/1.1 200 ")
    assert head.endswith(b"\r\nconnection: close\r\n\r\n")
    assert head.count(b"connection") == 1


@pytest.mark.parametrize("kind", ["application/json", LONG])
@pytest.mark.parametrize("sent", [b"{", None])
def test_the_time_of_a_request_begins_with_its_headers(
    sent: bytes | None, kind: str, champion: Served, customer: bytes
) -> None:
    entries: list[Entry] = []
    body = customer if sent is None else sent

    class Log:
        add = staticmethod(entries.append)
        waiting = 0

    async def work(connect: Callable[[], Awaitable[Connection]]) -> None:
        reader, writer = await connect()
        writer.write(request(body, kind=kind)[:-1])
        await asyncio.sleep(0.3)
        writer.write(body[-1:])
        await answer(reader)
        writer.close()

    app = Watched(champion, Keys(), log=Log())
    labels = {"endpoint": "/invocations"}
    name = "churn_request_duration_seconds_sum"
    before = metrics.collected(None).get_sample_value(name, labels) or 0
    served(app, work)
    after = metrics.collected(None).get_sample_value(name, labels) or 0
    assert after - before > 0.25
    assert [entry.latencies_ms[0] > 250 for entry in entries] == [True] * (sent is None)


@pytest.mark.parametrize("kind", ["application/json", LONG])
def test_a_caller_who_goes_while_the_body_is_on_its_way_is_counted(
    kind: str, app: Watched, customer: bytes
) -> None:
    def counted() -> list[float]:
        registry = metrics.collected(None)
        refused = {"endpoint": "/invocations", "status": "400"}
        return [
            registry.get_sample_value("churn_errors_total", {"kind": "caller gone"}) or 0,
            registry.get_sample_value("churn_requests_total", refused) or 0,
        ]

    async def work(connect: Callable[[], Awaitable[Connection]]) -> None:
        _, writer = await connect()
        writer.write(request(customer, kind=kind)[:-1])
        await asyncio.sleep(0.1)
        writer.transport.abort()
        await asyncio.sleep(0.1)

    before = counted()
    served(app, work)
    assert [b - a for a, b in zip(before, counted(), strict=True)] == [1, 1]
    assert app.in_flight == 0


@pytest.mark.parametrize(
    ("kind", "method"), [("application/json", b"POST"), (LONG, b"POST"), (LONG, b"PUT")]
)
def test_what_is_no_new_request_keeps_no_connection(
    kind: str, method: bytes, app: Watched, customer: bytes
) -> None:
    async def work(connect: Callable[[], Awaitable[Connection]]) -> list[bool]:
        reader, writer = await connect()
        whole = request(customer, kind=kind).replace(b"POST", method) + b"\r\n"
        # The last is refused before its body comes; after the others there is an empty line.
        size = len(customer) + 2 if method == b"PUT" else 2
        writer.write(whole[:-size])
        await answer(reader)
        writer.write(whole[-size:])
        await asyncio.sleep(0.1)
        now, connections = asyncio.get_running_loop().time(), app.server.server_state.connections
        found = []
        for before in (now - 60, now):
            close_idle(connections, before)
            await asyncio.sleep(0.1)
            found.append(reader.at_eof())
        writer.close()
        return found

    assert served(app, work) == [False, True]


@pytest.mark.parametrize("n", [1, 300])  # the event loop and a thread predict
def test_a_caller_who_sends_no_more_is_answered(n: int, app: Watched, customer: bytes) -> None:
    many = json.dumps({"dataframe_records": json.loads(customer)["dataframe_records"] * n}).encode()

    async def work(connect: Callable[[], Awaitable[Connection]]) -> list[bytes]:
        reader, writer = await connect()
        writer.write(request(many) * 2)
        writer.write_eof()
        found = [(await answer(reader))[0] for _ in range(2)]
        assert await asyncio.wait_for(reader.read(), 5) == b""
        _, half = await connect()
        half.write(request(many)[:-1])
        half.write_eof()
        await asyncio.sleep(0.1)
        assert app.in_flight == 0  # there is nothing to wait for
        writer.close()
        half.close()
        return found

    assert [head.split()[1] for head in served(app, work)] == [b"200"] * 2


@pytest.mark.parametrize("kind", ["application/json", LONG])
@pytest.mark.parametrize("form", ["whole", "in chunks", "in pieces"])
def test_a_request_that_offers_another_protocol_is_answered_in_this_one(
    form: str, kind: str, app: Watched, customer: bytes
) -> None:
    offer = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMA")
    plain, offers = (
        request(customer, "X-Request-ID: abc", *more, kind=kind) for more in ((), offer)
    )
    if form == "in chunks":
        length = f"Content-Length: {len(customer)}".encode()
        chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(customer), customer)
        offers = offers.replace(length, b"Transfer-Encoding: chunked").replace(customer, chunks)

    async def work(connect: Callable[[], Awaitable[Connection]]) -> list[tuple[bytes, bytes]]:
        reader, writer = await connect()
        if form == "in pieces":
            for byte in offers:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0)
            writer.write(plain)
        else:
            writer.write(offers + plain)
        found = [await answer(reader) for _ in range(2)]
        writer.close()
        return found

    one, other = served(app, work)
    assert one == other
    assert one[0].startswith(b"HTTP/1.1 200 ")


def test_a_body_is_no_request(app: Watched, customer: bytes) -> None:
    """Somebody else may have written it, and what stands in front sees one request."""
    inner = request(customer, "X-Request-ID: inner")
    offer = request(inner, "Connection: Upgrade", "Upgrade: h2c", "X-Request-ID: outer", kind=LONG)

    async def work(connect: Callable[[], Awaitable[Connection]]) -> bytes:
        reader, writer = await connect()
        writer.write(offer[: -len(inner)])
        await asyncio.sleep(0.1)
        writer.write(inner)
        await asyncio.sleep(0.3)
        writer.write_eof()
        return await asyncio.wait_for(reader.read(), 5)

    found = served(app, work)
    assert found.startswith(b"HTTP/1.1 400 ")
    assert b"x-request-id: outer" in found
    assert found.count(b"HTTP/1.1") == 1


def test_many_offers_at_once_are_answered(app: Watched, customer: bytes) -> None:
    offer = request(customer, "Connection: Upgrade", "Upgrade: h2c")

    async def work(connect: Callable[[], Awaitable[Connection]]) -> int:
        reader, writer = await connect()
        writer.write(offer * 100)
        heads = [(await answer(reader))[0] for _ in range(100)]
        writer.close()
        return sum(head.startswith(b"HTTP/1.1 200 ") for head in heads)

    assert served(app, work) == 100


def test_nothing_is_tunnelled(app: Watched, customer: bytes) -> None:
    tunnel = request(customer, "Connection: Upgrade", "Upgrade: h2c").replace(b"POST", b"CONNECT")
    [(head, _)] = answers(app, tunnel)
    assert head.startswith(b"HTTP/1.1 405 ")


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        ("X: ", b"x" * 1000),
        ("", b"X: x\r\n" * 150),
        ("Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: x\r\n" * 150),  # after the body
    ],
)
def test_a_head_without_an_end_is_cut_off(start: str, piece: bytes, app: Watched) -> None:
    async def work(connect: Callable[[], Awaitable[Connection]]) -> int:
        _, writer = await connect()
        writer.write(f"POST /invocations HTTP/1.1\r\n{start}".encode())
        pieces = 0
        with suppress(ConnectionError):
            async with asyncio.timeout(20):
                while pieces < 3000:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
                    pieces += 1
        return pieces

    assert 60 < served(app, work) < 2000  # the kernel holds some of it


def test_a_long_head_or_body_is_not_cut_off(app: Watched, customer: bytes) -> None:
    body = customer + b" " * 1_000_000

    async def work(connect: Callable[[], Awaitable[Connection]]) -> list[bytes]:
        reader, writer = await connect()
        found = []
        for sent in (request(body), request(customer, "X: " + "x" * 60_000)):
            for start in range(0, len(sent), 5_000):
                writer.write(sent[start : start + 5_000])
                await writer.drain()
                await asyncio.sleep(0)
            found.append((await answer(reader))[0])
        writer.close()
        return found

    assert [head.split()[1] for head in served(app, work)] == [b"200"] * 2
