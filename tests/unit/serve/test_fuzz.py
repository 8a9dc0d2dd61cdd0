"""Whatever is asked, the answer is in the protocol's form and no failure of the server."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from churn.core.params import ServeParams
from churn.serve.access import Keys
from churn.serve.app import App
from churn.serve.served import Served
from churn.serve.versions import Serving, Trial
from tests.unit.serve.asgi import Response, asked
from tests.unit.serve.models import KEY, unproven

pytestmark = pytest.mark.long
ASK, INFER = "/invocations", "/v2/models/churn/infer"
many = settings(
    max_examples=250,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.fixture(scope="module")
def app(champion: Served) -> App:
    found = App(ServeParams(max_body_mb=0.2), Keys())
    trial = Trial(unproven(champion.model, "4"), 0.3, False)
    found.serving = Serving("churn", champion, trial)
    return found


def require_form(response: Response, path: str) -> None:
    """Require an answer in the form of the path's protocol, and no failure of the server."""
    assert response.status < 500, response.body
    found = response.json
    if response.status != 200:
        keys = {"error"} if path.startswith("/v2") else {"error_code", "message"}
        assert set(found) == keys
        assert all(isinstance(text, str) and text for text in found.values())
    elif path == ASK:
        for one in found["predictions"]:
            assert set(one) == {"probability", "prediction"}
            assert 0 <= one["probability"] <= 1
            assert one["prediction"] == int(one["probability"] >= 0.4)
    elif path == INFER:
        assert found["model_name"] == "churn"
        assert {one["name"] for one in found["outputs"]} <= {"probability", "prediction"}


numbers = st.one_of(
    st.floats(-1e6, 1e6),
    st.integers(-(10**6), 10**6),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([10**30, 10**400, -0.0, 1e-320, 3.4e38, 3.5e38]),
)
texts = st.one_of(
    st.sampled_from(["gold", "basic", "", " ", "41", "1e5", "TRUE", "null", "\ud800", "\x00"]),
    st.text(st.characters(), max_size=8),
)
anything = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)
SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "number": numbers,
    "integer": st.integers(-1, 4),
    "string": texts,
    "boolean": st.booleans(),
    "null": st.none(),
}


