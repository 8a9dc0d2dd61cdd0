"""The server's application: from a request to an answer."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import re
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from churn.core.params import ServeParams
from churn.model.artifact import Model
from churn.serve import metrics
from churn.serve.access import Keys
from churn.serve.app import App
from churn.serve.prediction_log import Entry
from churn.serve.served import Served
from churn.serve.versions import Serving, Trial
from tests.unit.serve.asgi import Response, ask, asked
from tests.unit.serve.models import KEY, fitted, unproven

ASK, INFER = "/invocations", "/v2/models/churn/infer"
HEALTH = ["/ping", "/health", "/version", "/v2/health/live", "/v2/health/ready"]
GUARDED = ["/v2", "/metrics", "/docs", "/openapi.json", "/", "/v2/models/churn"]
SECRET = "a customer's secret"


class Logged:
    """A prediction log that keeps what it gets."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def add(self, entry: Entry) -> None:
        self.entries.append(entry)


@pytest.fixture
def log() -> Logged:
    return Logged()


@pytest.fixture
def app(champion: Served, log: Logged) -> App:
    return made(champion, log)


def made(
    champion: Served | None,
    log: Logged | None = None,
    keys: Keys | None = None,
    trial: Trial | None = None,
    **settings: Any,
) -> App:
    found = App(ServeParams(**settings), keys or Keys(), log)  # type: ignore[arg-type]
    if champion is not None:
        found.serving = Serving("churn", champion, trial)
    return found


@pytest.fixture(scope="module")
def other(planned: pd.DataFrame, small: Any) -> Served:
    """Return another version, which tells all customers something else."""
    return unproven(
        fitted(planned.assign(churned=1 - planned["churned"]), data__categorical=["plan"]), "4"
    )


@pytest.fixture(scope="module")
def records(planned: pd.DataFrame, model: Model) -> list[dict[str, Any]]:
    cells = planned[[*model.card.inputs, "customer_id"]].head(200).astype(object)
    found: list[dict[str, Any]] = cells.where(cells.notna(), None).to_dict("records")
    return found


def count(name: str, **labels: str) -> float:
    return metrics.collected(None).get_sample_value(name, labels) or 0.0


def without_id(customers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{n: c for n, c in one.items() if n != "customer_id"} for one in customers]


def about(customers: list[dict[str, Any]]) -> dict[str, Any]:
    return {"dataframe_records": customers}


def tensors(customers: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "inputs": [
            {
                "name": name,
                "shape": [len(customers)],
                "datatype": "BYTES" if name in ("plan", "customer_id") else "FP64",
                "data": [one[name] for one in customers],
            }
            for name in customers[0]
        ]
    }


@pytest.mark.slow
def test_it_answers_what_the_model_predicts(
    app: App, model: Model, planned: pd.DataFrame, records: list[dict[str, Any]]
) -> None:
    response = asked(app, ASK, about(records))
    assert response.status == 200
    assert response.headers["content-type"] == "application/json"
    expected = model.predict(planned.head(200))
    assert response.json == {"predictions": expected.to_dict("records")}
    assert response.probabilities == expected["probability"].tolist()


def test_csv_is_answered(app: App, model: Model, planned: pd.DataFrame) -> None:
    body = planned.head(9).to_csv(index=False).encode()
    for kind in ("text/csv", "TEXT/CSV; charset=UTF-8"):
        response = asked(app, ASK, body, {"content-type": kind})
        assert response.probabilities == model.scores(planned.head(9)).tolist()


def test_a_body_in_parts_is_answered(app: App, records: list[dict[str, Any]]) -> None:
    body = json.dumps(about(records[:5])).encode()
    parts = [body[:10], b"", body[10:50], body[50:], b""]
    headers = {"content-type": "application/json"}
    assert asked(app, ASK, body).body == asked(app, ASK, b"", headers, parts=parts).body


def test_a_large_body_is_answered_as_a_small_one_is(
    app: App, records: list[dict[str, Any]]
) -> None:
    many = (records * 5)[:1000]
    assert len(json.dumps(about(many))) > 64_000
    single = [asked(app, ASK, about([one])).probabilities for one in records[:20]]
    assert asked(app, ASK, about(many)).probabilities[:20] == [one for [one] in single]


