"""`make soak`: serve for minutes while versions change and the registry dies, and lose nothing.

Starts an MLflow server, releases two versions to it, and starts `churn serve` with two workers.
Then connections that stay open ask all the time. Every half a minute the other version is put into
Production, as `churn rollback` does it, and from then on the one before is tried on a part of the
customers. After a third of the time the registry is killed, and it is back half a minute later; the
trial goes on meanwhile. The exit code is 1 if an answer was lost or wrong, a version did not come,
a customer met both versions in one trial, a worker ended, or memory grew.
"""

from __future__ import annotations

import argparse
import http.client
import json
import logging
import os
import random
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pyarrow as pa
from tests.registry import servers
from tests.unit import releases
from tests.unit.releases import Candidates

from churn.core import params
from churn.core.paths import Workspace
from churn.data import schema, synthesize
from churn.deploy import integration, promotion
from churn.model import artifact
from churn.registry import Canary

ROOT = Path(__file__).resolve().parents[1]
WORKERS, CONNECTIONS = 2, 8
RATE = 200.0  # requests a second of all connections
AWAY_S = 30.0  # how long there is no registry
# A version has to be served so soon after it came into Production: the server asks every
# `serve.poll_s`, fetches, verifies and loads.
FOLLOWED_S = 20.0
LARGE = 1000
SHARE = 0.3  # of the customers, for the canary
# Memory grows if the last third is higher than the second by both of these: less is noise, and the
# first third warms up.
GROWTH, GROWTH_MB = 0.05, 10.0
_START_S = 120.0
_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 1e6


@dataclass(frozen=True)
class Question:
    """A request, and the probabilities that each version gives, by its number."""

    body: bytes
    expected: Mapping[str, list[float]]
    customer: str = ""  # its id, if it is one alone

    def wrong(self, status: int, version: str | None, body: bytes) -> str | None:
        """Say what is wrong with an answer; None if nothing is."""
        if status != 200:
            return f"status {status}: {body[:120].decode(errors='replace')}"
        versions = (version or "").split(",")
        if not set(versions) <= set(self.expected) or len(set(versions)) != len(versions):
            return f"version {version!r}"
        try:
            found = [one["probability"] for one in json.loads(body)["predictions"]]
        except (ValueError, KeyError, TypeError):
            return "no predictions"
        # Every bit: the server promises those of the pipeline. In a trial each customer of a
        # large request is answered by one of both.
        its = [self.expected[one] for one in versions]
        right = len(found) == len(its[0]) and all(
            p in row for p, row in zip(found, zip(*its, strict=True), strict=True)
        )
        return None if right else f"not what version {version} predicts"


class Met(NamedTuple):
    """A customer who was answered: when, who, and by which version."""

    moment: float
    customer: str
    version: str


@dataclass
class Tally:
    """What one connection has seen."""

    asked: int = 0
    right: int = 0
    connects: int = 0
    milliseconds: list[float] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    met: list[Met] = field(default_factory=list)


class Caller(threading.Thread):
    """Asks at a constant rate on one connection that stays open.

    Parameters
    ----------
    address : tuple of (str, int)
    questions : sequence of Question
    interval : float
        Seconds between two requests.
    offset : float
        Seconds before the first one, so that not all ask at once.
    """

    def __init__(
        self,
        address: tuple[str, int],
        questions: Sequence[Question],
        interval: float,
        offset: float,
    ) -> None:
        super().__init__(daemon=True)
        self.tally = Tally()
        self._connection = http.client.HTTPConnection(*address, timeout=60)
        self._questions, self._interval, self._offset = questions, interval, offset
        self._stopped = threading.Event()

    def run(self) -> None:
        """Ask until `stop`; what was asked is waited for."""
        due = time.monotonic() + self._offset
        place = 0
        while not self._stopped.wait(max(0.0, due - time.monotonic())):
            self._ask(self._questions[place % len(self._questions)])
            place += 1
            due = max(due + self._interval, time.monotonic())
        self._connection.close()

    def stop(self) -> None:
        """Ask no more."""
        self._stopped.set()

    def _ask(self, question: Question) -> None:
        tally = self.tally
        tally.asked += 1
        tally.connects += self._connection.sock is None
        begun = time.monotonic()
        try:
            self._connection.request(
                "POST", "/invocations", question.body, {"Content-Type": "application/json"}
            )
            answer = self._connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            tally.faults[f"no answer: {type(error).__name__}: {error}"] += 1
            self._connection.close()  # the next request opens it again
            return
        now = time.monotonic()
        version = answer.getheader("X-Model-Version")
        if (wrong := question.wrong(answer.status, version, body)) is not None:
            tally.faults[f"wrong answer: {wrong}"] += 1
            return
        tally.right += 1
        tally.milliseconds.append((now - begun) * 1000)
        if question.customer:
            tally.met.append(Met(now, question.customer, str(version)))


