"""A server that is stopped, killed or asked too much: no accepted request is lost."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pandas as pd
import pytest
import requests
import yaml
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import RobustScaler

from churn.model import artifact
from churn.model.artifact import Model
from churn.provenance.candidate import model_digest
from churn.serve import log_files, log_reading
from churn.serve.store import Challenger, Loadable, State, Store
from tests.conftest import PARAMS
from tests.unit.serve.models import fitted
from tests.unit.serve.running import Record, Running, eventually, serving

pytestmark = pytest.mark.long

NO_REGISTRY = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
WORKERS = [pytest.param(1, marks=pytest.mark.exhaustive), 2]
LIMITS = {"max_rows": 50, "max_body_mb": 0.05, "max_in_flight": 4, "timeout_s": 1}
KEYS = ("the-first-secret-key", "the-second-secret-key")
HOLDER = {"X-API-Key": KEYS[1]}
# Of a request with a key, whose length is to follow.
HEAD = (
    "POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    f"X-API-Key: {KEYS[1]}\r\n"
).encode()


@pytest.fixture(scope="module")
def records(planned: pd.DataFrame, stored: Path) -> list[Record]:
    card = json.loads((stored / "model.json").read_text())
    columns = ["customer_id", *card["numeric"], *card["categorical"]]
    found: list[Record] = json.loads(planned[columns].to_json(orient="records"))
    return found


@pytest.fixture
def folder(stored: Path, tmp_path: Path) -> Path:
    """Return the folder of a server with a model beside it."""
    return folder_with(stored, tmp_path)


def folder_with(
    stored: Path, folder: Path, release: dict[str, object] | None = None, **settings: object
) -> Path:
    document = yaml.safe_load(PARAMS.read_text())
    document["release"] |= release or {}
    document["serve"] = {"log": "log", "flush_s": 0.3, "drain_s": 5, **settings}
    (folder / "params.yaml").write_text(yaml.safe_dump(document))
    shutil.copytree(stored, folder / "model")
    return folder


@pytest.fixture(scope="module")
def limited(stored: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Return a server with low limits, for who has a key."""
    folder = folder_with(stored, tmp_path_factory.mktemp("limited"), **LIMITS)
    options = ("--model", "model", "--host", "0.0.0.0")
    with serving(folder, *options, environment={"CHURN_API_KEYS": ", ".join(KEYS)}) as found:
        found.url = found.url.replace("0.0.0.0", "127.0.0.1")
        yield found


class Caller(threading.Thread):
    """Asks again and again over one connection; a refused connection is no lost request."""

    def __init__(self, running: Running, record: Record) -> None:
        super().__init__(daemon=True)
        self.answered, self.lost = 0, list[str]()
        self._body = json.dumps({"dataframe_records": [record]})
        self._where = urlsplit(running.url)
        self.ended = threading.Event()

    def run(self) -> None:
        connection: http.client.HTTPConnection | None = None
        while not self.ended.is_set():
            try:
                if connection is None:
                    connection = http.client.HTTPConnection(str(self._where.netloc), timeout=20)
                    connection.connect()
            except OSError:
                return  # nobody listens any more
            try:
                connection.request(
                    "POST", "/invocations", self._body, {"Content-Type": "application/json"}
                )
                answer = connection.getresponse()
                json.loads(answer.read())["predictions"]
                self.answered += 1
                if answer.headers.get("Connection") == "close":
                    connection.close()
                    connection = None
            except Exception as error:
                self.lost.append(repr(error))
                return


class NewCaller(threading.Thread):
    """Opens a connection for each request, as fast as it can; whoever is connected is answered."""

    def __init__(self, running: Running, record: Record) -> None:
        super().__init__(daemon=True)
        self.answered, self.lost, self.refused = 0, list[str](), False
        body = json.dumps({"dataframe_records": [record]}).encode()
        head = "POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        length = f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        self._request = f"{head}{length}".encode() + body
        where = urlsplit(running.url)
        self._where = (str(where.hostname), int(where.port or 0))

    def run(self) -> None:
        while True:
            try:
                connection = socket.create_connection(self._where, timeout=20)
            except ConnectionRefusedError:
                self.refused = True
                return
            try:
                with connection:
                    connection.sendall(self._request)
                    answer = received(connection)
                if not answer.startswith(b"HTTP/1.1 200 "):
                    self.lost.append(f"answered {answer[:60]!r}")
                self.answered += 1
            except OSError as error:
                self.lost.append(repr(error))


