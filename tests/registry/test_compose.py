"""compose.yaml: nothing starts without secrets of its own, and nothing is open to the network."""

from __future__ import annotations

import re
from importlib.metadata import version
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT
from tests.registry import compose

EXAMPLE = (ROOT / ".env.example").read_text()
TEXT = compose.FILE.read_text()
REQUIRED = sorted(set(re.findall(r"\$\{(\w+):\?", TEXT)))
SECRETS = {one["environment"] for one in yaml.safe_load(TEXT)["secrets"].values()}
_SECRET = re.compile(r"PASSWORD|SECRET|ACCESS_KEY|API_KEYS")


def faults(text: str) -> set[str]:
    """Say what is wrong with a compose file."""
    found = set()
    for name, service in yaml.safe_load(text)["services"].items():
        found |= _open(name, service)
        # What is built here is pinned by Containerfile (tests/unit/test_packaging.py).
        if "build" not in service and not re.search(r":v?\d+(\.\d+)+(-\w+)?$", service["image"]):
            found.add(f"not pinned: {name}")
        # Compose copies what comes from no file into the container, and refuses where it may not.
        if service.get("read_only") and (service.get("secrets") or service.get("configs")):
            found.add(f"a secret or configuration that cannot be written: {name}")
        if not service.get("healthcheck", {}).get("test"):
            found.add(f"no healthcheck: {name}")
        for variable, value in service.get("environment", {}).items():
            if _SECRET.search(variable) and not re.fullmatch(r"\$\{\w+:\?[^}]+\}", str(value)):
                found.add(f"a secret that has a value: {name} {variable}")
        for needed, how in service.get("depends_on", {}).items():
            if how != {"condition": "service_healthy"}:
                found.add(f"does not wait: {name} for {needed}")
    found |= {f"a password in an address: {a}" for a in re.findall(r"\w+://[^\s/]*:[^\s/]*@", text)}
    return found


def _open(name: str, service: dict[str, Any]) -> set[str]:
    return {f"open to the network: {name}" for port in service.get("ports", [])
            if not port.startswith("127.0.0.1:")}  # fmt: skip


def test_nothing_is_wrong_with_it() -> None:
    assert faults(TEXT) == set()


def test_what_is_wrong_is_found() -> None:
    bad = """
services:
  one:
    image: postgres
    environment: {POSTGRES_PASSWORD: "${POSTGRES_PASSWORD:-postgres}", A_SECRET: x}
    ports: ["5432:5432"]
    read_only: true
    secrets: [key]
    depends_on: {two: {condition: service_started}}
    command: --store=postgresql://mlflow:mlflow@database/mlflow
"""
    assert faults(bad) == {
        "not pinned: one",
        "no healthcheck: one",
        "a secret that has a value: one POSTGRES_PASSWORD",
        "a secret that has a value: one A_SECRET",
        "open to the network: one",
        "a secret or configuration that cannot be written: one",
        "does not wait: one for two",
        "a password in an address: postgresql://mlflow:mlflow@",
    }


@pytest.mark.parametrize("name", REQUIRED)
@pytest.mark.parametrize("how", ["missing", "empty"])
def test_it_does_not_start_without(name: str, how: str) -> None:
    values = dict.fromkeys(REQUIRED, "x")
    compose.load(values)
    if how == "empty":
        values[name] = ""
    else:
        del values[name]
    with pytest.raises(compose.MissingError, match=f"^{name}: set it in .env"):
        compose.load(values)


def test_the_example_names_every_variable_and_gives_no_secret() -> None:
    named = dict(re.findall(r"^(?:# )?(\w+)=(.*)$", EXAMPLE, re.MULTILINE))
    assert set(named) == set(re.findall(r"\$\{(\w+)", TEXT)) | SECRETS
    assert {name for name, value in named.items() if not value} == {*REQUIRED, *SECRETS}
    assert "/.env" in (ROOT / ".gitignore").read_text().splitlines()


def test_the_server_is_of_the_version_that_is_tested() -> None:
    image = yaml.safe_load(TEXT)["services"]["mlflow"]["image"]
    assert re.search(r":v(\d+\.\d+)\.", image)[1] == version("mlflow").rpartition(".")[0]


def test_variables_are_filled_in_as_compose_does_it() -> None:
    text = "${A:?why} ${B:-other} ${C:-} ${D}"
    assert compose.substitute(text, {"A": "a", "B": "b", "C": "c"}) == "a b c "
    assert compose.substitute(text, {"A": "a", "B": ""}) == "a other  "


def test_prometheus_finds_what_its_configuration_names() -> None:
    service = yaml.safe_load(TEXT)["services"]["prometheus"]
    [folder] = [one.split(":") for one in service["volumes"] if one.startswith("./")]
    assert folder[2] == "ro"
    assert f"--config.file={folder[1]}/prometheus.yml" in service["command"]
    told = yaml.safe_load((ROOT / folder[0] / "prometheus.yml").read_text())
    assert all((ROOT / folder[0] / name).is_file() for name in told["rule_files"])
    [job] = [one for one in told["scrape_configs"] if one["job_name"] == "churn"]
    [secret] = service["secrets"]
    assert job["authorization"]["credentials_file"] == f"/run/secrets/{secret}"
    [target] = job["static_configs"][0]["targets"]
    host, port = target.split(":")
    assert yaml.safe_load(TEXT)["services"][host]["ports"][0].endswith(f":{port}")
