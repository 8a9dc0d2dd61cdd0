"""A real Prometheus, with what deploy/monitoring ships, in a hurry."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import yaml

from tests.registry.servers import Process, free_port
from tests.unit.alerts.shipped import FOLDER, RULES, program
from tests.unit.serve.running import eventually

_INTERVAL, _FOR = "1s", "4s"


@dataclass(frozen=True)
class Prometheus:
    """A server that scrapes, evaluates and answers."""

    url: str
    log: Path

    def get(self, path: str, **parameters: str) -> Any:
        """Return the data of an answer of its HTTP API."""
        session = requests.Session()
        session.trust_env = False  # a proxy does not know this address
        found = session.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=30)
        assert found.status_code == 200, found.text
        return found.json()["data"]

    def firing(self) -> list[dict[str, Any]]:
        """Return the alerts that fire now."""
        return [one for one in self.get("alerts")["alerts"] if one["state"] == "firing"]

    def names(self) -> set[str]:
        """Return the names of the alerts that fire now."""
        return {one["labels"]["alertname"] for one in self.firing()}

    def values(self, expression: str) -> list[float]:
        """Return the numbers of an expression now."""
        found = self.get("query", query=expression)["result"]
        return [float(one["value"][1]) for one in found]

    def wait_for(self, expression: str) -> None:
        """Wait until an expression has a result."""
        eventually(lambda: bool(self.values(expression)), 60)


def hurried() -> dict[str, Any]:
    """Return the rules that are shipped; only their intervals and what they wait for are short."""
    found = copy.deepcopy(RULES)
    for group in found["groups"]:
        group["interval"] = _INTERVAL
        for rule in group["rules"]:
            if "for" in rule:
                rule["for"] = _FOR
    return found


def configuration(key: Path | None, targets: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return the configuration that is shipped, with other targets by job, and another key."""
    found: dict[str, Any] = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    found["global"] = {"scrape_interval": _INTERVAL, "evaluation_interval": _INTERVAL}
    for job in found["scrape_configs"]:
        job["static_configs"] = [{"targets": list(targets.get(job["job_name"], []))}]
        if "authorization" in job:
            if key is None:
                del job["authorization"]
            else:
                job["authorization"]["credentials_file"] = str(key)
    return found


@contextmanager
def prometheus(
    folder: Path, targets: Mapping[str, Sequence[str]], key: Path | None = None
) -> Iterator[Prometheus]:
    """Run it until the block ends.

    Parameters
    ----------
    folder : Path
        A new one, for its files.
    targets : mapping of str to sequence of str
        Addresses (``host:port``) by job of prometheus.yml.
    key : Path, optional
        File with the key of `churn serve`.
    """
    started, port = program("prometheus"), free_port()
    folder.mkdir()
    (folder / "alerts.yml").write_text(yaml.safe_dump(hurried()))
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration(key, targets)))
    command = [started, f"--config.file={folder / 'prometheus.yml'}"]
    command += [f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{port}"]
    with running(command, folder / "log"):
        found = Prometheus(f"http://127.0.0.1:{port}", folder / "log")
        eventually(lambda: answers(f"{found.url}/-/ready"), 60)
        yield found


@contextmanager
def node_exporter(folder: Path, log: Path) -> Iterator[str]:
    """Show the text files of a folder; return the address (``host:port``)."""
    address = f"127.0.0.1:{free_port()}"
    command = [program("prometheus-node-exporter"), f"--web.listen-address={address}"]
    with running([*command, f"--collector.textfile.directory={folder}"], log):
        eventually(lambda: answers(f"http://{address}/metrics"), 60)
        yield address


@contextmanager
def running(command: list[str], log: Path) -> Iterator[None]:
    """Run a program until the block ends."""
    process = Process(command, dict(os.environ), log)
    process.start()
    try:
        yield
    finally:
        process.kill()


def answers(url: str) -> bool:
    """Tell whether somebody answers there with 200."""
    try:
        session = requests.Session()
        session.trust_env = False
        return session.get(url, timeout=5).status_code == 200
    except requests.RequestException:
        return False
