"""deploy/monitoring/grafana-dashboard.json: Grafana can import it, and its queries are right."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from benchmarks import dashboard

from tests.unit.alerts.shipped import DASHBOARD, expressions, program

VARIABLES = {one["name"]: one for one in DASHBOARD["templating"]["list"]}


def check(found: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Let Prometheus's own parser read expressions, as rules that nobody uses."""
    made = [{"record": f"expression_{place}", "expr": text}
            for place, text in enumerate(found.values())]  # fmt: skip
    path = folder / "rules.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": made}]}))
    return subprocess.run(
        [program("promtool"), "check", "rules", str(path)], capture_output=True, text=True
    )


def test_prometheus_can_parse_every_expression(tmp_path: Path) -> None:
    done = check(expressions(), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(expressions())} rules found" in done.stdout


@pytest.mark.parametrize("bad", ["sum by (job (up)", "rate(up)", "up{job=x}", "$job"])
def test_what_it_cannot_parse_is_found(bad: str, tmp_path: Path) -> None:
    assert check({**expressions(), "bad": bad}, tmp_path).returncode != 0


PREDICTED = {
    "binary": ("0", "1"),
    "multiclass": ("low", "mid", 'it is "1"'),
    "regression": ("number",),
}


@pytest.mark.parametrize("task", PREDICTED)
def test_what_is_predicted_is_shown_of_each_task(task: str, tmp_path: Path) -> None:
    """Each prediction as often as another, by Prometheus's own arithmetic."""
    [panel] = [one for one in dashboard.panels(DASHBOARD) if one.title == "What is predicted"]
    [query] = panel.queries
    names = PREDICTED[task]
    labels = [f'role="champion", prediction={json.dumps(name)}' for name in names]
    name = 'churn_predictions_total{{job="churn", instance="{}", {}}}'
    series = [{"series": name.format(place, one), "values": "0+60x60"}
              for one in labels for place in "ab"]  # fmt: skip
    expected = [{"labels": f"{{{one}}}", "value": 1 / len(names)} for one in labels]
    expression = query.filled(interval="5m")
    test = {"expr": expression, "eval_time": "30m", "exp_samples": expected}
    document = {"tests": [{"interval": "1m", "input_series": series, "promql_expr_test": [test]}]}
    path = tmp_path / "test.yml"
    path.write_text(yaml.safe_dump(document))
    command = [program("promtool"), "test", "rules", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert query.named({"role": "champion", "prediction": names[-1]}) == f"champion: {names[-1]}"


def datasources(node: Any) -> Iterator[Any]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "datasource":
                yield value
            yield from datasources(value)
    elif isinstance(node, list):
        for value in node:
            yield from datasources(value)


def test_it_is_of_no_particular_grafana() -> None:
    # An id is given by the Grafana that imports it; the data source is chosen there.
    assert "id" not in DASHBOARD
    assert VARIABLES["datasource"]["type"] == "datasource"
    assert VARIABLES["datasource"]["query"] == "prometheus"
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    assert [one for one in datasources(DASHBOARD) if one != chosen] == []
    for panel in dashboard.panels(DASHBOARD):
        for query in panel.queries:
            assert "$job" in query.expression, panel.title
            assert "$" not in query.filled(), panel.title
    assert set(VARIABLES) == {"datasource", "job"}
    assert VARIABLES["job"]["definition"] == VARIABLES["job"]["query"]["query"]


def test_its_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}  # fmt: skip
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in dashboard.panels(DASHBOARD):
        assert panel.queries, panel.title
    assert len({panel.title for panel in dashboard.panels(DASHBOARD)}) >= 15