def test_the_version_is_in_the_header(app: App, records: list[dict[str, Any]]) -> None:
    assert asked(app, ASK, about(records[:1])).headers["x-model-version"] == "3"
    assert asked(app, INFER, tensors(records[:1])).headers["x-model-version"] == "3"
    assert "x-model-version" not in asked(app, ASK, b"{}").headers


@pytest.mark.parametrize("given", ["r-7", "!" * 128, "a~b"])
def test_a_request_id_comes_back(given: str, app: App, log: Logged, records: Any) -> None:
    headers = {"X-Request-ID": given}
    assert asked(app, ASK, about(records[:1]), headers).headers["x-request-id"] == given
    assert log.entries[0].requests == [given]
    assert asked(app, "/nowhere", b"", headers).headers["x-request-id"] == given


@pytest.mark.parametrize("given", [None, "", "a b", "x" * 129, "\xe9", "a\r\nSet-Cookie: b"])
def test_without_a_proper_request_id_one_is_made(given: str | None, app: App) -> None:
    headers = {} if given is None else {"X-Request-ID": given}
    one, two = (asked(app, "/ping", b"", headers).headers["x-request-id"] for _ in range(2))
    assert re.fullmatch("[0-9a-f]{32}", one)
    assert one != two


@pytest.mark.parametrize("path", [*GUARDED, ASK, INFER, "/v2/models/churn/ready"])
def test_a_key_is_needed_where_there_is_one(
    path: str, champion: Served, records: list[dict[str, Any]]
) -> None:
    app = made(champion, keys=Keys([KEY]))
    bodies: dict[str, Any] = {ASK: about(records[:1]), INFER: tensors(records[:1])}
    body = bodies.get(path, b"")
    refused = asked(app, path, body)
    assert refused.status == 401
    of_people = path in ("/", "/docs", "/openapi.json")  # a browser asks for a password then
    scheme = 'Basic realm="churn"' if of_people else "Bearer"
    assert refused.headers["www-authenticate"] == scheme
    assert (
        asked(app, path, body, {"Authorization": "Bearer another key of 20 letters"}).status == 401
    )
    for headers in ({"Authorization": f"Bearer {KEY}"}, {"X-API-Key": KEY}):
        assert asked(app, path, body, headers).status in (200, 307)


@pytest.mark.parametrize("path", HEALTH)
def test_health_is_told_without_a_key_and_under_any_load(path: str, champion: Served) -> None:
    app = made(champion, keys=Keys([KEY]), max_in_flight=1)
    app.in_flight = 1000
    assert asked(app, path).status == 200


def test_without_a_model_it_lives_and_is_not_ready(records: list[dict[str, Any]]) -> None:
    app = made(None)
    statuses = {path: asked(app, path).status for path in HEALTH}
    not_ready = dict.fromkeys(["/ping", "/health", "/v2/health/ready"], 503)
    assert statuses == {"/version": 200, "/v2/health/live": 200, **not_ready}
    bodies: dict[str, Any] = {ASK: about(records[:1]), INFER: tensors(records[:1])}
    for path in (ASK, INFER, "/v2/models/churn", "/docs", "/openapi.json"):
        response = asked(app, path, bodies.get(path, b""))
        assert response.status == 503
        assert response.headers["retry-after"] == "1"
        assert "no model is loaded yet" in str(response.json)
    assert asked(app, "/metrics").status == 200


def test_while_it_drains_it_answers_and_closes(app: App, records: list[dict[str, Any]]) -> None:
    assert "connection" not in asked(app, ASK, about(records[:1])).headers
    app.draining = True
    response = asked(app, ASK, about(records[:1]))
    assert (response.status, response.headers["connection"]) == (200, "close")
    assert asked(app, "/ping").status == asked(app, "/v2/health/ready").status == 503
    assert asked(app, "/v2/health/live").status == 200


def test_what_is_not_there_is_404(app: App) -> None:
    for path in ("/nowhere", "", "/invocations/", "/v2/models/", "/v2/models/churn/x", "/x" * 5000):
        response = asked(app, path)
        assert response.status == 404, path
        assert len(response.body) < 500
    known = asked(app, "/v2/models/another/ready")
    assert (known.status, known.json) == (404, {"error": "no model 'another'; there is 'churn'"})


