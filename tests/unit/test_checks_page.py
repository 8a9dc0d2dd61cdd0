"""checks.json as a page."""

from __future__ import annotations

import json
import re
from typing import Any

from churn.validation.page import render
from churn.validation.results import Checks, Results

PASSED = {
    "suite": "model",
    "check": "RocReport",
    "status": "passed",
    "outcomes": [{"condition": "AUC > 0.7", "passed": True, "details": "0.81"}],
    "value": {"1": 0.81},
}
FAILED = {
    "suite": "model",
    "check": "CalibrationScore",
    "status": "failed",
    "outcomes": [{"condition": "Brier < 0.2", "passed": False, "details": "0.31"}],
    "value": None,
}
CRASHED = {
    "suite": "model",
    "check": "PredictionDrift",
    "status": "crashed",
    "outcomes": [],
    "error": "ValueError: <script>alert(1)</script>",
}


def report(*checks: dict[str, Any]) -> Checks:
    found = Results.model_validate_json(json.dumps({"checks": checks}))
    return Checks.of(found.checks, {"train": 8012, "test": 1988})


def test_what_is_wrong_comes_first_and_is_unfolded() -> None:
    page = render(report(PASSED, FAILED, CRASHED))
    order = re.findall(r'<details class="(\w+)"( open)?>', page)
    assert order == [("crashed", " open"), ("failed", " open"), ("passed", "")]


def test_the_counts_are_shown() -> None:
    page = render(report(PASSED, FAILED, CRASHED))
    assert "<h1>1 of 3 checks passed</h1>" in page
    assert "1 failed, 1 could not be run" in page
    assert "8,012 training and 1,988 held-out customers" in page


def test_conditions_findings_and_values_are_shown() -> None:
    page = render(report(PASSED, FAILED))
    assert "<td>Brier &lt; 0.2</td><td>not met</td><td>0.31</td>" in page
    assert "<td>AUC &gt; 0.7</td><td>met</td><td>0.81</td>" in page
    assert page.count("<summary>Value</summary>") == 1  # the failed check has none


def test_text_from_outside_is_escaped() -> None:
    page = render(report(CRASHED))
    assert "<script" not in page
    assert "It could not be run: ValueError: &lt;script&gt;" in page


def test_suites_keep_their_order_and_empty_ones_are_left_out() -> None:
    integrity = {**PASSED, "suite": "data_integrity", "check": "DataDuplicates"}
    page = render(report(PASSED, integrity))
    assert re.findall("<h2>(.*)</h2>", page) == ["Data integrity", "Model"]


def test_nothing_is_loaded_from_outside() -> None:
    page = render(report(PASSED, FAILED, CRASHED))
    assert not re.search(r"https?:|src=|href=|@import|url\(", page)