def of_schema(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Return what an OpenAPI schema describes."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    for either in ("oneOf", "anyOf"):
        if either in schema:
            return st.one_of([of_schema(one) for one in schema[either]])
    kinds = schema.get("type", [])
    if isinstance(kinds, list):
        return st.one_of([SCALARS[kind] for kind in kinds]) if kinds else anything
    if kinds == "array":
        inner = of_schema(schema.get("items", {}))
        return st.lists(inner, min_size=schema.get("minItems", 0), max_size=3)
    if kinds == "object":
        properties = {name: of_schema(one) for name, one in schema.get("properties", {}).items()}
        required = set(schema.get("required", properties))
        return st.fixed_dictionaries(
            {name: one for name, one in properties.items() if name in required},
            optional={name: one for name, one in properties.items() if name not in required},
        )
    return SCALARS[kinds]


def bodies(app: App, path: str) -> st.SearchStrategy[Any]:
    operation = asked(app, "/openapi.json").json["paths"][path]["post"]
    content = operation["requestBody"]["content"]["application/json"]
    return st.one_of(of_schema(content["schema"]), st.just(content["example"]))


def damaged(body: bytes, seed: int) -> bytes:
    """Cut, change, double or insert bytes somewhere."""
    draw = random.Random(seed)
    if not body:
        return body
    place, end = sorted(draw.randrange(len(body) + 1) for _ in range(2))
    change = draw.choice(
        [
            lambda: body[:place],
            lambda: body[:place] + body[end:],
            lambda: body[:end] + body[place:],
            lambda: body[:place] + bytes([draw.randrange(256)]) + body[place + 1 :],
            lambda: body[:place] + draw.randbytes(4) + body[place:],
            lambda: body.replace(b"1", b"9" * 5000),
            lambda: body.replace(b'"', b"'", 2),
            lambda: body.replace(b":", b":" + b"[" * 3000, 1),
        ]
    )
    return change()


@many
@given(st.data(), st.sampled_from([ASK, INFER]), st.none() | st.integers(0, 2**32))
def test_what_the_description_describes_is_answered_or_refused(
    app: App, data: st.DataObject, path: str, seed: int | None
) -> None:
    asked_for = data.draw(bodies(app, path))
    body = json.dumps(asked_for).encode()
    require_form(asked(app, path, body if seed is None else damaged(body, seed)), path)


@many
@given(st.data(), st.sampled_from([ASK, INFER]))
def test_a_good_request_with_anything_somewhere_in_it_is_answered_or_refused(
    app: App, data: st.DataObject, path: str
) -> None:
    operation = asked(app, "/openapi.json").json["paths"][path]["post"]
    body = operation["requestBody"]["content"]["application/json"]["example"]
    places: list[tuple[Any, Any]] = []

    def collect(node: Any) -> None:
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            places.append((node, key))
            if isinstance(value, (dict, list)):
                collect(value)

    collect(body)
    for node, key in data.draw(st.lists(st.sampled_from(places), min_size=1, max_size=3)):
        if (isinstance(node, dict) and key in node) or isinstance(node, list):
            node[key] = data.draw(anything)
    require_form(asked(app, path, json.dumps(body).encode()), path)


@many
@given(st.binary(max_size=300), st.sampled_from([ASK, INFER]), st.booleans())
def test_random_bytes_are_refused(app: App, body: bytes, path: str, is_csv: bool) -> None:
    kind = "text/csv" if is_csv else "application/json"
    response = asked(app, path, body, {"content-type": kind}, "POST")
    require_form(response, path)
    assert response.status == 400


cells = st.one_of(numbers.map(repr), st.text(st.characters(codec="utf-8"), max_size=5))


@many
@given(st.lists(st.lists(cells, min_size=7, max_size=10), max_size=4), st.integers(0, 2**32))
def test_any_csv_is_answered_or_refused(
    app: App, champion: Served, rows: list[list[str]], seed: int
) -> None:
    lines = [",".join(row) for row in [champion.model.card.inputs, *rows]]
    body = "\n".join(lines).encode()
    for sent in (body, damaged(body, seed)):
        require_form(asked(app, ASK, sent, {"content-type": "text/csv"}, "POST"), ASK)


NAMES = [
    "content-type",
    "content-length",
    "inference-header-content-length",
    "x-request-id",
    "authorization",
    "x-api-key",
    "content-encoding",
    "transfer-encoding",
    "accept",
    "host",
]
VALUES = [
    "",
    "0",
    "-1",
    "12",
    "9" * 400,
    "application/json",
    "text/csv;;",
    "Bearer",
    f"Bearer {KEY}",
]
latin = st.text(st.characters(max_codepoint=255), max_size=12)
headers = st.lists(
    st.tuples(st.sampled_from(NAMES) | latin, st.sampled_from(VALUES) | latin), max_size=5
)
segments = st.sampled_from(
    ["v2", "models", "churn", "versions", "3", "4", "infer", "ready", "health"]
)
paths = st.one_of(
    st.sampled_from([ASK, INFER, "/v2/models/churn/versions/4/infer", "/v2/models/churn"]),
    st.lists(segments | st.text(max_size=5), max_size=7).map(lambda parts: "/" + "/".join(parts)),
)


@many
@given(
    paths,
    st.sampled_from(["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "get", ""]),
    headers,
    st.sampled_from([b"", b"{}", b"[]", b'{"inputs": []}']),
    st.booleans(),
)
def test_any_path_method_and_headers_are_answered_or_refused(
    app: App,
    champion: Served,
    path: str,
    method: str,
    given_headers: list[tuple[str, str]],
    body: bytes,
    with_keys: bool,
) -> None:
    if with_keys:
        app = App(ServeParams(), Keys([KEY]))
        app.serving = Serving("churn", champion)
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in given_headers]
    response = asked(app, path, body, raw, method or "PATCH")
    if response.status not in (200, 307) or path in (ASK, INFER):
        require_form(response, path)


@many
@given(st.data(), st.integers(0, 2**32))
def test_damaged_binary_tensors_are_answered_or_refused(
    app: App, champion: Served, data: st.DataObject, seed: int
) -> None:
    card = champion.model.card
    inputs, tail = [], b""
    for name in card.inputs:
        kind = "BYTES" if name in card.categorical else data.draw(st.sampled_from(["FP32", "FP64"]))
        content = {"BYTES": b"\4\0\0\0gold", "FP32": b"\0\0\x80?", "FP64": b"\0" * 8}[kind]
        size = data.draw(st.sampled_from([len(content)] * 20 + [0, 1, 2**40, -1]))
        parameters = {"binary_data_size": size}
        inputs.append({"name": name, "shape": [1], "datatype": kind, "parameters": parameters})
        tail += content
    head = json.dumps({"inputs": inputs}).encode()
    for body in (head + tail, head + damaged(tail, seed), damaged(head, seed) + tail):
        for length in (len(head), len(head) + data.draw(st.integers(-3, 3))):
            given_headers = {"inference-header-content-length": str(length)}
            require_form(asked(app, INFER, body, given_headers), INFER)
