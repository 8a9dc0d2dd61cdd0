"""Command `review`: whatever happens, there are a verdict, a report and a packed candidate."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from churn.cli.main import main
from churn.core.errors import ArtifactError, BaselineError, DataError
from churn.core.files import write_parquet
from churn.core.paths import Workspace
from churn.provenance import bundle, tracked_data
from churn.provenance.git import git
from churn.review import compare, outcome, verdict
from churn.review import run as review
from churn.review.outcome import Verdict
from tests.unit.repositories import commit, write

GOOD = Verdict(True, "judged", "fine", ())


@pytest.fixture
def workspace(repository: Path) -> Workspace:
    """Return a repository with a model from before."""
    files = {
        "data.dvc": "outs:\n- md5: 0123.dir\n  path: data\n",
        "build/model/model.json": "{}",
        "build/comparison.json": '{"baselines": []}',
    }
    write(repository, files)
    workspace = Workspace(repository)
    write_parquet(workspace.predictions("test"), pd.DataFrame({"probability": [0.1]}))
    commit(repository)
    return workspace


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace what takes time, and note in which order it is called."""
    called: list[str] = []

    def judge(workspace: Workspace, release: bool) -> Verdict:
        called.append("gate for release" if release else "gate")
        return GOOD

    def compared(workspace: Workspace, revision: str, production: bool, share_cache: bool) -> None:
        called.append(f"compare {revision} {production}")

    monkeypatch.setattr(review, "reproduce", lambda root, *arguments: called.append("repro"))
    monkeypatch.setattr(tracked_data, "require_data", lambda root: None)
    monkeypatch.setattr(compare, "run", compared)
    monkeypatch.setattr(verdict, "run", judge)
    return called


def run(workspace: Workspace, revision: str | None = "HEAD", production: bool = False) -> Verdict:
    plan = review.Plan(revision, production)
    return review.run(workspace, plan, workspace.candidate, lambda step: None)


def packed(workspace: Workspace) -> dict[str, Any]:
    manifest = bundle.read_manifest(workspace.candidate)
    assert (workspace.candidate / "report.md").read_text().startswith("## ")
    written: dict[str, Any] = json.loads((workspace.candidate / "verdict.json").read_text())
    assert "verdict.json" in manifest.files
    return written


@pytest.mark.slow
@pytest.mark.parametrize("production", [False, True])
def test_a_change_is_trained_compared_judged_reported_and_packed(
    production: bool, workspace: Workspace, steps: list[str]
) -> None:
    write(workspace.root, {"params.yaml": "a: 2\n"})
    assert run(workspace, production=production) == GOOD
    assert steps == ["repro", f"compare HEAD {production}", "gate"]
    assert packed(workspace)["passed"] is True
    assert bundle.verify(workspace.candidate)


def test_what_is_to_be_released_is_judged_against_production_and_never_unchanged(
    workspace: Workspace, steps: list[str]
) -> None:
    assert run(workspace, None, production=True) == GOOD
    assert steps == ["repro", "compare None True", "gate for release"]
    assert bundle.verify(workspace.candidate, workspace.root, "HEAD")


@pytest.mark.slow
@pytest.mark.parametrize("files", [{}, {"README.md": "other"}, {"docs/a.md": "new"}])
def test_where_no_input_has_changed_nothing_is_trained(
    files: dict[str, str], workspace: Workspace, steps: list[str]
) -> None:
    git(workspace.root, "branch", "base")
    write(workspace.root, files)
    commit(workspace.root)
    judged = run(workspace, "base")
    assert steps == []
    assert (judged.passed, judged.outcome) == (True, "unchanged")
    assert packed(workspace)["outcome"] == "unchanged"
    assert not (workspace.candidate / "model").exists()  # the one that lies there is an older one


