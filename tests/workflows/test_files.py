"""What holds of every workflow file, as text."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT
from tests.workflows.forge import HERE

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
FILES = [*WORKFLOWS, *sorted((GITHUB / "actions").glob("*/action.yml"))]
USES = re.compile(r"^\s*(?:- )?uses: (.+)$", re.MULTILINE)
_PINNED = re.compile(
    r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+|\./\.github/(actions/\w+|workflows/\w+\.yml)"
)


def faults(text: str, is_workflow: bool = True) -> set[str]:
    """Say what is wrong with a workflow, or with a composite action."""
    document = yaml.safe_load(text)
    found = {f"not pinned: {used}" for used in USES.findall(text) if not _PINNED.fullmatch(used)}
    jobs: dict[str, Any] = document["jobs"] if is_workflow else {"action": document["runs"]}
    for name, job in jobs.items():
        if job.get("uses", "").startswith("./.github/workflows/"):
            continue  # that file's own jobs are tested, and what it may not have is refused there
        if is_workflow and "timeout-minutes" not in job:
            found.add(f"no timeout: {name}")
        for step in job["steps"]:
            if "${{" in step.get("run", ""):
                found.add(f"an expression in a script: {name}")
            if len(step.get("run", "").splitlines()) > 1:
                found.add(f"logic in a script: {name}")
            if "actions/checkout@" in step.get("uses", "") and (
                step.get("with", {}).get("persist-credentials") is not False
            ):
                found.add(f"a token is left behind: {name}")
    if is_workflow and document.get("permissions") != {}:
        found.add("permissions for every job")
    triggers = document.get(True, {})  # YAML 1.1 takes `on` for a boolean
    if "pull_request_target" in triggers:
        found.add("pull_request_target")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(GITHUB)))
def test_nothing_is_wrong_with(path: Path) -> None:
    assert faults(path.read_text(), path in WORKFLOWS) == set()


def test_what_is_wrong_is_found() -> None:
    bad = """
on: {pull_request_target: }
jobs:
  one:
    steps:
      - uses: actions/checkout@v7
      - uses: actions/cache@27d5ce7f107fe9357f9df03efb73ab90386fccae
      - run: echo ${{ github.head_ref }}
      - run: |
          if true; then
            echo
          fi
"""
    assert faults(bad) == {
        "not pinned: actions/checkout@v7",
        "not pinned: actions/cache@27d5ce7f107fe9357f9df03efb73ab90386fccae",
        "no timeout: one",
        "an expression in a script: one",
        "logic in a script: one",
        "a token is left behind: one",
        "permissions for every job",
        "pull_request_target",
    }


def test_no_job_takes_anything_that_another_run_has_left() -> None:
    """Pull requests' runs share a scope of caches, in which an earlier push may leave anything."""
    for path in FILES:
        text = path.read_text()
        assert "actions/cache" not in text, path
        assert not re.search(r"run-id|setup-uv|^ *cache:", text, re.MULTILINE), path
    # Of the same run: the candidate that main has made, which the next jobs know by its digest.
    downloads = {path.name for path in FILES if "actions/download-artifact" in path.read_text()}
    assert downloads <= {"deploy.yml"}


def test_what_is_installed_is_checked_against_its_hash_in_this_run() -> None:
    assert "--require-hashes" in (ROOT / "scripts/install").read_text()
    steps = yaml.safe_load((GITHUB / "actions/setup/action.yml").read_text())["runs"]["steps"]
    installing = [step for step in steps if "installed" in step.get("run", "")]
    assert len(installing) == 3
    # uv's cache keeps unpacked archives, and does not check them again.
    assert all(step["env"] == {"UV_NO_CACHE": "1"} for step in installing)


