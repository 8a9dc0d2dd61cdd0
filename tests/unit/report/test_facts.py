"""What a report is made of, read from a real work tree."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from churn.core.errors import ArtifactError
from churn.core.paths import Workspace
from churn.core.shapes import from_json
from churn.provenance.candidate import input_fingerprint, model_digest
from churn.provenance.git import git
from churn.review import report
from churn.review.report import run_address
from churn.review.report.facts import Facts, read
from churn.review.report.gather import gather
from tests.unit.report.samples import check, entry, facts

ACTIONS = {
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "o/r",
    "GITHUB_RUN_ID": "7",
}


def test_a_run_has_an_address_on_actions_only() -> None:
    assert run_address(ACTIONS) == "https://github.com/o/r/actions/runs/7"
    assert run_address({}) == ""
    for name in ACTIONS:
        assert run_address({**ACTIONS, name: ""}) == ""
        assert run_address({key: value for key, value in ACTIONS.items() if key != name}) == ""


@pytest.fixture
def workspace(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Return a repository in which a candidate was judged."""
    for name in ACTIONS:
        monkeypatch.delenv(name, raising=False)
    made = Workspace(repository)
    verdict = {"passed": True, "outcome": "judged", "reason": "fine", "gates": []}
    content: dict[Path, Any] = {
        made.verdict: verdict,
        made.metrics: {"threshold": 0.5, "train": {}, "test": {}},
        made.checks: {"checks": [check("Good")]},
        made.comparison: {"model_digest": "c" * 64, "baselines": [entry()]},
    }
    for file, value in content.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(value))
    made.model.mkdir()
    (made.model / "model.json").write_text("{}")
    return made


def outcome(workspace: Workspace, which: str) -> None:
    verdict = json.loads(workspace.verdict.read_text())
    workspace.verdict.write_text(json.dumps(verdict | {"outcome": which}))


def test_the_facts_are_those_of_the_work_tree(workspace: Workspace) -> None:
    known = from_json(Facts, gather(workspace))
    assert known.commit == git(workspace.root, "rev-parse", "HEAD").strip()
    assert known.fingerprint == input_fingerprint(workspace.root)
    assert known.model_digest == model_digest(workspace.model)
    assert [one.name for one in known.compared] == ["main"]


def test_a_baseline_without_metrics_is_one_but_was_not_compared(workspace: Workspace) -> None:
    other = {"name": "Production", "model_digest": "d" * 64, "incomparable": "x"}
    entries = [{"name": "main", "absent": "none"}, other]
    workspace.comparison.write_text(json.dumps({"model_digest": "c", "baselines": entries}))
    known = from_json(Facts, gather(workspace))
    assert len(known.baselines) == 2
    assert known.compared == []


@pytest.mark.parametrize("which", ["unchanged", "stopped"])
def test_what_was_not_judged_shows_nothing_of_an_earlier_candidate(
    which: str, workspace: Workspace
) -> None:
    outcome(workspace, which)
    known = gather(workspace)
    assert [known[key] for key in ("metrics", "checks", "comparison", "model_digest")] == [None] * 4
    assert from_json(Facts, known).baselines == []


@pytest.mark.slow
@pytest.mark.usefixtures("without_pictures")
@pytest.mark.parametrize("name", ["metrics", "checks", "comparison"])
@pytest.mark.parametrize("content", [None, "{", "[]", '"x"'])
def test_a_result_that_is_missing_or_broken_does_not_keep_the_verdict_from_being_told(
    name: str, content: str | None, workspace: Workspace
) -> None:
    file = getattr(workspace, name)
    file.unlink()
    if content:
        file.write_text(content)
    assert gather(workspace)[name] is None
    report.run(workspace)
    assert workspace.report.read_text().startswith("## ✅ Merge: fine")


def test_without_a_verdict_there_is_no_report(workspace: Workspace) -> None:
    workspace.verdict.unlink()
    with pytest.raises(ArtifactError, match=r"verdict.json: not there; `churn gate` writes it"):
        report.run(workspace)
    assert not workspace.report.exists()