@pytest.mark.slow
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (DataError("customers.csv: no\n   rows"), "customers.csv: no rows"),
        (BaselineError("main: no model"), "main: no model"),
        (OSError("disk full"), "disk full"),
        (KeyError("salt"), "a bug in churn: KeyError: 'salt'"),
    ],
)
@pytest.mark.parametrize("where", ["reproduce", "compare", "gate"])
def test_what_goes_wrong_is_a_verdict_that_blocks(
    where: str,
    error: Exception,
    said: str,
    workspace: Workspace,
    steps: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    target = {
        "reproduce": (review, "reproduce"),
        "compare": (compare, "run"),
        "gate": (verdict, "run"),
    }
    monkeypatch.setattr(*target[where], fail)
    write(workspace.root, {"params.yaml": "a: 2\n"})
    judged = run(workspace)
    assert (judged.passed, judged.outcome, judged.reason) == (False, "stopped", said)
    written = packed(workspace)
    assert (written["passed"], written["reason"]) == (False, said)
    assert not (workspace.candidate / "model").exists()
    assert "Do not merge" in (workspace.candidate / "report.md").read_text()


@pytest.mark.slow
def test_what_is_not_committed_is_told(
    workspace: Workspace,
    steps: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(workspace.root)
    write(workspace.root, {"params.yaml": "a: 2\n"})
    main(["review", "--baseline", "HEAD"])
    last = capsys.readouterr().out.strip().splitlines()[-1]
    assert last == "not committed, so not part of a pull request: params.yaml"
    commit(workspace.root)
    main(["review", "--baseline", "HEAD~1"])
    assert "not committed" not in capsys.readouterr().out


@pytest.mark.slow
def test_a_branch_that_is_behind_is_told(workspace: Workspace, steps: list[str]) -> None:
    git(workspace.root, "branch", "main2")
    write(workspace.root, {"src/churn/x.py": "x = 2\n"})
    commit(workspace.root)
    git(workspace.root, "switch", "--quiet", "main2")
    said: list[str] = []
    review.run(workspace, review.Plan("main"), workspace.candidate, said.append)
    assert said[0].startswith("commits of main that are missing here: 1; ")
    said.clear()
    git(workspace.root, "switch", "--quiet", "main")
    review.run(workspace, review.Plan("main2"), workspace.candidate, said.append)
    assert not any("not here" in one for one in said)


def test_an_unknown_baseline_blocks(workspace: Workspace, steps: list[str]) -> None:
    judged = run(workspace, "absent")
    assert judged.outcome == "stopped"
    assert "no such revision" in judged.reason
    assert steps == []


@pytest.mark.parametrize("name", ["data.dvc", "params.yaml"])
def test_a_change_that_deletes_an_input_is_blocked_and_reported(
    name: str, workspace: Workspace, steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(root: Path, scratch: bool) -> None:
        raise DataError(f"{name}: gone")

    monkeypatch.setattr(review, "reproduce", fail)
    (workspace.root / name).unlink()
    assert run(workspace).outcome == "stopped"
    assert packed(workspace)["passed"] is False


@pytest.mark.slow
def test_an_earlier_good_verdict_does_not_survive(
    workspace: Workspace, steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(workspace.root, {"params.yaml": "a: 2\n"})
    assert run(workspace).passed
    monkeypatch.setattr(compare, "run", lambda *_, **__: (_ for _ in ()).throw(DataError("bad")))
    assert not run(workspace).passed
    assert packed(workspace)["passed"] is False
    assert json.loads(workspace.verdict.read_text())["passed"] is False


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (["Running stage 'train':", "Error: column x", "ERROR: failed to reproduce"], "column x"),
        (["ERROR: failed to reproduce 'train'"], "ERROR: failed to reproduce 'train'"),
        (["first", "last"], "last"),
        ([], "it printed no reason"),
    ],
)
def test_the_stage_s_own_error_is_the_reason(said: list[str], why: str) -> None:
    assert review.stage_error(said) == why


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "check"),
    [
        ("mkdir -p reports && echo done > reports/checks.json", lambda text: text is None),
        ("echo 'Error: no customers' >&2; exit 2", lambda text: "no customers" in text),
    ],
)
def test_the_real_pipeline_runs_up_to_its_checks(
    command: str, check: Callable[[str | None], bool], repository: Path
) -> None:
    stages = f"""
stages:
  validate:
    cmd: {json.dumps(command)}
    outs: [reports/checks.json]
  track:
    cmd: touch tracked
    deps: [reports/checks.json]
"""
    write(repository, {"dvc.yaml": stages})
    dvc = [sys.executable, "-m", "dvc", "init", "--quiet"]
    subprocess.run(dvc, cwd=repository, check=True, env=os.environ)
    error = None
    try:
        review.reproduce(repository, "validate")
    except Exception as caught:
        error = str(caught)
    assert check(error)
    assert not (repository / "tracked").exists()


def test_a_stopped_verdict_is_the_gate_s() -> None:
    assert outcome.stopped("x").outcome == "stopped"


def test_in_a_subfolder_nothing_is_reviewed_and_nothing_written(
    workspace: Workspace, steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace.root / "src").mkdir(exist_ok=True)
    monkeypatch.chdir(workspace.root / "src")
    below = Workspace()
    with pytest.raises(ArtifactError, match="no project there; run churn in its folder"):
        review.run(below, review.Plan("HEAD"), below.candidate, lambda step: None)
    assert not Path("build").exists()


def test_data_that_data_dvc_does_not_name_are_no_unchanged_data(
    workspace: Workspace, steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(root: Path) -> None:
        raise ArtifactError("data differs from data.dvc; run dvc add data, or dvc checkout")

    monkeypatch.setattr(tracked_data, "require_data", refuse)
    judged = run(workspace)
    assert (judged.outcome, steps) == ("stopped", [])
    assert "dvc add data" in judged.reason


@pytest.mark.slow
def test_a_runner_judges_nothing_that_its_commit_does_not_hold(
    workspace: Workspace, steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of files that are not ignored any more, nobody would compare what is committed."""
    write(workspace.root, {"params.yaml": "a: 2\n"})
    commit(workspace.root)
    plan = review.Plan("HEAD~1", from_scratch=True)
    real = verdict.run

    def leave(workspace: Workspace, release: bool) -> Verdict:
        write(workspace.root, {"src/churn/left.txt": "by the run"})
        return real(workspace, release)

    monkeypatch.setattr(verdict, "run", leave)
    judged = review.run(workspace, plan, workspace.candidate, lambda step: None)
    assert judged.outcome == "stopped"
    assert "src/churn/left.txt: not as in the commit that is judged" in judged.reason


def test_a_cache_in_git_is_refused(workspace: Workspace, steps: list[str]) -> None:
    write(workspace.root, {".dvc/cache/files/md5/aa/bb": "a model of somebody's"})
    git(workspace.root, "add", "--force", ".dvc/cache")
    judged = run(workspace)
    assert (judged.outcome, steps) == ("stopped", [])
    assert "DVC's cache is in git" in judged.reason


@pytest.mark.slow
def test_a_change_of_the_remote_alone_is_reviewed(workspace: Workspace, steps: list[str]) -> None:
    write(workspace.root, {"dvc-remote/files/md5/aa/bb": "other bytes"})
    run(workspace)
    assert steps == ["repro", "compare HEAD False", "gate"]


@pytest.mark.slow
def test_what_an_earlier_review_has_left_is_gone_when_a_review_is_killed(
    workspace: Workspace, steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(workspace.root, {"params.yaml": "a: 2\n"})
    assert run(workspace).passed
    monkeypatch.setattr(compare, "run", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run(workspace)
    assert not workspace.verdict.exists()
    assert not workspace.candidate.exists()