def test_only_the_comment_may_write() -> None:
    writing = {
        (path.name, permission)
        for path in WORKFLOWS
        for job in yaml.safe_load(path.read_text())["jobs"].values()
        for permission, level in job.get("permissions", {}).items()
        if level == "write" and path.name in ("pull-request.yml", "comment.yml")
    }
    assert writing == {("comment.yml", "pull-requests")}


def test_the_pull_requests_own_code_sees_no_token_that_may_write() -> None:
    text = (GITHUB / "workflows/pull-request.yml").read_text()
    assert re.findall(r"secrets\.\w+", text) == ["secrets.MLFLOW_READER_URI"]  # forks get none
    # Of the one step that compares with Production, and good for reading this repository only.
    jobs = yaml.safe_load(text)["jobs"]
    seeing = [step["name"] for job in jobs.values() for step in job["steps"]
              if "github.token" in str(step)]  # fmt: skip
    assert seeing == ["Train, test, compare, decide"]
    assert all(job.get("permissions", {}) in ({}, {"contents": "read"}) for job in jobs.values())
    assert "secrets." not in (GITHUB / "actions/setup/action.yml").read_text()


def test_the_comment_checks_out_the_default_branch_and_calls_one_program() -> None:
    [job] = yaml.safe_load((GITHUB / "workflows/comment.yml").read_text())["jobs"].values()
    [checkout, cml, packages, post] = job["steps"]
    assert checkout["with"]["ref"] == "${{ github.event.repository.default_branch }}"
    # Neither a repository that is gone nor npm may keep the comment from being posted.
    assert cml["continue-on-error"] is packages["continue-on-error"] is True
    assert cml["timeout-minutes"] + packages["timeout-minutes"] < job["timeout-minutes"] - 4
    assert cml["with"]["repository"] == "iterative/cml"
    assert re.fullmatch("[0-9a-f]{40}", cml["with"]["ref"])
    assert packages["run"] == "npm ci --ignore-scripts --omit=dev --no-audit --no-fund"
    assert post["run"] == "python3 -m churn.comment"
    # The token is given to this one only.
    assert ["env" in step for step in job["steps"]] == [False, False, False, True]
    assert "env" not in job


def test_what_cml_needs_is_locked_by_hashes_and_without_addresses() -> None:
    text = (GITHUB / "cml/package-lock.json").read_text()
    locked = json.loads(text)["packages"]
    declared = json.loads((GITHUB / "cml/package.json").read_text())["dependencies"]
    assert locked.pop("")["dependencies"] == declared
    assert len(locked) > 200
    assert all(package["integrity"].startswith("sha512-") for package in locked.values())
    assert "://" not in text
    assert not any(package.get("dev") for package in locked.values())


def test_the_comment_listens_to_the_pull_requests_workflow() -> None:
    listened = yaml.safe_load((GITHUB / "workflows/comment.yml").read_text())[True]["workflow_run"]
    name = yaml.safe_load((GITHUB / "workflows/pull-request.yml").read_text())["name"]
    assert listened["workflows"] == [name]


def test_what_the_branch_requires_needs_every_other_job() -> None:
    rules = json.loads((GITHUB / "rulesets/main.json").read_text())["rules"]
    [checks] = [rule for rule in rules if rule["type"] == "required_status_checks"]
    [required] = [check["context"] for check in checks["parameters"]["required_status_checks"]]
    jobs = yaml.safe_load((GITHUB / "workflows/pull-request.yml").read_text())["jobs"]
    assert {required, *jobs[required]["needs"]} == set(jobs)
    # One word for each, or a job that is added here could fail unseen.
    [step] = jobs[required]["steps"]
    assert step["run"].count("success") == len(jobs[required]["needs"])
    assert jobs[required]["if"] == "always()"


def test_no_other_app_can_say_that_all_is_well_and_owners_are_asked() -> None:
    rules = json.loads((GITHUB / "rulesets/main.json").read_text())["rules"]
    parameters = {rule["type"]: rule.get("parameters", {}) for rule in rules}
    github_actions = 15368
    assert parameters["required_status_checks"]["required_status_checks"] == [
        {"context": "required", "integration_id": github_actions}
    ]
    assert parameters["pull_request"]["require_code_owner_review"] is True


