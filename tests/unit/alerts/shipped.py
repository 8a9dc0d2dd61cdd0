"""What deploy/monitoring ships, and what there is to be asked for."""

from __future__ import annotations

import re
import shutil
from typing import Any

import pytest
import yaml
from benchmarks import dashboard
from prometheus_client.parser import text_string_to_metric_families

from churn.core.params import ServeParams
from churn.monitor import textfile
from churn.serve import metrics
from churn.serve.monitored import Monitored
from tests.conftest import ROOT
from tests.unit.monitor.reports import report

FOLDER = ROOT / "deploy/monitoring"
RULES: dict[str, Any] = yaml.safe_load((FOLDER / "alerts.yml").read_text())
DASHBOARD = dashboard.read()
PAGE = (ROOT / "docs/alerts.md").read_text()
# Prometheus's own: whether a target answers, and the alerts.
_OWN = {"up": {"job", "instance"}, "ALERTS": {"alertname", "alertstate", "severity", "job"}}


def rules(kind: str) -> list[dict[str, Any]]:
    """Return the rules that are an ``alert``, or a ``record``."""
    return [rule for group in RULES["groups"] for rule in group["rules"] if kind in rule]


def by_kind() -> dict[str, str]:
    """Return the alert of each kind of alarm of the monitor."""
    asked = re.compile(r'churn_monitor_alarms\{kind="(\w+)"\}')
    found = [(kind, rule["alert"]) for rule in rules("alert")
             for kind in asked.findall(rule["expr"])]  # fmt: skip
    assert len(dict(found)) == len(found)
    return dict(found)


def expressions() -> dict[str, str]:
    """Return every PromQL expression that is shipped, by where it is."""
    found = {rule.get("alert") or rule["record"]: rule["expr"] for group in RULES["groups"]
             for rule in group["rules"]}  # fmt: skip
    for panel in dashboard.panels(DASHBOARD):
        for place, query in enumerate(panel.queries):
            found[f"{panel.title} {place}"] = query.filled()
    for annotation in DASHBOARD["annotations"]["list"]:
        found[annotation["name"]] = annotation["expr"].replace("$job", ".*")
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            inner = variable["definition"].removeprefix("label_values(")
            found[variable["name"]] = inner.rpartition(",")[0]
    return found


def exposed() -> dict[str, set[str]]:
    """Return what a server and the monitor expose: labels by the name of a series.

    Read from what they show; labels from where they are declared, because a counter without a
    number shows none.
    """
    body, _ = metrics.exposition(None, Monitored(ServeParams().monitor))
    texts = {"server": body.decode(), "monitor": textfile.render(report(alarming=True))}
    found = dict(_OWN)
    for text in texts.values():
        for family in text_string_to_metric_families(text):
            meaning = metrics.METRICS.get(family.name)
            labels = set() if meaning is None else set(meaning.labels)
            for sample in family.samples:
                labels |= set(sample.labels)
            for name in _series(family.name, family.type):
                found[name] = labels | {"job", "instance"} | ({"le"} if "bucket" in name else set())
    return found


def _series(name: str, kind: str) -> list[str]:
    ends = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}
    return [f"{name}{end}" for end in ends.get(kind, [""])]


def program(name: str) -> str:
    """Return the path of a program, or skip the test."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is missing; apt install prometheus prometheus-node-exporter")
    return found
