"""The server's ASGI application: from a request to an answer, within limits."""

from __future__ import annotations

import asyncio
import logging
import random
import re
import time
import traceback
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Any, TypeVar

import msgspec
import numpy as np
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from churn.core.errors import DataError
from churn.core.params import ServeParams
from churn.serve import answers, metrics, openapi, v2
from churn.serve.access import Keys
from churn.serve.answers import RETRY, Answer, Refusal
from churn.serve.explaining import Explaining
from churn.serve.monitored import Monitored
from churn.serve.predicting import Asked, Found, Predictor, is_small
from churn.serve.prediction_log import PredictionLog
from churn.serve.questions import QuestionError, TooManyRowsError
from churn.serve.rows import Rows
from churn.serve.served import Served
from churn.serve.versions import CHAMPION, Read, Serving, Versions, by_version

_logger = logging.getLogger(__name__)
SMALL_BODY = 64_000  # bytes; more take so long to decode that another thread does it
_DISCARD, _DISCARD_S = 4, 5.0  # times the limit, and seconds, that are read of a larger body
_REQUEST_ID = re.compile(rb"[!-~]{1,128}")
_V2 = re.compile(r"/v2/models/([^/]+)(?:/versions/([^/]+))?(?:/(infer|ready))?")
_JSON, _CSV, _PLAIN_JSON = "application/json", "text/csv", b"application/json"
_FOR_PEOPLE = ("/", "/docs", "/openapi.json")
ASKED = "asked"  # in the state of a request of ASGI that was held: the `Asked` of then

Message = dict[str, Any]  # of ASGI
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
T = TypeVar("T")


class Request(msgspec.Struct, frozen=True):
    """A request that is being answered."""

    path: str
    headers: dict[bytes, bytes]
    receive: Receive
    asked: Asked