def test_only_pull_requests_to_the_protected_branch_are_run() -> None:
    triggers = yaml.safe_load((GITHUB / "workflows/pull-request.yml").read_text())[True]
    assert triggers == {"pull_request": {"branches": ["main"]}, "merge_group": None}
    rules = json.loads((GITHUB / "rulesets/main.json").read_text())
    assert rules["conditions"]["ref_name"]["include"] == ["~DEFAULT_BRANCH"]
    # Which may have another name: `churn setup github` writes it here.
    assert "main is written into the two workflows" in " ".join(
        (ROOT / "docs/setup.md").read_text().split()
    )


def test_releases_and_rollbacks_go_one_by_one_and_are_not_cancelled() -> None:
    groups = {}
    for name in ("canary", "deploy", "rollback"):
        document = yaml.safe_load((GITHUB / f"workflows/{name}.yml").read_text())
        assert document["concurrency"]["cancel-in-progress"] is False
        assert not any("concurrency" in job for job in document["jobs"].values())
        groups[name] = document["concurrency"]["group"]
    # An approval that is waited for holds a group.
    assert len(set(groups.values())) == len(groups)


def test_a_canary_is_stopped_without_waiting_for_what_waits_to_promote_it() -> None:
    """GitHub keeps one run of a group waiting, and drops the others that wait."""
    document = yaml.safe_load((GITHUB / "workflows/canary.yml").read_text())
    assert document["concurrency"]["group"] == "canary-${{ inputs.decision || 'schedule' }}"
    decisions = document[True]["workflow_dispatch"]["inputs"]["decision"]
    assert decisions["options"] == ["promote", "stop"] and decisions["required"] is True


def test_a_rollback_waits_for_no_other_run() -> None:
    """One that nobody approves would wait for thirty days, and hold its group as long."""
    document = yaml.safe_load((GITHUB / "workflows/rollback.yml").read_text())
    assert document["concurrency"]["group"] == "rollback-${{ github.run_id }}"


def test_what_is_started_by_hand_is_main_s_code_and_no_tag_of_that_name() -> None:
    """Of the tag `main`, `github.ref_name` is main as well."""
    here = "github.ref == format('refs/heads/{0}', github.event.repository.default_branch)"
    for path in WORKFLOWS:
        document = yaml.safe_load(path.read_text())
        assert "github.ref_name ==" not in path.read_text(), path.name
        if "workflow_dispatch" not in document[True] or "secrets." not in path.read_text():
            continue
        first = next(iter(document["jobs"].values()))
        scheduled = "github.event_name == 'schedule' || "
        assert first["if"].removeprefix(scheduled) == here, path.name


def test_the_night_has_what_its_programs_need_and_a_runner_lacks() -> None:
    """`.ci/run` installs what is missing, and on a runner it may not."""
    script = (ROOT / ".ci/run").read_text()
    [listed] = re.findall(r"^for program in (.+); do$", script, re.MULTILINE)
    [job] = yaml.safe_load((GITHUB / "workflows/nightly.yml").read_text())["jobs"].values()
    [install] = [s["run"] for s in job["steps"] if "apt-get install" in s.get("run", "")]
    on_runners = {"gh"}  # and Java
    assert {*listed.split(), "postgresql"} - on_runners <= set(install.split())