def test_another_method_is_405(app: App) -> None:
    for path, method, allowed in [
        (ASK, "GET", "POST"),
        (ASK, "HEAD", "POST"),
        (INFER, "GET", "POST"),
        ("/ping", "POST", "GET"),
        ("/metrics", "DELETE", "GET"),
        ("/v2/models/churn", "PUT", "GET"),
    ]:
        response = asked(app, path, b"", method=method)
        assert (response.status, response.headers["allow"]) == (405, allowed), path
    assert asked(app, "/ping", method="HEAD").status == 200


@pytest.mark.parametrize(
    "kind",
    ["", "text/plain", "application/json; charset=latin-1", "text/csv; header=no", "json", ";"],
)
def test_another_content_type_is_415(kind: str, app: App, records: list[dict[str, Any]]) -> None:
    response = asked(app, ASK, about(records[:1]), {"content-type": kind})
    assert response.status == 415
    assert response.json["error_code"] == "BAD_REQUEST"


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON;charset=utf-8", "application/json ; "]
)
def test_json_may_be_named_in_several_ways(kind: str, app: App, records: Any) -> None:
    assert asked(app, ASK, about(records[:1]), {"content-type": kind}).status == 200


@pytest.mark.parametrize("path", [ASK, INFER])
def test_too_large_a_body_is_413(path: str, champion: Served) -> None:
    app = made(champion, max_body_mb=0.001)
    headers = {"content-type": "application/json"}
    for response in (
        asked(app, path, b"{}", {**headers, "content-length": "1001"}),
        asked(app, path, b" " * 1001),
        asked(app, path, b"", headers, parts=[b" " * 999, b" ", b" ", b"}"]),
    ):
        assert response.status == 413
        assert response.headers["connection"] == "close"
        assert "a body of more than 0.001 MB (serve.max_body_mb)" in str(response.json)
    assert asked(app, path, b" " * 1000).status == 400


def test_too_many_customers_are_413(model: Model, records: list[dict[str, Any]]) -> None:
    app = made(unproven(model, max_rows=2))
    for path, body in ((ASK, about(records[:3])), (INFER, tensors(records[:3]))):
        response = asked(app, path, body)
        assert response.status == 413
        assert "3 customers; a request may have 2" in str(response.json)


def test_a_cell_that_does_not_fit_is_400_in_the_form_of_mlflow(app: App, records: Any) -> None:
    response = asked(app, ASK, about([{**records[0], "age": "old"}]))
    assert response.status == 400
    said = "column 'age' holds 'old', which is not a finite number"
    assert response.json == {"error_code": "BAD_REQUEST", "message": said}


def test_a_caller_who_goes_is_not_answered_with_a_prediction(app: App) -> None:
    assert asked(app, ASK, b"", {"content-type": "application/json"}, "POST", []).status == 400