def test_a_model_that_is_gone_has_no_digest(workspace: Workspace) -> None:
    (workspace.model / "model.json").unlink()
    assert gather(workspace)["model_digest"] is None


@pytest.mark.slow
def test_the_reports_and_their_facts_are_written(workspace: Workspace) -> None:
    report.run(workspace)
    assert json.loads(workspace.review.read_text()) == gather(workspace)
    assert "### Metrics against `main`" in workspace.report.read_text()
    page = workspace.report_page.read_text()
    assert page.startswith("<!doctype html>")
    assert page.count("data:image/png") == 3


@pytest.mark.slow
def test_the_same_facts_give_the_same_bytes(workspace: Workspace) -> None:
    files = (workspace.report, workspace.report_page, workspace.review)
    report.run(workspace)
    first = [file.read_bytes() for file in files]
    report.run(workspace)
    assert [file.read_bytes() for file in files] == first


FACTS = facts()


def compared(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"model_digest": "c" * 64, "baselines": list(entries)}


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"format": 2}, "format: none of the known values"),
        ({"format": True}, "format: none of the known values"),
        ({"verdict": None}, "verdict: not of type dict"),
        ({"verdict": {"passed": True}}, "verdict.outcome: missing"),
        ({"uncommitted": 0}, "uncommitted: not of type bool"),
        ({"metrics": {"threshold": True, "test": {}}}, "metrics.threshold: not of type float"),
        ({"metrics": {"threshold": math.nan, "test": {}}}, "metrics.threshold: not finite"),
        ({"metrics": {"threshold": -math.inf, "test": {}}}, "metrics.threshold: not finite"),
        ({"metrics": {"threshold": 10**400, "test": {}}}, "metrics.threshold: not finite"),
        (
            {"metrics": {"threshold": 0.5, "test": {"brier": "0"}}},
            "metrics.test: not of type float",
        ),
        (
            {"checks": {"checks": [{"check": "x", "status": "fine"}]}},
            "checks.checks.status: none of",
        ),
        ({"changes": {"files": ["x"] * 20_001}}, "changes.files: more than 20,000 entries"),
        (
            {"comparison": compared(*[{"name": "x", "absent": "y"}] * 21)},
            "comparison.baselines: more than 20",
        ),
        (
            {"comparison": compared(entry(rows=1.5))},
            "comparison.baselines.rows: not of type",
        ),
        (
            {"comparison": compared(entry(data={"rows": [1], "columns": []}))},
            "comparison.baselines.data.rows: not 2 values",
        ),
    ],
)
def test_what_is_of_another_shape_is_refused_by_its_key(
    changed: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(problem)}"):
        read({**FACTS, **changed})


@pytest.mark.parametrize("outcome", ["judged", "stopped"])
def test_a_verdict_that_contradicts_itself_is_refused(outcome: str) -> None:
    gates = FACTS["verdict"]["gates"] if outcome == "judged" else []
    verdict = {"passed": True, "outcome": outcome, "reason": "", "gates": gates}
    with pytest.raises(ValueError, match=r"^verdict\.passed: not what its outcome and gates say"):
        read({**FACTS, "verdict": verdict})


@pytest.mark.parametrize(
    ("outcome", "others", "said"),
    [
        ("judged", {"passed": False}, True),  # something has failed
        ("judged", {"passed": True}, False),  # nothing has, and something is open
        ("stopped", {"passed": True}, True),
    ],
)
def test_what_cannot_be_told_is_what_the_gates_say(
    outcome: str, others: dict[str, bool], said: bool
) -> None:
    gate = FACTS["verdict"]["gates"][0]
    gates = [gate | {"passed": False, "undecided": True}, gate | others]
    verdict = {"passed": False, "outcome": outcome, "reason": "", "gates": gates}
    with pytest.raises(ValueError, match=r"^verdict\.undecided: not what its outcome and gates"):
        read({**FACTS, "verdict": verdict | {"undecided": said}})
    read({**FACTS, "verdict": verdict | {"undecided": not said}})


def test_what_a_newer_release_adds_does_no_harm() -> None:
    more = {**FACTS, "new": [{}], "verdict": {**FACTS["verdict"], "new": None}}
    assert read(more) == read(FACTS)