class Memory(threading.Thread):
    """Looks at the resident memory of processes every second.

    Parameters
    ----------
    supervisor : int
        The server's process; its children are the workers.
    """

    def __init__(self, supervisor: int) -> None:
        super().__init__(daemon=True)
        self._supervisor = supervisor
        self._stopped = threading.Event()
        self.seen: dict[int, list[tuple[float, float]]] = defaultdict(list)  # seconds, MB

    def run(self) -> None:
        """Look until `stop`."""
        begun = time.monotonic()
        while not self._stopped.wait(1.0):
            for pid in (self._supervisor, *workers_of(self._supervisor)):
                if (found := resident_mb(pid)) is not None:
                    self.seen[pid].append((time.monotonic() - begun, found))

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()


def resident_mb(pid: int) -> float | None:
    """Return a process's resident memory; None if it has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_MB
    except (OSError, IndexError):
        return None


def workers_of(supervisor: int) -> list[int]:
    """Return the processes that answer."""
    tasks = Path(f"/proc/{supervisor}/task").glob("*/children")
    children = [int(pid) for task in tasks for pid in task.read_text().split()]
    return [pid for pid in children if b"churn.serve.worker" in _command(pid)]


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@dataclass(frozen=True)
class Trend:
    """How a process's memory has changed.

    Attributes
    ----------
    first, second, last : float
        Medians of the thirds of the time, in megabytes.
    slope : float
        Megabytes a minute, over the last two thirds.
    """

    first: float
    second: float
    last: float
    slope: float

    @classmethod
    def of(cls, seen: Sequence[tuple[float, float]]) -> Trend:
        """Summarize samples of (seconds, megabytes), at least six."""
        third = len(seen) // 3
        parts = [seen[:third], seen[third : 2 * third], seen[2 * third :]]
        seconds, megabytes = np.array(seen[third:]).T
        first, second, last = (statistics.median(mb for _, mb in part) for part in parts)
        slope = np.polyfit(seconds / 60, megabytes, 1)[0]
        return cls(first, second, last, float(slope))

    @property
    def grows(self) -> bool:
        """Whether it has grown by more than noise since it was warm."""
        more = self.last - self.second
        return more > GROWTH * self.second and more > GROWTH_MB


@dataclass(frozen=True)
class Moved:
    """A version that came into Production, while the other one began to be tried.

    The server may have followed before the command has ended, which then tidies up.

    Attributes
    ----------
    version : str
    begun, at : float
        When the commands began, and when they had ended.
    """

    version: str
    begun: float
    at: float


def strayed(moves: Sequence[Moved], answers: Sequence[Met], end: float) -> list[str]:
    """Say which versions did not come in time, and which customers met two in one trial.

    Parameters
    ----------
    moves : sequence of Moved
        In order. A trial lasts until the next one.
    answers : sequence of Met
        Of requests about one customer.
    end : float
        When the last request was asked.
    """
    found = []
    for place, move in enumerate(moves):
        until = moves[place + 1].begun if place + 1 < len(moves) else end
        versions: dict[str, set[str]] = defaultdict(set)
        for moment, customer, version in answers:
            if move.at + FOLLOWED_S < moment < until:
                versions[customer].add(version)
        which = f"version {move.version}"
        both = sorted(customer for customer, its in versions.items() if len(its) > 1)
        by_champion = sum(its == {move.version} for its in versions.values())
        if both:
            its = [one for one in answers if one.customer == both[0]]
            odd = [one.moment - move.at for one in its if move.at + FOLLOWED_S < one.moment < until]
            found.append(
                f"{which}: {len(both)} customers met both, such as {both[0]}, from"
                f" {odd[0]:.0f} to {odd[-1]:.0f} s after it"
            )
        elif by_champion <= len(versions) / 2:  # the other one has a smaller share
            found.append(f"{which}: not served by all {FOLLOWED_S:g} s later")
        elif by_champion == len(versions):
            found.append(f"{which}: no challenger has answered")
    return found


@contextmanager
def environment(folder: Path, url: str) -> Iterator[None]:
    """Use that registry, as somebody whom git knows; afterwards all is as it was."""
    before = dict(os.environ)
    os.environ.update(
        GIT_CEILING_DIRECTORIES=str(folder),
        GIT_CONFIG_GLOBAL=os.devnull,
        MLFLOW_TRACKING_URI=url,
        MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT="true",
        **{
            f"GIT_{who}_{what}": value
            for who in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", "soak"), ("EMAIL", "soak@example.org"))
        },
    )
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def free_port() -> int:
    """Return a free port that the system gives to nobody else while the registry is away."""
    for port in random.sample(range(20_000, 32_000), 100):  # outgoing connections have others
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port
    raise RuntimeError("no free port")


@contextmanager
def registry(folder: Path) -> Iterator[servers.Server]:
    """Start an MLflow server on SQLite."""
    folder.mkdir()
    files = f"--artifacts-destination={folder / 'artifacts'}"
    with servers.on_sqlite(folder, files, port=free_port()) as started:
        yield started


@contextmanager
def server(folder: Path, candidates: Candidates) -> Iterator[tuple[int, str]]:
    """Start `churn serve`, and return its process and its address once all workers answer."""
    folder.mkdir()
    settings = Workspace(candidates.roots[0]).params
    (folder / "params.yaml").write_bytes(settings.read_bytes())
    log = folder / "log"
    command = [sys.executable, "-m", "churn", "serve", "--port=0", f"--workers={WORKERS}"]
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield process.pid, _address(process, log)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            print(f"churn serve did not end\n{log.read_text()[-3000:]}", file=sys.stderr)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    until = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < until:
        found = re.search(r"serves (http://\S+)", log.read_text())
        # It says so when one of its workers is there.
        if found is not None and _ready(found[1]) == WORKERS:
            return found[1]
        time.sleep(0.2)
    sys.exit(f"churn serve: not ready\n{log.read_text()[-3000:]}")


def _ready(url: str) -> int:
    """Return how many workers serve a champion."""
    connection = http.client.HTTPConnection(str(urlsplit(url).netloc), timeout=5)
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()
    counts = re.findall(r'^churn_model_served\{[^}]*role="champion"[^}]*\} (\S+)', text, re.M)
    return round(sum(map(float, counts)))


def release(folder: Path) -> tuple[Candidates, pd.DataFrame]:
    """Release two small models as versions 1 and 2; return them, and customers to ask about."""
    settings = params.load(ROOT / "params.yaml")
    made = pa.concat_tables(synthesize.customers(600, seed=1)).to_pandas()
    customers = schema.validate(made, settings.data, Path("customers.csv"))
    # `mlflow models serve` and its tests are not what is measured here.
    integration.run = lambda *_: releases.PASSED
    candidates = releases.make(folder, customers)
    for number in (1, 2):
        candidates.release(number)
    return candidates, customers


def questions(candidates: Candidates, customers: pd.DataFrame) -> list[Question]:
    """Make requests: most about one customer, a few about 1,000."""
    models = [artifact.load(Workspace(root).candidate / "model") for root in candidates.roots]
    columns, key = list(models[0].card.inputs), str(models[0].card.id)
    draw = np.random.default_rng(0)
    found = []
    for place in range(60):
        count = LARGE if place % 20 == 19 else 1
        # Customers who come again in a large request are of one row.
        asked = customers.iloc[draw.integers(len(customers), size=count)][[key, *columns]]
        records = asked.astype(object).where(asked.notna(), None).to_dict("records")
        expected = {
            str(number): model.scores(asked[columns]).tolist()
            for number, model in enumerate(models, start=1)
        }
        body = json.dumps({"dataframe_records": records}).encode()
        found.append(Question(body, expected, str(asked[key].iloc[0]) if count == 1 else ""))
    return found


@dataclass(frozen=True)
class Seen:
    """What has happened: requests, moves of versions, memory."""

    tallies: Sequence[Tally]
    moves: Sequence[Moved]
    memory: Mapping[int, Sequence[tuple[float, float]]]
    supervisor: int
    end: float


def faults(seen: Seen) -> list[str]:
    """Say what is wrong; nothing if it has passed."""
    found = [f"{n} x {what}" for t in seen.tallies for what, n in t.faults.items()]
    answers = [one for tally in seen.tallies for one in tally.met]
    found += strayed(seen.moves, answers, seen.end)
    if len(seen.memory) != WORKERS + 1:
        found.append(f"{len(seen.memory) - 1} workers were there, not {WORKERS}: some have ended")
    for pid, samples in seen.memory.items():
        if len(samples) >= 6 and (trend := Trend.of(samples)).grows:
            who = "supervisor" if pid == seen.supervisor else "worker"
            found.append(f"{who} {pid}: memory grows by {trend.last - trend.second:.0f} MB")
    return found


def report(seen: Seen, say: Callable[[str], None]) -> None:
    """Print the numbers."""
    asked = sum(tally.asked for tally in seen.tallies)
    right = sum(tally.right for tally in seen.tallies)
    connects = sum(tally.connects for tally in seen.tallies)
    latencies = np.array([ms for tally in seen.tallies for ms in tally.milliseconds])
    say(f"{asked:,} requests, {right:,} right answers, on {connects} connections")
    if len(latencies):
        p50, p95, p99, slowest = np.quantile(latencies, [0.5, 0.95, 0.99, 1.0])
        say(f"latency: p50 {p50:.1f}, p95 {p95:.1f}, p99 {p99:.1f}, slowest {slowest:.0f} ms")
    versions = sorted({one.version for tally in seen.tallies for one in tally.met})
    say(f"versions seen: {', '.join(versions)}; moved {len(seen.moves)} times")
    for pid, samples in seen.memory.items():
        if len(samples) >= 6:
            who = "supervisor" if pid == seen.supervisor else "worker"
            trend = Trend.of(samples)
            say(
                f"{who:10} {pid}: median of the thirds {trend.first:.0f}, {trend.second:.0f},"
                f" {trend.last:.0f} MB; {trend.slope:+.2f} MB/min since the second"
            )


def soak(
    folder: Path, minutes: float, rate: float, period: float, say: Callable[[str], None]
) -> Seen:
    """Start everything, ask for some minutes, and return what has happened."""
    with ExitStack() as stack:
        store = stack.enter_context(registry(folder / "registry"))
        stack.enter_context(environment(folder, store.url))
        say("trains and releases two versions")
        candidates, customers = release(folder / "releases")
        asked = questions(candidates, customers)
        pid, url = stack.enter_context(server(folder / "serve", candidates))
        address = str(urlsplit(url).hostname), int(urlsplit(url).port or 80)
        interval = CONNECTIONS / rate
        callers = [
            Caller(address, asked, interval, interval * place / CONNECTIONS)
            for place in range(CONNECTIONS)
        ]
        memory = Memory(pid)
        say(f"asks {url} for {minutes:g} minutes")
        for thread in (memory, *callers):
            thread.start()
        moves = happen(candidates, store, minutes * 60, period, say)
        end = time.monotonic()
        for caller in callers:
            caller.stop()
        memory.stop()
        for thread in (memory, *callers):
            thread.join()
    tallies = [caller.tally for caller in callers]
    return Seen(tallies, moves, dict(memory.seen), pid, end)


def happen(
    candidates: Candidates,
    store: servers.Server,
    seconds: float,
    period: float,
    say: Callable[[str], None],
) -> list[Moved]:
    """Move versions and kill the registry while others ask; return the moves."""
    begun = time.monotonic()
    away = min(AWAY_S, seconds / 6)
    moves: list[Moved] = []

    def note(what: str) -> None:
        say(f"{time.monotonic() - begun:5.0f} s: {what}")

    def move() -> None:
        number, other = (1, 2) if len(moves) % 2 else (2, 1)  # version 2 was released last
        at, held = time.monotonic(), candidates.registry
        if moves:
            promotion.rollback(held, number, "soak", "soak")
        with held.locked("soak"):  # without the rule that a trial's commit has to be newer
            held.start_canary(held.version(other), Canary(SHARE, shadow=False), "soak", "soak")
        moves.append(Moved(str(number), at, time.monotonic()))
        note(f"version {number} is in Production, and {other} is tried")

    def kill() -> None:
        store.kill()
        note("the registry is killed")

    def bring_back() -> None:
        store.start()
        note("the registry is back")
        move()  # at least this one is followed by a server that had no registry

    tail = FOLLOWED_S + 5  # in which a version that comes late can be seen
    gone, back = seconds / 3, seconds / 3 + away
    due = [0.0, *(period * n for n in range(1, int((seconds - tail) // period) + 1))]
    due = [moment for moment in due if not gone <= moment < back + tail]
    events: list[tuple[float, Callable[[], None]]] = [(moment, move) for moment in due]
    events += [(gone, kill), (back, bring_back)]
    for moment, act in sorted(events, key=lambda event: event[0]):
        wait = begun + moment - time.monotonic()
        if act is move and moves:  # on a busy machine a command takes as long as the time between
            wait = max(wait, moves[-1].at + tail - time.monotonic())
            if time.monotonic() + wait + tail > begun + seconds:
                continue  # nobody could see it followed
        time.sleep(max(0.0, wait))
        act()
    time.sleep(max(0.0, begun + seconds - time.monotonic()))
    return moves


def main() -> None:
    """Run it, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rate", type=float, default=RATE, help="requests a second")
    parser.add_argument("--period", type=float, default=30, help="seconds between two versions")
    options = parser.parse_args()
    logging.disable(logging.WARNING)

    def say(line: str) -> None:
        print(line, flush=True)

    with tempfile.TemporaryDirectory(prefix="churn-soak-") as name:
        folder = Path(name)
        seen = soak(folder, options.minutes, options.rate, options.period, say)
        report(seen, say)
        wrong = faults(seen)
        if wrong:
            say((folder / "serve" / "log").read_text()[-3000:])
    for line in wrong:
        say(f"fault: {line}")
    say("passed" if not wrong else "failed")
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