def test_other_pages_are_there(app: App) -> None:
    assert asked(app, "/").headers["location"] == "/docs"
    page = asked(app, "/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert b"/v2/models/churn/infer" in page.body
    assert asked(app, "/openapi.json").json["openapi"] == "3.1.0"
    assert asked(app, "/v2").json["extensions"] == ["binary_tensor_data"]
    assert asked(app, "/v2/models/churn/ready").json == {"name": "churn", "ready": True}
    assert b"churn_requests_total" in asked(app, "/metrics").body


@pytest.mark.long
def test_the_examples_of_the_description_are_answered(app: App) -> None:
    for path, operations in asked(app, "/openapi.json").json["paths"].items():
        if "post" in operations:
            content = operations["post"]["requestBody"]["content"]["application/json"]
            assert asked(app, path, content["example"]).status == 200
        else:
            assert asked(app, path).status == 200


def test_requests_are_counted_by_endpoint_and_refusals_by_kind(app: App, records: Any) -> None:
    def counts() -> list[float]:
        return [
            count("churn_requests_total", endpoint=ASK, status="200"),
            count("churn_requests_total", endpoint="/v2/models/infer", status="404"),
            count("churn_requests_total", endpoint="other", status="404"),
            count("churn_errors_total", kind="path"),
            count("churn_errors_total", kind="cell"),
            count("churn_rows_total", version="3"),
            count("churn_request_duration_seconds_count", endpoint=ASK),
        ]

    before = counts()
    asked(app, ASK, about(records[:3]))
    asked(app, "/v2/models/x/infer", b"{}")
    asked(app, "/a")
    asked(app, "/b")
    asked(app, ASK, about([{**records[0], "age": "x"}]))
    found = [after - one for after, one in zip(counts(), before, strict=True)]
    assert found == [1, 1, 2, 3, 1, 3, 2]
    assert app.in_flight == 0


def test_at_most_the_limit_of_requests_is_answered_at_once(champion: Served, records: Any) -> None:
    app = made(champion, max_in_flight=2, timeout_s=5)

    async def run() -> tuple[Response, Response, Response]:
        go = asyncio.Event()

        async def slow() -> None:
            async def receive() -> dict[str, Any]:
                await go.wait()
                return {"type": "http.disconnect"}

            async def send(_: dict[str, Any]) -> None: ...

            headers = [(b"content-type", b"application/json")]
            scope = {"type": "http", "method": "POST", "path": ASK, "headers": headers}
            await app(scope, receive, send)

        waiting = [asyncio.create_task(slow()) for _ in range(2)]
        await asyncio.sleep(0)
        refused, health = await ask(app, ASK, about(records[:1])), await ask(app, "/ping")
        go.set()
        await asyncio.gather(*waiting)
        return refused, health, await ask(app, ASK, about(records[:1]))

    refused, health, after = asyncio.run(run())
    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    assert refused.json["error_code"] == "TEMPORARILY_UNAVAILABLE"
    assert (health.status, after.status) == (200, 200)


class Broken(Served):
    """A version that fails, and says of whom."""

    def scores(self, rows: Any) -> np.ndarray:
        raise ValueError(f"cannot predict for {SECRET}: {rows.categories}")


def broken(served: Served) -> Served:
    fields = (served.version, served.model, None, "", served.questions, served.example)
    return Broken(*fields)


@pytest.mark.parametrize("path", [ASK, INFER])
def test_a_failure_tells_nothing_of_a_customer(
    path: str, champion: Served, records: Any, caplog: pytest.LogCaptureFixture
) -> None:
    app = made(broken(champion))
    one = {**records[0], "plan": SECRET, "customer_id": SECRET}
    body = about([one]) if path == ASK else tensors([one])
    before = count("churn_errors_total", kind="server")
    with caplog.at_level(logging.DEBUG):
        response = asked(app, path, body, {"x-request-id": "r7"})
    assert response.status == 500
    said = "the server has failed; request r7"
    expected = {"error_code": "INTERNAL_ERROR", "message": said} if path == ASK else {"error": said}
    assert response.json == expected
    assert "retry-after" not in response.headers
    assert SECRET not in response.body.decode() + str(response.headers)
    assert "request r7: ValueError" in caplog.text
    assert "in scores" in caplog.text, "where it was"
    assert SECRET not in caplog.text
    assert count("churn_errors_total", kind="server") == before + 1


def test_a_body_that_is_refused_is_not_in_the_log(
    app: App, records: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        for one in ({**records[0], "age": SECRET}, {SECRET: 1}):
            assert asked(app, ASK, about([one])).status == 400
        assert asked(app, ASK, SECRET.encode()).status == 400
    assert SECRET not in caplog.text


def test_predictions_are_logged_with_their_request(
    app: App, log: Logged, records: Any, model: Model, planned: pd.DataFrame
) -> None:
    asked(app, ASK, about(records[:3]), {"x-request-id": "r7"})
    [entry] = log.entries
    assert (entry.requests, entry.version, entry.role) == (["r7"], "3", "champion")
    assert (entry.counts, entry.places) == ([3], None)
    assert entry.rows.ids == [one["customer_id"] for one in records[:3]]
    np.testing.assert_array_equal(entry.answer["probability"], model.scores(planned.head(3)))
    assert 0 < entry.latencies_ms[0] < 60_000


class Canary:
    """An application with a challenger, and what each version says of a customer alone."""

    def __init__(
        self, champion: Served, other: Served, records: Any, share: float, shadow: bool = False
    ) -> None:
        self.log = Logged()
        self.app = made(champion, self.log, trial=Trial(other, share, shadow))
        self.records = records
        answers = (asked(made(one), ASK, about(records)).probabilities for one in (champion, other))
        self.of_champion, self.of_challenger = answers
        assert not set(self.of_champion) & set(self.of_challenger)

    def side(self, place: int, probability: float) -> str:
        if probability == self.of_champion[place]:
            return "champion"
        assert probability == self.of_challenger[place]
        return "challenger"


@pytest.fixture
def canary(champion: Served, other: Served, records: Any) -> Canary:
    return Canary(champion, other, records, 0.3)


@pytest.mark.long
def test_a_customer_always_gets_the_same_version(canary: Canary) -> None:
    records = canary.records
    together = asked(canary.app, ASK, about(records))
    sides = [canary.side(i, p) for i, p in enumerate(together.probabilities)]
    assert together.headers["x-model-version"] == "3,4"
    assert 30 < sides.count("challenger") < 90
    for place in range(0, 200, 3):
        alone = asked(canary.app, ASK, about([records[place]]))
        assert [canary.side(place, p) for p in alone.probabilities] == [sides[place]]
        version = {"champion": "3", "challenger": "4"}[sides[place]]
        assert alone.headers["x-model-version"] == version
    backwards = asked(canary.app, ASK, about(records[::-1])).probabilities
    assert [canary.side(i, p) for i, p in enumerate(backwards[::-1])] == sides
    infer = asked(canary.app, INFER, tensors(records)).json["outputs"][0]["data"]
    assert [canary.side(i, p) for i, p in enumerate(infer)] == sides


def test_the_decision_is_that_of_the_version_that_answers(
    canary: Canary, champion: Served, other: Served
) -> None:
    stricter = other.model.card.model_copy(update={"threshold": 0.9})
    strict = replace(other, model=Model(other.model.pipeline, stricter))
    canary.app.serving = Serving("churn", champion, Trial(strict, 0.3, False))
    answers = asked(canary.app, ASK, about(canary.records)).json["predictions"]
    for place, one in enumerate(answers):
        side = canary.side(place, one["probability"])
        threshold = {"champion": 0.4, "challenger": 0.9}[side]
        assert one["prediction"] == int(one["probability"] >= threshold)


def test_each_customer_of_a_canary_is_logged_once_with_its_place(canary: Canary) -> None:
    found = asked(canary.app, ASK, about(canary.records)).probabilities
    assert {entry.role for entry in canary.log.entries} == {"champion", "challenger"}
    places = np.concatenate([entry.places for entry in canary.log.entries])
    assert sorted(places) == list(range(200))
    for entry in canary.log.entries:
        assert entry.version == {"champion": "3", "challenger": "4"}[entry.role]
        assert entry.answer["probability"].tolist() == [found[place] for place in entry.places]
        assert entry.rows.ids == [canary.records[p]["customer_id"] for p in entry.places]


def test_customers_without_an_id_are_drawn_all_of_a_request_together(
    canary: Canary, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = about(without_id(canary.records[:5]))
    for drawn, version in ((0.2, "4"), (0.4, "3")):
        monkeypatch.setattr("churn.serve.assignment.random.random", lambda drawn=drawn: drawn)
        assert asked(canary.app, ASK, body).headers["x-model-version"] == version


@pytest.mark.parametrize("share", [1.0, 0.3])
def test_where_the_challenger_fails_the_champion_answers(
    share: float,
    champion: Served,
    other: Served,
    records: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    canary = Canary(champion, other, records, share)
    canary.app.serving = Serving("churn", champion, Trial(broken(other), share, False))
    before = count("churn_challenger_failures_total", version="4")
    with caplog.at_level(logging.DEBUG):
        response = asked(canary.app, ASK, about([{**one, "note": SECRET} for one in records]))
    assert response.status == 200
    assert response.probabilities == canary.of_champion
    assert response.headers["x-model-version"] == "3"
    assert count("churn_challenger_failures_total", version="4") == before + 1
    assert "version 4: no answer: ValueError" in caplog.text
    assert SECRET not in caplog.text
    of_challenger, *others = canary.log.entries
    assert (of_challenger.role, of_challenger.version) == ("fallback", "3")
    assert {(entry.role, entry.version) for entry in others} <= {("champion", "3")}
    places = np.concatenate([entry.places for entry in canary.log.entries])
    assert sorted(places) == list(range(200))
    assert (len(of_challenger.places) == 200) is (share == 1)


def settle(app: App, *arguments: Any) -> Response:
    """Ask, and wait for what is done in the background."""

    async def run() -> Response:
        response = await ask(app, *arguments)
        await app.settle(10)
        return response

    return asyncio.run(run())


def test_in_the_shadow_the_champion_answers_and_both_are_logged(
    champion: Served, other: Served, records: Any
) -> None:
    canary = Canary(champion, other, records, 0.3, shadow=True)
    response = settle(canary.app, ASK, about(records))
    assert response.probabilities == canary.of_champion
    assert response.headers["x-model-version"] == "3"
    shown, hidden = canary.log.entries
    assert (shown.role, hidden.role, hidden.version) == ("champion", "shadow", "4")
    assert (shown.counts, shown.places) == ([200], None)
    assert 30 < len(hidden.places) < 90
    expected = [canary.of_challenger[place] for place in hidden.places]
    assert hidden.answer["probability"].tolist() == expected
    assert shown.requests == hidden.requests


def test_a_shadow_that_fails_is_counted_and_nobody_notices(
    champion: Served, other: Served, records: Any
) -> None:
    canary = Canary(champion, other, records, 1.0, shadow=True)
    canary.app.serving = Serving("churn", champion, Trial(broken(other), 1.0, True))
    before = count("churn_challenger_failures_total", version="4")
    assert settle(canary.app, ASK, about(records)).probabilities == canary.of_champion
    assert count("churn_challenger_failures_total", version="4") == before + 1


@pytest.mark.slow
def test_a_shadow_is_dropped_where_the_champion_fails(
    champion: Served, other: Served, records: Any
) -> None:
    app = made(broken(champion), trial=Trial(other, 1.0, True))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert settle(app, ASK, about(records)).status == 500
        gc.collect()  # a coroutine that nobody awaits says so when it is collected
    assert not [one for one in caught if one.category is RuntimeWarning]


@pytest.fixture(scope="module")
def with_more_columns(dated: Model) -> Served:
    return unproven(dated, "5")


@pytest.mark.slow
def test_a_challenger_with_other_columns_reads_the_request_itself(
    champion: Served, with_more_columns: Served, dated: Model, records: Any
) -> None:
    app = made(champion, trial=Trial(with_more_columns, 1.0, False))
    full = [{**one, "channel": "web", "signup": "2025-03-01"} for one in records[:5]]
    response = asked(app, ASK, about(full))
    assert response.headers["x-model-version"] == "5"
    assert response.probabilities == dated.scores(pd.DataFrame(full)).tolist()
    infer = asked(app, INFER, tensors(records[:5]))
    assert (infer.status, infer.headers["x-model-version"]) == (200, "3")
    lacking = asked(app, ASK, about(records[:5]))
    assert (lacking.status, lacking.headers["x-model-version"]) == (200, "3")


def test_a_version_can_be_asked_by_its_path(canary: Canary) -> None:
    body = tensors(canary.records)
    for version, expected in (("3", canary.of_champion), ("4", canary.of_challenger)):
        response = asked(canary.app, f"/v2/models/churn/versions/{version}/infer", body)
        assert response.json["outputs"][0]["data"] == expected
        assert response.json["model_version"] == response.headers["x-model-version"] == version
        assert asked(canary.app, f"/v2/models/churn/versions/{version}/ready").status == 200
        described = asked(canary.app, f"/v2/models/churn/versions/{version}")
        assert described.json["versions"] == ["3", "4"]
    assert asked(canary.app, INFER, body).json["model_version"] == "3,4"
    missing = asked(canary.app, "/v2/models/churn/versions/5/infer", body)
    assert (missing.status, missing.json) == (404, {"error": "no version '5'; there is 3, 4"})


def test_a_request_is_answered_by_what_was_served_when_it_came(
    champion: Served, other: Served, records: Any
) -> None:
    app = made(champion)

    async def run() -> Response:
        task = asyncio.create_task(ask(app, ASK, about(records[:3])))
        await asyncio.sleep(0)
        app.serving = Serving("churn", other)
        return await task

    assert asyncio.run(run()).headers["x-model-version"] == "3"
    assert asked(app, ASK, about(records[:3])).headers["x-model-version"] == "4"


def test_requests_at_the_same_time_get_their_own_answers(app: App, records: Any) -> None:
    single = [asked(app, ASK, about([one])).probabilities[0] for one in records[:60]]

    async def run() -> list[Response]:
        return await asyncio.gather(*(ask(app, ASK, about([one])) for one in records[:60]))

    assert [one.probabilities[0] for one in asyncio.run(run())] == single
