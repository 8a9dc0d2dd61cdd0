"""Command `gate`: what it reads, what it writes, and what it refuses to judge."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from churn import lockfile, verdict
from churn.candidate import input_fingerprint, model_digest
from churn.errors import ArtifactError, ParamsError
from churn.evaluation.metric_names import TITLES
from churn.gate import Gate, Verdict, stopped, unchanged
from churn.params import Params
from churn.paths import Workspace
from tests.conftest import ROOT
from tests.unit.repositories import write


@pytest.fixture
def workspace(repository: Path, settings: Params, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Return a work tree with results that keep every limit."""
    monkeypatch.setattr(lockfile, "stale", lambda root: [])
    shutil.copy(ROOT / "params.yaml", repository)
    made = Workspace(repository)
    write(repository, {"build/model/model.json": "{}"})
    one = {"baseline": 0.8, "candidate": 0.8, "difference": 0.0, "lower": 0.0, "upper": 0.0}
    metrics = [one | {"metric": name, "word": "identical"} for name in TITLES]
    entry = {"name": "main", "model_digest": "x", "metrics": metrics, "slices": []}
    checks = [
        {"suite": suite, "check": check.check, "status": "passed", "outcomes": []}
        for suite, listed in settings.checks.suites.items()
        for check in listed
    ]
    good = dict.fromkeys(TITLES, 0.9)
    contents: dict[Path, Any] = {
        made.metrics: {"threshold": 0.5, "train": good, "test": good},
        made.checks: {"passed": len(checks), "checks": checks},
        made.comparison: {"model_digest": model_digest(made.model), "baselines": [entry]},
    }
    for file, content in contents.items():
        write(repository, {str(file.relative_to(repository)): json.dumps(content)})
    return made


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def test_what_is_there_is_judged_and_written(workspace: Workspace) -> None:
    judged = verdict.run(workspace)
    assert judged.passed
    written = json.loads(workspace.verdict.read_text())
    assert written["passed"] is True
    assert written["outcome"] == "judged"
    assert written["reason"] == judged.reason
    assert [one["name"] for one in written["gates"]] == [one.name for one in judged.gates]
    assert written["of"] == {
        "model_digest": model_digest(workspace.model),
        "fingerprint": input_fingerprint(workspace.root),
    }


def test_a_bad_candidate_is_judged_so_and_written(workspace: Workspace) -> None:
    edit(workspace.comparison, '"lower": 0.0', '"lower": -0.5')
    edit(workspace.comparison, '"identical"', '"worse"')
    judged = verdict.run(workspace)
    assert not judged.passed
    assert json.loads(workspace.verdict.read_text())["passed"] is False


def test_a_stale_lock_is_asked_for_and_blocks(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lockfile, "stale", lambda root: ["train: params.yaml model"])
    assert verdict.run(workspace).reason.startswith("dvc.lock is stale (params.yaml model)")


def test_a_comparison_of_the_model_before_blocks(workspace: Workspace) -> None:
    write(workspace.root, {"build/model/model.json": "{ }"})
    assert "another model" in verdict.run(workspace).reason


@pytest.mark.parametrize("name", ["metrics", "checks", "comparison", "model"])
def test_a_result_that_is_missing_is_not_judged(name: str, workspace: Workspace) -> None:
    gone = getattr(workspace, name)
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    with pytest.raises(ArtifactError):
        verdict.run(workspace)
    assert not workspace.verdict.exists()


@pytest.mark.parametrize("name", ["metrics", "checks", "comparison"])
@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "[]",
        "null",
        "[" * 5000,
        '{"baselines": [{}]}',
        '{"model_digest": "x", "baselines": [1]}',
        '{"model_digest": "x", "baselines": [{"name": "main"}]}',
        '{"test": {"roc_auc": "0.9"}, "train": {}, "threshold": 1.0}',
        '{"test": [], "train": {}, "threshold": 1.0}',
        '{"passed": 1, "checks": [{"check": "x", "status": "passed"}]}',
        '{"passed": 1, "checks": [{"suite": "model", "check": "x", "status": "fine"}]}',
    ],
)
def test_a_result_of_another_shape_is_a_known_error(
    name: str, content: str, workspace: Workspace
) -> None:
    getattr(workspace, name).write_text(content)
    with pytest.raises(ArtifactError, match=r"run (`churn \w+`|it) again|not what"):
        verdict.run(workspace)


def test_parameters_that_are_none_are_not_judged_by(workspace: Workspace) -> None:
    edit(workspace.params, "gates:", "gate:")
    with pytest.raises(ParamsError):
        verdict.run(workspace)


@pytest.mark.parametrize("judged", [stopped("no data"), unchanged("main")])
def test_what_was_not_judged_is_written_without_a_model(judged: Verdict, repository: Path) -> None:
    workspace = Workspace(repository)
    verdict.write(workspace, judged)
    written = json.loads(workspace.verdict.read_text())
    assert "of" not in written
    assert written["outcome"] == judged.outcome


def test_the_terminal_shows_each_gate_and_then_the_whole() -> None:
    gates = (Gate("a", True, "1", "2", "fine"), Gate("b", False, "3", "4", "bad"))
    assert verdict.lines(Verdict(False, "judged", "bad", gates)) == [
        "pass  a: fine",
        "FAIL  b: bad",
        "Do not merge: bad",
    ]
    assert verdict.lines(Verdict(True, "judged", "fine", gates[:1]))[-1] == "Merge: fine"