def received(connection: socket.socket) -> bytes:
    """Return all that comes until the connection is closed."""
    return b"".join(iter(lambda: connection.recv(65_536), b""))


@pytest.mark.parametrize("workers", WORKERS)
def test_a_stop_loses_no_request_and_answers_whoever_is_connected(
    workers: int, folder: Path, records: list[Record]
) -> None:
    with serving(folder, "--model", "model", "--workers", str(workers)) as running:
        kept = [Caller(running, record) for record in records[:8]]
        new = [NewCaller(running, record) for record in records[8:24]]
        for caller in (*kept, *new):
            caller.start()
        eventually(lambda: all(caller.answered > 10 for caller in kept))
        eventually(lambda: sum(caller.answered for caller in new) > 100)
        assert running.stop() == 0
        for caller in (*kept, *new):
            caller.join(30)
    assert [loss for caller in (*kept, *new) for loss in caller.lost] == []
    assert all(caller.refused for caller in new)  # it was asked to the very end
    since = datetime.now(UTC) - timedelta(minutes=5)
    log = log_reading.read(str(folder / "log"), since)
    assert len(log) == sum(caller.answered for caller in (*kept, *new))


@pytest.mark.exhaustive
def test_a_signal_to_all_processes_at_once_loses_nobody_either(
    folder: Path, records: list[Record]
) -> None:
    with serving(folder, "--model", "model", "--workers", "2") as running:
        callers = [NewCaller(running, record) for record in records[:24]]
        for caller in callers:
            caller.start()
        time.sleep(1)
        for worker in running.workers():  # as a service manager does it
            os.kill(worker, signal.SIGTERM)
        assert running.stop() == 0
        for caller in callers:
            caller.join(30)
    assert [loss for caller in callers for loss in caller.lost] == []
    assert all(caller.refused for caller in callers)


def test_a_worker_that_is_killed_is_replaced_its_child_ends_and_the_log_is_whole_and_tidy(
    stored: Path, records: list[Record], tmp_path: Path
) -> None:
    folder = folder_with(stored, tmp_path, log_days=30)
    now = datetime.now(UTC).date()
    days = {back: folder / "log" / f"day={now - timedelta(days=back)}" for back in (0, 30, 31)}
    for day in days.values():
        day.mkdir(parents=True)
    for back in (30, 31):
        (days[back] / "a.parquet").write_bytes(b"")
    dead = subprocess.Popen(["true"])
    dead.wait()
    left = days[0] / log_files.part("b.parquet").replace(f"@{os.getpid()}.", f"@{dead.pid}.")
    left.write_bytes(b"half")
    with serving(folder, "--model", "model") as running:
        # What is old, or was left by a worker that was killed, is removed.
        assert not left.exists()
        eventually(lambda: not days[31].exists())
        assert "1 unfinished files of ended workers removed" in running.text
        for record in records[:20]:
            assert running.ask([record]).status_code == 200
        worker, child = with_reasons(running, records)  # takes more than flush_s
        running.ask(records[:30])
        os.kill(worker, signal.SIGKILL)
        eventually(lambda: not is_running(child))
        eventually(lambda: running.workers() not in ([], [worker]))
        assert running.ask(records[:1]).status_code == 200
        assert f"worker {worker} ended with -9" in running.text
    assert days[0].exists() and days[30].exists()
    since = datetime.now(UTC) - timedelta(minutes=5)
    log = log_reading.read(str(folder / "log"), since)
    assert set(log["customer_id"][:20]) == {record["customer_id"] for record in records[:20]}
    assert len(log) in (21, 51)  # what came after the last flush may be lost, and only whole


