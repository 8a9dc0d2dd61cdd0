"""Reasons from the server: of the version that predicts, within limits, in a process apart."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from churn.core.params import ServeParams
from churn.explanation.values import Explainer
from churn.model import artifact
from churn.model.artifact import Model
from churn.provenance.candidate import model_digest
from churn.serve import explaining, served
from churn.serve.access import Keys
from churn.serve.app import App
from churn.serve.assignment import to_challenger
from churn.serve.served import Served
from churn.serve.versions import Serving, Trial
from tests.conftest import ROOT
from tests.unit.serve.asgi import Response, ask
from tests.unit.serve.models import KEY, fitted

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("warm_programs")]

EXPLAIN = "/explain"


@pytest.fixture(scope="module")
def records(planned: pd.DataFrame, model: Model) -> list[dict[str, Any]]:
    cells = planned[[*model.card.inputs, "customer_id"]].head(40).astype(object)
    found: list[dict[str, Any]] = cells.where(cells.notna(), None).to_dict("records")
    return found


@pytest.fixture(scope="module")
def other(planned: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Served:
    """Return another version, which tells all customers something else."""
    folder = tmp_path_factory.mktemp("other") / "model"
    opposite = planned.assign(churned=1 - planned["churned"])
    artifact.save(fitted(opposite, data__categorical=["plan"]), folder)
    return served.load("4", folder, model_digest(folder), planned.head(2), 1000)


def about(customers: list[dict[str, Any]]) -> dict[str, Any]:
    return {"dataframe_records": customers}


def slow(start: float, every: float) -> Callable[[], Awaitable[Process]]:
    """Return what starts a process that takes its time, to start and for each answer."""
    code = (
        "import time\nfrom churn.serve import explainer\n"
        f"time.sleep({start})\n"
        "answer = explainer.Explainers.answer\n"
        f"explainer.Explainers.answer = lambda *a: time.sleep({every}) or answer(*a)\n"
        "explainer.main()\n"
    )

    async def started() -> Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, stdin=PIPE, stdout=PIPE
        )

    return started


def during(app: App, work: Callable[[App], Awaitable[Any]]) -> Any:
    """Do something with an application, and end its process."""

    async def done() -> Any:
        try:
            return await work(app)
        finally:
            await app.close()

    return asyncio.run(done())


def made(champion: Served, trial: Trial | None = None, **settings: Any) -> App:
    keys = settings.pop("keys", Keys())
    app = App(ServeParams(**{"timeout_s": 60.0, **settings}), keys)
    app.serving = Serving("churn", champion, trial)
    return app


def test_the_reasons_are_those_of_the_model_and_sum_to_its_prediction(
    champion: Served, model: Model, planned: pd.DataFrame, records: list[dict[str, Any]]
) -> None:
    async def work(app: App) -> list[Response]:
        csv = planned.head(40).to_csv().encode()
        return [
            await ask(app, EXPLAIN, about(records)),
            await ask(app, EXPLAIN, csv, {"content-type": "text/csv"}),
            await ask(app, "/invocations", about(records)),
        ]

    response, from_csv, predicted = during(made(champion), work)
    assert response.status == 200
    assert response.headers["x-model-version"] == "3"
    assert from_csv.json == response.json
    found = response.json["explanations"]
    expected = Explainer(model).explain(model.inputs(planned.head(40)))
    values = [[one["reasons"][name] for name in model.card.inputs] for one in found]
    np.testing.assert_array_equal(values, expected.values)
    for one, said in zip(found, predicted.json["predictions"], strict=True):
        assert one["base"] + sum(one["reasons"].values()) == pytest.approx(one["score"])
        assert {"probability": one["probability"], "prediction": one["prediction"]} == said
        assert 1 / (1 + np.exp(-one["score"])) == pytest.approx(one["probability"])
        assert (one["version"], one["unit"]) == ("3", "log-odds")


def test_a_challenger_explains_what_it_predicts(
    champion: Served, other: Served, planned: pd.DataFrame, records: list[dict[str, Any]]
) -> None:
    chosen = to_challenger([one["customer_id"] for one in records], len(records), 0.5, "4")
    assert chosen.any() and not chosen.all()
    customers = planned.head(40)
    base = [Explainer(one.model).explain(one.model.inputs(customers)) for one in (champion, other)]

    async def work(app: App) -> Response:
        return await ask(app, EXPLAIN, about(records))

    response = during(made(champion, Trial(other, 0.5, False)), work)
    assert response.headers["x-model-version"] == "3,4"
    for place, one in enumerate(response.json["explanations"]):
        assert one["version"] == ("4" if chosen[place] else "3")
        assert one["score"] == pytest.approx(base[int(chosen[place])].score[place])
    hidden = during(made(champion, Trial(other, 0.5, True)), work)
    assert {one["version"] for one in hidden.json["explanations"]} == {"3"}


def test_limits_apply_before_anything_is_explained(
    champion: Served, records: list[dict[str, Any]]
) -> None:
    async def work(app: App) -> list[tuple[int, str]]:
        one = records[0]
        told = [
            await ask(app, EXPLAIN, about(records)),
            await ask(app, EXPLAIN, about([{k: v for k, v in one.items() if k != "age"}])),
            await ask(app, EXPLAIN, about([one | {"age": "old"}])),
            await ask(app, EXPLAIN, b"{", {"content-type": "application/json"}),
            await ask(app, EXPLAIN, b"a", {"content-type": "text/plain"}),
            await ask(app, EXPLAIN, method="GET"),
        ]
        assert app._explaining._process is None
        return [(one.status, one.json["message"]) for one in told]

    found = during(made(champion, max_explained=39), work)
    assert [status for status, _ in found] == [413, 400, 400, 400, 415, 405]
    assert found[0][1] == "40 customers; a request for reasons may have 39 (serve.max_explained)"
    assert "Model is missing inputs ['age']" in found[1][1]

    async def without_key(app: App) -> Response:
        return await ask(app, EXPLAIN, about(records))

    assert during(made(champion, keys=Keys.of({"CHURN_API_KEYS": KEY})), without_key).status == 401


def test_reasons_that_are_late_or_whose_process_dies_are_refused_and_the_next_come(
    champion: Served, records: list[dict[str, Any]]
) -> None:
    async def work(app: App) -> None:
        asked = app._explaining
        asked._timeout_s = 0.001  # less than a process takes to start
        late = await ask(app, EXPLAIN, about(records))
        assert (late.status, late.json["message"][:10]) == (503, "no answer ")
        assert asked._turn.locked()  # and the start goes on
        asked._timeout_s = 60
        assert (await ask(app, EXPLAIN, about(records))).status == 200
        process = asked._process
        assert process is not None
        os.kill(process.pid, signal.SIGKILL)
        died = await ask(app, EXPLAIN, about(records))
        assert died.status in (200, 503)  # it was noticed before, or only then
        assert (await ask(app, EXPLAIN, about(records))).status == 200
        assert asked._process is not process

    during(made(champion), work)


def test_a_late_answer_is_discarded_and_its_process_answers_the_next(
    champion: Served, records: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explaining, "_started", slow(start=1.5, every=0.5))

    async def work(app: App) -> None:
        asked = app._explaining
        asked._timeout_s, asked._stopped_s = 0.2, 30.0
        assert (await ask(app, EXPLAIN, about(records[:1]))).status == 503  # while it starts
        asked._timeout_s = 60.0
        assert (await ask(app, EXPLAIN, about(records[:2]))).status == 200
        process = asked._process
        asked._timeout_s = 0.2
        assert (await ask(app, EXPLAIN, about(records[:3]))).status == 503  # while it answers
        asked._timeout_s = 60.0
        last = await ask(app, EXPLAIN, about(records[3:5]))  # and not the late answer, of three
        assert len(last.json["explanations"]) == 2
        assert last.json == (await ask(app, EXPLAIN, about(records[3:5]))).json
        assert asked._process is process

    during(made(champion), work)


def test_a_process_that_has_stopped_is_killed(
    champion: Served, records: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explaining, "_started", slow(start=0, every=600))

    async def work(app: App) -> None:
        asked = app._explaining
        asked._timeout_s, asked._stopped_s = 60.0, 0.3
        assert (await ask(app, EXPLAIN, about(records))).status == 503
        assert asked._process is None
        monkeypatch.undo()
        asked._stopped_s = 60.0
        assert (await ask(app, EXPLAIN, about(records))).status == 200

    during(made(champion), work)


def test_predictions_do_not_wait_for_reasons_and_few_may_wait(
    champion: Served, records: list[dict[str, Any]]
) -> None:
    async def work(app: App) -> None:
        waiting = [asyncio.create_task(ask(app, EXPLAIN, about(records))) for _ in range(8)]
        await asyncio.sleep(0.01)
        one_more = await ask(app, EXPLAIN, about(records))
        assert (one_more.status, one_more.headers["retry-after"]) == (503, "1")
        assert "too many wait for reasons" in one_more.json["message"]
        assert (await ask(app, "/invocations", about(records))).status == 200
        assert not any(task.done() for task in waiting)
        assert [one.status for one in await asyncio.gather(*waiting)] == [200] * 8

    during(made(champion), work)


def test_a_model_that_cannot_be_loaded_is_told_to_the_log_and_not_to_callers(
    champion: Served,
    records: list[dict[str, Any]],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert champion.folder is not None
    shutil.copytree(champion.folder, tmp_path / "model")
    (tmp_path / "model" / "model.json").write_text("{}")

    async def work(app: App) -> Response:
        return await ask(app, EXPLAIN, about(records))

    response = during(made(replace(champion, folder=tmp_path / "model")), work)
    assert response.status == 503
    assert response.json["message"] == "the reasons could not be found; see the log"
    assert "damaged" in capfd.readouterr().err


def test_a_challenger_without_reasons_leaves_them_to_the_champion(
    champion: Served, other: Served, records: list[dict[str, Any]], tmp_path: Path
) -> None:
    gone = replace(other, folder=tmp_path / "gone")

    async def work(app: App) -> list[Response]:
        alone = made(champion)
        try:
            both = [await ask(one, EXPLAIN, about(records)) for one in (app, alone)]
        finally:
            await alone.close()
        return both

    found, expected = during(made(champion, Trial(gone, 0.5, False)), work)
    assert found.status == 200
    assert found.headers["x-model-version"] == "3"
    assert found.json == expected.json


def test_a_model_that_has_no_reasons_says_why(
    champion: Served, records: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "from churn.serve import explainer\nfrom churn.core.errors import ExplanationError\n"
        "def none(*_): raise ExplanationError('none for a stranger')\n"
        "explainer.Explainers._of = none\nexplainer.main()\n"
    )

    async def started() -> Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, stdin=PIPE, stdout=PIPE
        )

    monkeypatch.setattr(explaining, "_started", started)

    async def work(app: App) -> Response:
        return await ask(app, EXPLAIN, about(records))

    response = during(made(champion), work)
    assert (response.status, response.json["message"]) == (501, "none for a stranger")


def test_a_worker_starts_without_what_explains() -> None:
    code = "import sys, churn.serve.worker; print({'shap', 'numba'} & set(sys.modules))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert found.stdout == "set()\n"