def jobs(*names: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give the jobs of some workflows, all if none is named, with their names."""
    for path in WORKFLOWS:
        if not names or path.stem in names:
            for name, job in yaml.safe_load(path.read_text())["jobs"].items():
                yield f"{path.stem}/{name}", job


def test_only_jobs_that_move_versions_or_propose_a_table_may_write_to_the_repository() -> None:
    writing = [
        name for name, job in jobs() if job.get("permissions", {}).get("contents") == "write"
    ]
    assert writing == [
        "canary/decide",
        *(f"deploy/{name}" for name in ("confirm", "staging", "integration", "production")),
        "monitor/retrain",  # it is retrain.yml
        "retrain/retrain",
        "rollback/rollback",
    ]


def test_watching_may_write_issues_and_nothing_else_and_an_alarm_calls_retrain() -> None:
    [(_, watch), (_, retrain)] = jobs("monitor")
    assert watch["permissions"] == {"contents": "read", "issues": "write"}
    assert "default_branch" in watch["if"]
    assert retrain["uses"] == "./.github/workflows/retrain.yml"
    assert retrain["if"] == "always() && needs.monitor.outputs.reason != ''"
    assert retrain["with"] == {"reason": "${{ needs.monitor.outputs.reason }}"}


def test_a_retraining_runs_main_s_code_and_gives_its_token_to_one_step() -> None:
    document = yaml.safe_load((GITHUB / "workflows/retrain.yml").read_text())
    [(_, job)] = jobs("retrain")
    assert job["permissions"] == {"contents": "write", "pull-requests": "write"}
    assert "default_branch" in job["if"]
    assert document["concurrency"] == {"group": "retrain", "cancel-in-progress": False}
    # By the schedule, by hand, and from the workflow that has seen an alarm.
    assert set(document[True]) == {"schedule", "workflow_dispatch", "workflow_call"}
    seeing = [step["name"] for step in job["steps"]
              if re.search(r"secrets\.|github\.token|app\.outputs", str(step))]  # fmt: skip
    assert seeing == [
        "A token of the App",
        "Fetch, check, train, and open or update the pull request",
    ]
    [app, retrain] = [step for step in job["steps"] if step.get("name") in seeing]
    assert {key for key in app["with"] if key.startswith("permission-")} == {
        "permission-contents",
        "permission-pull-requests",
    }
    # It reads the registry and writes none: no user of it who may write, and no alias to move.
    assert not re.search(r"MLFLOW_TRACKING_(USERNAME|PASSWORD|TOKEN)", str(retrain))
    called = set(document[True]["workflow_call"]["secrets"])
    assert called == set(re.findall(r"secrets\.(\w+)", str(job)))


def test_a_secret_reaches_the_step_that_needs_it_and_no_other() -> None:
    for path in WORKFLOWS:
        assert "env" not in yaml.safe_load(path.read_text()), path.name
    for name, job in jobs():
        assert not re.search(r"secrets\.|github\.token", str(job.get("env", ""))), name
    for name, job in jobs("canary", "deploy", "rollback"):
        for step in job["steps"]:
            may = step.get("run", "").startswith("churn ")
            assert bool(re.search(r"secrets\.|github\.token", str(step))) is may, (name, step)


def test_what_asks_the_registry_is_told_which_one() -> None:
    for name, job in jobs("canary", "deploy", "rollback"):
        for step in job["steps"]:
            if step.get("run", "").startswith("churn "):
                assert step["env"]["CHURN_REGISTRY_BRANCH"] == "registry", name
                assert step["env"]["GH_TOKEN"] == "${{ github.token }}", name
    # Without the token a private repository's branch is not read; without the server's address
    # that branch would be taken for the registry where the reader's secret is missing.
    readers = []
    for name, job in jobs():
        for step in job.get("steps", ()):
            env = step.get("env", {})
            assert ("CHURN_REGISTRY_BRANCH" in env) <= ("GH_TOKEN" in env), name
            if env.get("MLFLOW_TRACKING_URI") == "${{ secrets.MLFLOW_READER_URI }}":
                readers.append(name)
                assert env["CHURN_REGISTRY_SERVER"] == "${{ vars.MLFLOW_TRACKING_URI }}", name
    assert readers == [
        "batch/predict",
        "deploy/candidate",
        "monitor/monitor",
        "pull-request/candidate",
        "retrain/retrain",
    ]
    candidate = dict(jobs("deploy"))["deploy/candidate"]
    [make] = [step for step in candidate["steps"] if step.get("id") == "make"]
    assert re.findall(r"secrets\.\w+", str(make)) == ["secrets.MLFLOW_READER_URI"]


def test_each_later_job_knows_the_candidate_by_its_digest() -> None:
    later = {name: job for name, job in jobs("deploy") if "download-artifact" in str(job)}
    assert list(later) == ["deploy/staging", "deploy/integration", "deploy/production"]
    for name, job in later.items():
        [release] = [s for s in job["steps"] if s.get("run", "").startswith("churn release")]
        assert '--digest "$DIGEST"' in release["run"], name
        assert release["env"]["DIGEST"] == "${{ needs.candidate.outputs.digest }}", name
        assert "candidate" in job["needs"], name  # without it the output would be empty


LINTERS = ("actionlint", "zizmor", "check-jsonschema")


def lint(folder: Path, *linters: str, store: Path) -> subprocess.CompletedProcess[str]:
    """Run scripts/lint-workflows where there are only these, as stand-ins."""
    folder.mkdir()
    (folder / "bash").symlink_to(str(shutil.which("bash")))
    (folder / "env").symlink_to(str(shutil.which("env")))
    for linter in linters:
        (folder / linter).symlink_to(HERE / "programs" / "log")
    return subprocess.run(
        [ROOT / "scripts/lint-workflows"],
        cwd=ROOT,
        env={"PATH": str(folder), "TEST_STORE": str(store)},
        capture_output=True,
        text=True,
    )


def test_a_linter_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = lint(tmp_path / "none", store=tmp_path)
    assert done.returncode == 0
    said = done.stdout.splitlines()
    assert [line.partition(" is not installed")[0] for line in said] == [
        f"skipped: {linter}" for linter in LINTERS
    ]
    assert lint(tmp_path / "all", *LINTERS, store=tmp_path).stdout == ""
    called = (tmp_path / "calls").read_text()
    assert all(f"{linter} " in called for linter in LINTERS)
    assert " --offline " in called


@pytest.mark.parametrize("linter", LINTERS)
def test_what_a_linter_finds_fails(tmp_path: Path, linter: str) -> None:
    (tmp_path / f"{linter}-fails").touch()
    assert lint(tmp_path / "bin", *LINTERS, store=tmp_path).returncode != 0


INJECTION = """
on: {pull_request: }
jobs: {a: {runs-on: ubuntu-latest, steps: [{run: "echo ${{ github.head_ref }}"}]}}
"""
MISSPELT = """
on: {pull_request: }
jobs: {a: {runs-on: ubuntu-latest, steps: [{run: "true", timeout: 5}]}}
"""


@pytest.mark.parametrize("bad", [INJECTION, MISSPELT], ids=["injection", "misspelt"])
@pytest.mark.parametrize("linter", LINTERS)
def test_the_linters_that_are_here_find_what_is_wrong(
    tmp_path: Path, linter: str, bad: str
) -> None:
    if not shutil.which(linter):
        pytest.skip(f"{linter} is not installed; see scripts/lint-workflows")
    for name in (".github", "scripts"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "compose.yaml", tmp_path)
    (tmp_path / ".github/workflows/bad.yml").write_text(bad)
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / linter).symlink_to(str(shutil.which(linter)))
    path = f"{tmp_path / 'only'}{os.pathsep}/usr/bin{os.pathsep}/bin"
    done = subprocess.run(
        ["scripts/lint-workflows"],
        cwd=tmp_path,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
    )
    if (linter, bad) == ("check-jsonschema", INJECTION):
        assert done.returncode == 0  # a schema does not see it: hence the others
        return
    assert done.returncode != 0
    assert "bad.yml" in done.stdout + done.stderr