def with_reasons(running: Running, records: list[Record]) -> tuple[int, int]:
    """Ask for reasons; return the worker and the process that has found them."""
    body = {"dataframe_records": records[:2]}
    found = requests.post(f"{running.url}/explain", json=body, timeout=60)
    assert found.status_code == 200, found.text
    assert len(found.json()["explanations"]) == 2
    [worker] = running.workers()
    [child] = Path(f"/proc/{worker}/task/{worker}/children").read_text().split()
    return worker, int(child)


def is_running(pid: int) -> bool:
    return subprocess.run(["kill", "-0", str(pid)], capture_output=True).returncode == 0


def test_workers_count_together_and_end_with_a_supervisor_that_is_killed(
    folder: Path, records: list[Record]
) -> None:
    with serving(folder, "--model", "model", "--workers", "2") as running:
        eventually(lambda: running.number("churn_model_served") == 2)
        for record in records[:40]:
            assert running.ask([record]).status_code == 200
        answered = {"endpoint": "/invocations", "status": "200"}
        # Others' numbers are a moment old, whichever worker is asked.
        eventually(lambda: running.number("churn_requests_total", **answered) == 40, 5)
        assert {running.number("churn_rows_total") for _ in range(10)} == {40}
        [worker, _] = running.workers()
        os.kill(worker, signal.SIGKILL)
        eventually(lambda: worker not in running.workers())
        eventually(lambda: running.number("churn_model_served") == 2)
        assert running.number("churn_requests_total", **answered) == 40  # what it has counted stays
        eventually(lambda: len(running.workers()) == 2)
        workers = running.workers()
        assert running.stop(signal.SIGKILL) == -signal.SIGKILL
        # The new one may be starting, and sees it when it has started.
        eventually(lambda: not any(is_running(worker) for worker in workers))


@pytest.mark.exhaustive
def test_what_finds_reasons_ends_with_a_server_that_is_stopped(
    folder: Path, records: list[Record]
) -> None:
    with serving(folder, "--model", "model") as running:
        _, child = with_reasons(running, records)
        assert running.stop() == 0
        eventually(lambda: not is_running(child))


def test_a_request_beyond_the_limits_is_refused(limited: Running, records: list[Record]) -> None:
    many = limited.ask(records[:51], headers=HOLDER)
    assert (many.status_code, "51 customers" in many.json()["message"]) == (413, True)
    large = limited.ask([{**records[0], "note": "x" * 60_000}], headers=HOLDER)
    assert (large.status_code, "serve.max_body_mb" in large.json()["message"]) == (413, True)
    assert limited.ask(records[:50], headers=HOLDER).status_code == 200


def test_a_slow_caller_does_not_stay(limited: Running) -> None:
    where = urlsplit(limited.url)
    for start in (b"", HEAD, HEAD + b"Content-Length: 100\r\n\r\n{"):
        with socket.create_connection((where.hostname, where.port), timeout=20) as slow:
            slow.sendall(start)
            begun = time.monotonic()
            left = slow.recv(10_000)
            assert left == b"" or b" 503 " in left or b" 408 " in left
            assert 0.5 < time.monotonic() - begun < 10
    assert limited.get("/ping").status_code == 200


def test_too_many_at_once_are_asked_to_come_again(limited: Running, records: list[Record]) -> None:
    where = urlsplit(limited.url)
    waiting = [socket.create_connection((where.hostname, where.port)) for _ in range(6)]
    for one in waiting:  # each promises a body that does not come
        one.sendall(HEAD + b"Content-Length: 100\r\n\r\n")
    time.sleep(0.3)
    refused = limited.ask(records[:1], headers=HOLDER)
    assert refused.status_code == 503
    assert refused.headers["Retry-After"] == "1"
    assert limited.get("/v2/health/live").status_code == 200
    for one in waiting:
        one.close()
    eventually(lambda: limited.ask(records[:1], headers=HOLDER).status_code == 200)