class App:
    """Answers requests with what `serving` holds.

    Parameters
    ----------
    settings : ServeParams
    keys : Keys
    log : PredictionLog, optional
    shared : churn.serve.metrics.Shared, optional
        Where all workers put their numbers; default is that there is one process.

    Attributes
    ----------
    serving : Serving or None
        None before a model is loaded.
    draining : bool
        Whether callers are to close their connections, because the server ends.
    in_flight : int
        Number of requests that are being answered.
    """

    def __init__(
        self,
        settings: ServeParams,
        keys: Keys,
        log: PredictionLog | None = None,
        shared: metrics.Shared | None = None,
    ) -> None:
        self.serving: Serving | None = None
        self.draining = False
        self.in_flight = 0
        self._settings, self._keys, self._log, self._shared = settings, keys, log, shared
        self._max_body = int(settings.max_body_mb * 1_000_000)
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="predict")
        self._predictor = Predictor(self._threads, settings.timeout_s, log)
        self._versions = Versions(self._predictor)
        self._explaining = Explaining(settings.timeout_s)
        self._monitored = Monitored(settings.monitor)
        # By path: what answers, with which method, and whether it is about the server's health,
        # which is told without a key and under any load.
        self._routes: dict[str, tuple[Callable[[Request], Awaitable[Answer]], str, bool]] = {
            "/invocations": (self._invocations, "POST", False),
            "/explain": (self._explain, "POST", False),
            "/ping": (self._ping, "GET", True),
            "/health": (self._ping, "GET", True),
            "/version": (self._version, "GET", True),
            "/v2": (self._about, "GET", False),
            "/v2/health/live": (self._live, "GET", True),
            "/v2/health/ready": (self._ready, "GET", True),
            "/metrics": (self._metrics, "GET", False),
            "/docs": (self._docs, "GET", False),
            "/openapi.json": (self._openapi, "GET", False),
            "/": (self._root, "GET", False),
        }

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI calls it."""
        path, headers = scope["path"], dict(scope["headers"])
        asked = scope.get("state", {}).get(ASKED) or asked_now(headers)
        request = Request(path, headers, receive, asked)
        endpoint = path if path in self._routes else _endpoint(path)
        self.in_flight += 1
        try:
            try:
                answer = await self._handler(request, scope["method"])(request)
            except Exception as error:
                refusal = self._refusal(asked, error)
                metrics.count("churn_errors", refusal.kind)
                answer = refusal.answer(v2=path.startswith("/v2"))
            metrics.count("churn_requests", endpoint, str(answer.status))
            shown = [*answer.head, (b"x-request-id", asked.id.encode())]
            if self.draining:
                shown.append((b"connection", b"close"))
            start = {"type": "http.response.start", "status": answer.status, "headers": shown}
            await send(start)
            await send({"type": "http.response.body", "body": answer.body})
        finally:
            self.in_flight -= 1
        taken = time.perf_counter() - asked.begun
        metrics.observe("churn_request_duration_seconds", taken, endpoint)

    def may_begin(self, headers: dict[bytes, bytes]) -> bool:
        """Tell from a request's headers whether `begin` may be asked when its body is there."""
        return (
            self.serving is not None
            and self.serving.trial is None
            and not self.draining
            and self.in_flight < self._settings.max_in_flight
            and headers.get(b"content-type") == _PLAIN_JSON
            and b"content-encoding" not in headers
            and self._keys.admit(headers)
        )

    def begin(self, asked: Asked, body: bytes, send: Callable[[bytes], None]) -> bool:
        """Begin to answer a usual request for predictions, without ASGI.

        Parameters
        ----------
        asked : Asked
            Of whose headers `may_begin` has told that it may.
        body : bytes
            Fewer than `SMALL_BODY`.
        send : callable
            Gets the answer, HTTP's head and all.

        Returns
        -------
        bool
            Whether it will be answered; if not, it is for ASGI.
        """
        serving = self.serving
        if serving is None or serving.trial is not None or self.draining:  # while the body came
            return False
        if len(body) > self._max_body:
            return False
        champion = serving.champion
        try:
            rows = champion.questions.read_json(body)
        except Exception:  # the same body fails there in the same way, and is told
            return False
        if not is_small(champion, rows):
            return False
        self.in_flight += 1

        def tell(found: Found | Exception) -> None:
            self.in_flight -= 1
            if isinstance(found, Found):
                answer = _predicted(found)
            else:
                refusal = self._refusal(asked, found)
                metrics.count("churn_errors", refusal.kind)
                answer = refusal.answer(v2=False)
            send(_whole(answer, asked.id))
            metrics.count("churn_requests", "/invocations", str(answer.status))
            taken = time.perf_counter() - asked.begun
            metrics.observe("churn_request_duration_seconds", taken, "/invocations")

        self._predictor.begin(asked, champion, rows, CHAMPION, tell)
        return True

    def _refusal(self, asked: Asked, error: Exception) -> Refusal:
        if isinstance(error, Refusal):
            return error
        if isinstance(error, TooManyRowsError):
            return Refusal(413, str(error), "too many rows")
        if isinstance(error, DataError):
            kind = "question" if isinstance(error, QuestionError) else "cell"
            return Refusal(400, str(error), kind)
        if isinstance(error, TimeoutError):
            limit = f"{self._settings.timeout_s:g} s"
            return Refusal(503, f"no answer within {limit} (serve.timeout_s)", "timeout", RETRY)
        # The type and the place, and not the message, which may hold a customer's data.
        place = "".join(traceback.format_tb(error.__traceback__))
        _logger.error("request %s: %s\n%s", asked.id, type(error).__name__, place)
        return Refusal(500, f"the server has failed; request {asked.id}", "server")

    def _handler(self, request: Request, method: str) -> Callable[[Request], Awaitable[Answer]]:
        """Return what answers a request; refuse it, if nothing may."""
        route = self._routes.get(request.path)
        if route is None:
            found = _V2.fullmatch(request.path)
            if found is None:
                raise Refusal(404, f"{request.path[:80]}: not here; see /docs", "path")
            infer = found[3] == "infer"
            route = (self._infer if infer else self._model, "POST" if infer else "GET", False)
        handle, wanted, is_health = route
        if method != wanted and not (method == "HEAD" and wanted == "GET"):
            raise Refusal(405, f"use {wanted}", "method", ((b"allow", wanted.encode()),))
        if not is_health:
            self._require_admitted(request)
        return handle

    def _require_admitted(self, request: Request) -> None:
        if not self._keys.admit(request.headers):
            # A browser asks for the key, as a password, where it is told Basic.
            scheme = b'Basic realm="churn"' if request.path in _FOR_PEOPLE else b"Bearer"
            challenge = ((b"www-authenticate", scheme),)
            raise Refusal(401, "a key is needed: Authorization: Bearer KEY", "key", challenge)
        if self.in_flight > self._settings.max_in_flight:
            raise Refusal(503, "too many requests at once; try again", "overload", RETRY)

    def _serving(self) -> Serving:
        if self.serving is None:
            raise Refusal(503, "no model is loaded yet", "not ready", RETRY)
        return self.serving

    async def _body(self, request: Request) -> bytes:
        if request.headers.get(b"content-encoding", b"identity") != b"identity":
            raise Refusal(415, "a compressed body; send it as it is", "content type")
        length = request.headers.get(b"content-length", b"")
        parts, size = [], 0
        is_large = length.isdigit() and int(length) > self._max_body
        while not is_large:
            message = await request.receive()
            if message["type"] == "http.disconnect":
                raise Refusal(400, "the caller has gone", "caller gone")
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            is_large = size > self._max_body
            if not message.get("more_body") and not is_large:
                return parts[0] if len(parts) == 1 else b"".join(parts)
        # A caller that asks first (Expect: 100-continue) is told before it sends the body.
        if b"expect" not in request.headers:
            await self._discard(request)
        limit = f"{self._settings.max_body_mb:g} MB"
        close = ((b"connection", b"close"),)  # there may be more of the body
        raise Refusal(413, f"a body of more than {limit} (serve.max_body_mb)", "body", close)

    async def _discard(self, request: Request) -> None:
        """Read what is left of a body, within limits.

        A connection that is closed while its caller still sends is reset, and the caller does not
        get the answer.
        """
        left = _DISCARD * self._max_body
        try:
            async with asyncio.timeout(min(_DISCARD_S, self._settings.timeout_s / 2)):
                while left > 0:
                    message = await request.receive()
                    left -= len(message.get("body", b""))
                    if not message.get("more_body"):
                        return
        except TimeoutError:
            return

    async def _invocations(self, request: Request) -> Answer:
        serving = self._serving()
        rows, read = await self._question(request, serving)
        return _predicted(await self._versions.predict(request.asked, serving, rows, read))

    async def _explain(self, request: Request) -> Answer:
        serving = self._serving()
        rows, read = await self._question(request, serving)
        if len(rows) > self._settings.max_explained:
            most = f"{self._settings.max_explained} (serve.max_explained)"
            raise TooManyRowsError(f"{len(rows)} customers; a request for reasons may have {most}")
        parts = everything = [(serving.champion, rows, np.arange(len(rows)))]
        try:
            parts = by_version(serving, rows, read)
            found = await self._explaining.answer(parts, len(rows))
        except (DataError, Refusal) as error:
            is_busy = isinstance(error, Refusal) and error.kind == "overload"
            if serving.trial is None or serving.trial.shadow or is_busy:
                raise
            metrics.count("churn_challenger_failures", serving.trial.served.version)
            parts, found = everything, await self._explaining.answer(everything, len(rows))
        versions = ",".join(served.version for served, *_ in parts)
        return Answer(200, answers.encode(found), headers=_version_header(versions))

    async def _question(self, request: Request, serving: Serving) -> tuple[Rows, Read]:
        """Read a request in MLflow's protocol; also return what reads it for another version."""
        kind = _media_type(request.headers.get(b"content-type"))
        body = await self._body(request)

        def read(served: Served) -> Rows:
            questions = served.questions
            return questions.read_csv(body) if kind == _CSV else questions.read_json(body)

        return await self._decoded(len(body), read, serving.champion), read

    async def _infer(self, request: Request) -> Answer:
        serving, wanted = self._named(request)
        body = await self._body(request)
        length = request.headers.get(v2.HEADER_LENGTH)
        json_length = None if length is None else length.decode("latin-1")
        answered = (wanted or serving.champion).output.answered
        inference = await self._decoded(len(body), v2.read, body, json_length, answered)

        def read(served: Served) -> Rows:
            return served.questions.read_columns(inference.columns)

        rows = await self._decoded(len(body), read, wanted or serving.champion)
        if wanted is None:
            found = await self._versions.predict(request.asked, serving, rows, read)
        else:  # that one, whoever the customers are
            found = await self._predictor.predict(request.asked, wanted, rows, "named")
        headers = _version_header(found.version)
        return v2.answer(inference, serving.name, found.version, found.answer, headers)

    async def _decoded(self, size: int, work: Callable[..., T], *arguments: Any) -> T:
        """Decode a body, a large one in another thread."""
        if size < SMALL_BODY:
            return work(*arguments)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._settings.timeout_s):
            return await loop.run_in_executor(self._threads, work, *arguments)

    @property
    def log_queue(self) -> int:
        """Number of predictions that wait to be logged."""
        return 0 if self._log is None else self._log.waiting

    async def settle(self, timeout_s: float) -> None:
        """Wait for the predictions of shadows."""
        await self._versions.settle(timeout_s)

    async def close(self) -> None:
        """End the process that finds reasons."""
        await self._explaining.close()

    def _named(self, request: Request) -> tuple[Serving, Served | None]:
        """Return what is served, and the version that the path names."""
        serving = self._serving()
        found = _V2.fullmatch(request.path)
        name, wanted = (found[1], found[2]) if found else ("", None)
        if name != serving.name:
            raise Refusal(404, f"no model {name[:80]!r}; there is {serving.name!r}", "path")
        loaded = {one.version: one for one in _loaded(serving)}
        if wanted is not None and wanted not in loaded:
            raise Refusal(404, f"no version {wanted[:80]!r}; there is {', '.join(loaded)}", "path")
        return serving, loaded[wanted] if wanted else None

    async def _model(self, request: Request) -> Answer:
        serving, wanted = self._named(request)
        if request.path.endswith("/ready"):
            return Answer(200, answers.encode({"name": serving.name, "ready": True}))
        served = wanted or serving.champion
        versions = [one.version for one in _loaded(serving)]
        return v2.metadata(serving.name, versions, served.model)

    async def _about(self, _: Request) -> Answer:
        body = {"name": "churn", "version": version("churn"), "extensions": ["binary_tensor_data"]}
        return Answer(200, answers.encode(body))

    async def _live(self, _: Request) -> Answer:
        return Answer(200, b'{"live":true}')

    async def _ready(self, _: Request) -> Answer:
        is_ready = self.serving is not None and not self.draining
        return Answer(200 if is_ready else 503, answers.encode({"ready": is_ready}))

    async def _ping(self, _: Request) -> Answer:
        is_ready = self.serving is not None and not self.draining
        return Answer(200 if is_ready else 503, b"\n")

    async def _version(self, _: Request) -> Answer:
        return Answer(200, version("mlflow").encode())  # as MLflow's server does

    async def _metrics(self, _: Request) -> Answer:
        body, kind = await asyncio.get_running_loop().run_in_executor(
            self._threads, metrics.exposition, self._shared, self._monitored
        )
        return Answer(200, body, kind)

    async def _docs(self, _: Request) -> Answer:
        return answers.text(openapi.page(self._description()), b"text/html; charset=utf-8")

    async def _openapi(self, _: Request) -> Answer:
        return Answer(200, answers.encode(self._description()))

    def _description(self) -> openapi.Document:
        serving = self._serving()
        champion = serving.champion
        return openapi.description(serving.name, champion.model, champion.example, bool(self._keys))

    async def _root(self, _: Request) -> Answer:
        return Answer(307, b"", headers=((b"location", b"/docs"),))


