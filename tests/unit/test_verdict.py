"""Command `gate`: what it reads, what it writes, and what it refuses to judge."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from churn.core.errors import ArtifactError, BaselineError, ParamsError
from churn.core.params import Params
from churn.core.paths import Workspace
from churn.evaluation.metric_names import TITLES
from churn.provenance import lockfile
from churn.provenance.candidate import input_fingerprint, model_digest
from churn.review import outputs, verdict
from churn.review.gates_alone import Outputs
from churn.review.outcome import Gate, Verdict, stopped, unchanged
from tests.conftest import PARAMS
from tests.unit.repositories import commit, write

MD5, OTHER_MD5 = "0" * 32 + ".dir", "1" * 32 + ".dir"


@pytest.fixture
def workspace(repository: Path, settings: Params, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Return a work tree with results that keep every limit."""
    monkeypatch.setattr(lockfile, "stale", lambda root: [])
    monkeypatch.setattr(outputs, "compare", lambda workspace: Outputs("same"))
    shutil.copy(PARAMS, repository)
    write(repository, {"data.dvc": f"outs:\n- md5: {MD5}\n  path: data\n"})
    made = Workspace(repository)
    write(repository, {"build/model/model.json": "{}"})
    one = {"baseline": 0.8, "candidate": 0.8, "difference": 0.0, "lower": 0.0, "upper": 0.0}
    metrics = [one | {"metric": name, "word": "identical"} for name in TITLES]
    entry = {"name": "main", "model_digest": "x", "rows": 9, "metrics": metrics, "slices": []}
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
    moved = Verdict(True, "judged", "fine", gates[:1], ("gates.minima.roc_auc",))
    assert verdict.lines(moved)[-1] == "Changes its own limits (gates.minima.roc_auc): fine"
    both = verdict.lines(replace(moved, undecided=True))[-1]
    assert both == (
        "Changes its own limits (gates.minima.roc_auc). Cannot tell, a person has to decide: fine"
    )


def edit_params(workspace: Workspace, **gates: Any) -> None:
    document = yaml.safe_load(workspace.params.read_text())
    document["gates"] |= gates
    workspace.params.write_text(yaml.safe_dump(document))


def name_main(workspace: Workspace, commit: str, **others: Any) -> None:
    """Let the comparison be one with a commit."""
    comparison = json.loads(workspace.comparison.read_text())
    [entry] = comparison["baselines"]
    comparison["baselines"] = [
        entry | {"kind": "revision", "identity": commit, "exam": "main", "limits": whose} | others
        for whose in ("main", "own")
    ]
    workspace.comparison.write_text(json.dumps(comparison))


@pytest.mark.slow
def test_a_change_that_loosens_its_limits_is_judged_by_those_of_main(workspace: Workspace) -> None:
    edit_params(workspace, minima={"roc_auc": 0.95})
    name_main(workspace, commit(workspace.root))
    edit_params(workspace, minima={"roc_auc": 0.5})
    changed = {"key": "gates.minima.roc_auc", "before": "0.95", "after": "0.5", "limit": True}
    workspace.changes.write_text(json.dumps({"parameters": [changed]}))

    judged = verdict.run(workspace)

    assert not judged.passed
    assert [one.name for one in judged.gates if not one.passed] == [
        "minimum of ROC AUC, main's limits"
    ]
    assert judged.moved == ("gates.minima.roc_auc",)


def test_limits_of_main_that_cannot_be_read_are_not_judged_by(workspace: Workspace) -> None:
    text = workspace.params.read_text()
    workspace.params.write_text("gates: [")
    name_main(workspace, commit(workspace.root))
    workspace.params.write_text(text)
    with pytest.raises(BaselineError, match="its limits cannot be read"):
        verdict.run(workspace)
    assert not workspace.verdict.exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("accept", "before", "of_main", "passed"),
    [
        (MD5, None, OTHER_MD5, True),
        (None, None, OTHER_MD5, False),
        ("2" * 32 + ".dir", None, OTHER_MD5, False),
        (MD5, MD5, OTHER_MD5, False),  # it was for a change before
        (MD5, None, MD5, False),  # no other table, so another split or code
    ],
    ids=["this table", "nothing", "a third table", "accepted by main", "the table of main"],
)
def test_accepting_is_for_the_table_of_this_change_alone(
    accept: str | None, before: str | None, of_main: str, passed: bool, workspace: Workspace
) -> None:
    write(workspace.root, {"data.dvc": f"outs:\n- md5: {of_main}\n  path: data\n"})
    edit_params(workspace, accept=before)
    name_main(workspace, commit(workspace.root), incomparable="other customers")
    write(workspace.root, {"data.dvc": f"outs:\n- md5: {MD5}\n  path: data\n"})
    edit_params(workspace, accept=accept)
    assert verdict.run(workspace).passed == passed