def test_without_a_key_it_listens_to_this_machine_only(folder: Path) -> None:
    with serving(folder, "--model", "model", "--host", "0.0.0.0", wait=False) as running:
        assert running.process.wait(60) == 2
    assert "CHURN_API_KEYS" in running.text
    assert "Traceback" not in running.text


def test_with_keys_only_their_holders_are_answered(limited: Running, records: list[Record]) -> None:
    assert limited.ask(records[:1]).status_code == 401
    for wrong in (KEYS[0][:-1], "", ", ".join(KEYS)):
        headers = {"Authorization": f"Bearer {wrong}"}
        assert limited.ask(records[:1], headers=headers).status_code == 401
    for given in ({"Authorization": f"Bearer {KEYS[0]}"}, HOLDER):
        assert limited.ask(records[:1], headers=given).status_code == 200
    assert limited.get("/metrics").status_code == 401
    assert limited.get("/v2/health/ready").status_code == 200
    assert "secret-key" not in limited.text
    assert records[0]["customer_id"] not in limited.text


def test_an_address_that_is_taken_is_told_in_one_line(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with serving(folder, "--model", "model", "--port", port, wait=False) as running:
            assert running.process.wait(60) == 2
    [line] = [line for line in running.lines if line]
    assert line.startswith(f"Error: 127.0.0.1:{port}: Address already in use")


def on_trial(folder: Path, champion: Path, challenger: Path) -> Store:
    """Fill a server's local copy with a version that is tried for all customers."""
    store = Store(folder / "served")
    first, tried = (
        Loadable(version=number, digest=model_digest(model))
        for number, model in (("1", champion), ("2", challenger))
    )
    for version, model in ((first, champion), (tried, challenger)):
        store.add(version, model, None)
    trial = Challenger(**tried.model_dump(), share=1, since="2026-02-28")
    store.write(State(name="churn-predictor", champion=first, challenger=trial))
    store.touch()
    return store


def require_refused(store: Store, reason: str) -> None:
    refusal = store.refusal()
    assert refusal is not None
    assert (refusal.version, refusal.since) == ("2", "2026-02-28")
    assert reason in refusal.reason


def test_a_canary_that_cannot_answer_is_stopped_even_without_the_registry(
    customers: pd.DataFrame, stored: Path, records: list[Record], tmp_path: Path
) -> None:
    folder = folder_with(stored, tmp_path, poll_s=0.3)
    plain = tmp_path / "plain"
    artifact.save(fitted(customers), plain)  # takes no plan; the challenger needs one
    store = on_trial(folder, plain, stored)
    without_plan = [{k: v for k, v in one.items() if k != "plan"} for one in records[:5]]
    with serving(folder, environment=NO_REGISTRY) as running:
        for one in without_plan:
            answer = running.ask([one])
            assert (answer.status_code, answer.headers["X-Model-Version"]) == (200, "1")
        eventually(lambda: "the canary of version 2 is stopped" in running.text)
        eventually(lambda: running.number("churn_canary_share") == 0)
        assert running.number("churn_challenger_failures_total", version="2") >= 3
    require_refused(store, "it could not answer")


def slow_model(planned: pd.DataFrame) -> Model:
    """Fit a model that takes tens of milliseconds: many trees, and a step that is not compiled."""
    model = fitted(planned, "random_forest", data__categorical=["plan"])
    pipeline = model.pipeline
    features = pipeline["features"].transform(model.inputs(planned))
    scaler = RobustScaler().fit(features)
    classifier = RandomForestClassifier(300, max_depth=3, random_state=0)
    classifier.fit(scaler.transform(features), planned["churned"])
    steps = [("features", pipeline["features"]), ("scale", scaler), ("classifier", classifier)]
    return replace(model, pipeline=Pipeline(steps))


@pytest.fixture(scope="module")
def slow(planned: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("slow") / "model"
    artifact.save(slow_model(planned), folder)
    return folder


@pytest.mark.parametrize("shadow", [False, pytest.param(True, marks=pytest.mark.exhaustive)])
def test_a_canary_that_is_slow_is_stopped_and_the_champion_goes_on(
    shadow: bool, stored: Path, slow: Path, records: list[Record], tmp_path: Path
) -> None:
    folder = folder_with(stored, tmp_path, {"p95_ms": 10}, poll_s=0.3)
    store = on_trial(folder, stored, slow)
    state = store.state()
    assert state is not None and state.challenger is not None
    challenger = state.challenger.model_copy(update={"shadow": shadow})
    store.write(state.model_copy(update={"challenger": challenger}))
    role = "shadow" if shadow else "challenger"
    with serving(folder, environment=NO_REGISTRY) as running:
        assert running.number("churn_model_served", role=role, scorer="reference") == 1
        asked = 0
        while store.refusal() is None and asked < 400:
            assert running.ask([records[asked % len(records)]]).status_code == 200
            asked += 1
        assert asked >= 100  # fewer say nothing
        eventually(lambda: running.number("churn_canary_share") == 0)
        assert running.version(records[0]) == "1"
        assert "the canary of version 2 is stopped: 5 of 100" in running.text
    require_refused(store, "5 of 100 predictions take more than ")
    since = datetime.now(UTC) - timedelta(minutes=15)
    log = log_reading.read(str(folder / "log"), since)
    times = log.groupby("role")["scoring_ms"].median()
    assert times[role] > 10


@pytest.mark.exhaustive
def test_a_canary_as_slow_as_it_may_be_goes_on(
    stored: Path, slow: Path, records: list[Record], tmp_path: Path
) -> None:
    folder = folder_with(stored, tmp_path, {"p95_ms": 60_000}, poll_s=0.3)
    store = on_trial(folder, stored, slow)
    with serving(folder, environment=NO_REGISTRY) as running:
        for place in range(120):
            assert running.version(records[place % len(records)]) == "2"
        time.sleep(1)  # three looks
        assert running.number("churn_canary_share") == 1
    assert store.refusal() is None


def test_workers_believe_a_verdict_only_if_it_is_on_what_they_load(
    stored: Path, tmp_path: Path
) -> None:
    folder = folder_with(stored, tmp_path)
    store = Store(folder / "served")
    version = Loadable(version="1", digest=model_digest(stored))
    store.add(version, stored, None)
    store.write(State(name="churn-predictor", champion=version))
    store.touch()

    def scorer() -> str:
        with serving(folder, environment=NO_REGISTRY) as running:
            found = [name for name in ("compiled", "reference") if served_by(running, name)]
        return ",".join(found)

    def served_by(running: Running, name: str) -> bool:
        return running.number("churn_model_served", version="1", scorer=name) == 1

    store.write_verdict(version, "another bit, as it was found here")
    assert scorer() == "reference"
    [verdict] = store.folder.glob("versions/*/verdict.json")
    key = json.loads(verdict.read_text())["key"]
    verdict.write_text(verdict.read_text().replace(key, key[::-1]))
    assert scorer() == "compiled"


@pytest.mark.exhaustive
def test_two_servers_do_not_share_a_local_copy(folder: Path, stored: Path) -> None:
    store = Store(folder / "served")
    version = Loadable(version="1", digest=model_digest(stored))
    store.add(version, stored, None)
    store.write(State(name="churn-predictor", champion=version))
    with store.locked(), serving(folder, wait=False) as running:
        assert running.process.wait(60) == 2
        assert "another churn serve uses it; --store names another folder" in running.text
    before = store.stamp()
    with serving(folder, "--model", "model") as other:  # has a copy of its own
        assert 'role="champion",version="1"' not in other.get("/metrics").text
    assert store.stamp() == before


def test_a_model_that_cannot_be_loaded_ends_the_command(folder: Path) -> None:
    (folder / "model" / "pipeline.skops").write_bytes(b"no zip")
    with serving(folder, "--model", "model", wait=False) as running:
        assert running.process.wait(60) == 2
    [line] = [line for line in running.lines if line]
    assert line.startswith("Error: version ")
    assert "cannot be served" in line