def asked_now(headers: dict[bytes, bytes]) -> Asked:
    """Note which request has come, when its headers are there."""
    return Asked(_request_id(headers.get(b"x-request-id")), time.perf_counter(), time.time())


def _predicted(found: Found) -> Answer:
    body = answers.predictions(found.answer)
    return Answer(200, body, headers=_version_header(found.version))


def _whole(answer: Answer, request_id: str) -> bytes:
    more = b"".join([b"\r\n%b: %b" % header for header in answer.headers])
    return b"%bcontent-type: %b\r\ncontent-length: %d%b\r\nx-request-id: %b\r\n\r\n%b" % (
        STATUS_LINE[answer.status],
        answer.kind,
        len(answer.body),
        more,
        request_id.encode(),
        answer.body,
    )


def _endpoint(path: str) -> str:
    """Return the name of a path in the metrics, of which there may not be any number."""
    found = _V2.fullmatch(path)
    return f"/v2/models/{found[3] or ''}" if found else "other"


def _loaded(serving: Serving) -> list[Served]:
    trial = serving.trial
    return [serving.champion, *([trial.served] if trial else [])]


def _version_header(served: str) -> tuple[tuple[bytes, bytes], ...]:
    return ((b"x-model-version", served.encode()),)


def _request_id(given: bytes | None) -> str:
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given.decode("ascii")
    return random.randbytes(16).hex()  # noqa: S311 (a name, and no secret)


def _media_type(header: bytes | None) -> str:
    """Return the type of a body, as MLflow's server accepts it."""
    if header == _PLAIN_JSON:
        return _JSON
    text = (header or b"").decode("latin-1")
    kind, *parameters = [part.strip().lower() for part in text.split(";")]
    if kind not in (_JSON, _CSV):
        raise Refusal(415, f"content type {kind[:80]!r} (valid: {_JSON}, {_CSV})", "content type")
    if any(parameter not in ("", "charset=utf-8") for parameter in parameters):
        raise Refusal(415, "the body must be UTF-8, without other parameters", "content type")
    return kind
