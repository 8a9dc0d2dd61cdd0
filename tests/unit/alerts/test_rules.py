"""deploy/monitoring/alerts.yml: promtool tests it, and its words agree with the rest."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from churn.core.params import Params
from churn.monitor.results import TITLES
from tests.conftest import ROOT
from tests.unit.alerts import promql
from tests.unit.alerts.shipped import FOLDER, PAGE, by_kind, exposed, expressions, program, rules

CASES = Path(__file__).with_name("alerts.test.yml")
ALERTS = {rule["alert"]: rule for rule in rules("alert")}


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program("promtool"), *arguments], capture_output=True, text=True)


def fired(cases: dict[str, Any]) -> set[str]:
    """Return the alerts that a test expects to fire."""
    tests = [one for test in cases["tests"] for one in test.get("alert_rule_test", [])]
    return {one["alertname"] for one in tests if one["exp_alerts"]}


def test_the_rules_and_the_configuration_are_valid() -> None:
    configured = ("config", "--syntax-only", str(FOLDER / "prometheus.yml"))
    for checked in (("rules", str(FOLDER / "alerts.yml")), configured):
        done = promtool("check", *checked)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.long
def test_the_alerts_fire_where_they_have_to_and_nowhere_else() -> None:
    done = promtool("test", "rules", str(CASES))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.long
@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        ('kind="data"}', 'kind="date"}', "ChurnDataChanged"),
        (" unless churn_log_dropped_rows_total offset 15m", "", "ChurnLogDrops"),
        (', status=~"5.."', "", "ChurnErrors"),
    ],
)
def test_a_wrong_rule_is_found(good: str, bad: str, said: str, tmp_path: Path) -> None:
    text = (FOLDER / "alerts.yml").read_text()
    assert good in text
    (tmp_path / "alerts.yml").write_text(text.replace(good, bad))
    cases = CASES.read_text().replace("../../../deploy/monitoring/alerts.yml", "alerts.yml")
    (tmp_path / "cases.yml").write_text(cases)
    done = promtool("test", "rules", str(tmp_path / "cases.yml"))
    assert done.returncode != 0
    assert said in done.stdout + done.stderr


def test_every_alert_is_seen_to_fire() -> None:
    cases = yaml.safe_load(CASES.read_text())
    assert fired(cases) == set(ALERTS)
    [first] = [test for test in cases["tests"] if test["name"] == "all is well"]
    assert any(not one["exp_samples"] for one in first["promql_expr_test"])


def test_every_kind_of_alarm_has_an_alert() -> None:
    assert set(by_kind()) == set(TITLES)


def test_the_limits_are_those_of_the_project(settings: Params) -> None:
    assert (
        f"p95_rate5m > {settings.release.p95_ms / 1000:g}\n" in (FOLDER / "alerts.yml").read_text()
    )
    assert f"> {settings.monitor.effects.errors:g}" in ALERTS["ChurnErrors"]["expr"]


def test_every_alert_is_described() -> None:
    assert set(re.findall(r'<a id="\w+"></a>`(\w+)`', PAGE)) == set(ALERTS)
    assert f"{len(ALERTS)} alerts" in PAGE
    for name, rule in ALERTS.items():
        assert set(rule["annotations"]) == {"summary", "description", "runbook"}, name
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert (ROOT / page).is_file()
        assert anchor == name.lower()
        assert f'<a id="{anchor}"></a>`{name}`' in PAGE
        assert rule["labels"]["severity"] in ("critical", "warning", "info")


def faults(found: dict[str, str]) -> list[str]:
    """Say which metrics and labels of expressions nobody exposes."""
    known = exposed() | {rule["record"]: {"job"} for rule in rules("record")}
    wrong = []
    for where, expression in found.items():
        names = promql.metrics(expression)
        wrong += [f"{where}: {name}" for name in names - set(known)]
        asked = [*promql.selectors(expression), ("", promql.groupings(expression))]
        for name, labels in asked:
            of = [name] if name else names
            there = set().union(*(known.get(one, set()) for one in of))
            wrong += [f"{where}: {label}" for label in labels - there]
    return wrong


def test_what_is_asked_for_is_there() -> None:
    assert len(expressions()) > 50
    assert faults(expressions()) == []


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("rate(churn_requests[5m])", "churn_requests"),  # it ends with _total
        ("churn_monitor_alarm_count > 0", "churn_monitor_alarm_count"),
        ('churn_rows_total{status="200"}', "status"),
        ("sum by (kind) (churn_monitor_version)", "kind"),
        ("job:churn_requests:rate10m", "job:churn_requests:rate10m"),
        ("churn_log_queue_rows_bucket", "churn_log_queue_rows_bucket"),
    ],
)
def test_what_nobody_exposes_is_found(bad: str, said: str) -> None:
    assert faults({"here": bad}) == [f"here: {said}"]


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ('sum by (job) (rate(churn_rows_total{a="b) x"}[5m] offset 1h)) > 2', {"churn_rows_total"}),
        ("a:b / on (job) group_left (x) c * 1e3 unless d", {"a:b", "c", "d"}),
        ('time() - max(e{job=~"f|g"} > 0x1f) or absent(up == 1)', {"e", "up"}),
    ],
)
def test_names_are_found(expression: str, names: set[str]) -> None:
    assert promql.metrics(expression) == names


def test_labels_are_found() -> None:
    expression = 'sum by (job, le) (a{b="x", c=~"y,d=z"}) / on (instance) e{f!="}"}'
    assert list(promql.selectors(expression)) == [("a", {"b", "c"}), ("e", {"f"})]
    assert promql.groupings(expression) == {"job", "le", "instance"}
