"""The jobs that orchestrators run, without an orchestrator."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from orchestration import jobs

from tests.conftest import ROOT


@pytest.fixture
def churn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file of a `churn` that is found first."""
    monkeypatch.setattr(jobs, "ROOT", tmp_path)
    file = tmp_path / ".venv/bin/churn"
    file.parent.mkdir(parents=True)
    file.touch(mode=0o755)
    return file


def job() -> jobs.Job:
    return jobs.load(ROOT)["batch"]


def test_their_times_are_those_of_params_yaml(tmp_path: Path) -> None:
    document = yaml.safe_load((ROOT / "params.yaml").read_text())
    assert set(jobs.load(ROOT)) == {"batch", "monitor", "retrain"}
    document["monitor"]["schedule"] = "0 6 * * *"
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(document))
    assert jobs.load(tmp_path)["monitor"].schedule == "0 6 * * *"
    for wrong in ({"monitor": None}, {"monitor": {}}, {"monitor": {"schedule": 6}}):
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(document | wrong))
        with pytest.raises(ValueError, match=r"^params\.yaml: monitor\.schedule is missing"):
            jobs.load(tmp_path)


def test_the_arguments_are_those_of_the_workflows() -> None:
    for name, found in jobs.load(ROOT).items():
        workflow = (ROOT / f".github/workflows/{name}.yml").read_text()
        assert f"churn {found.arguments[0]} " in workflow
        for option in found.arguments[1:]:
            assert option in workflow, (name, option)


@pytest.mark.parametrize(
    ("errors", "output", "found"),
    [
        (["== fetch", "Error: no disk", ""], ["done"], "no disk"),
        (["Error: one", "Error: two"], [], "two"),
        (["a warning"], ["The customers have changed", "a table"], "The customers have changed"),
        (["Traceback", "ValueError: x"], [], "ValueError: x"),
        ([], [], "exit code 3, and no reason"),
    ],
)
def test_the_reason(errors: list[str], output: list[str], found: str) -> None:
    assert jobs.reason(errors, output, 3) == found


def test_every_line_is_logged_and_the_command_runs_in_the_project(churn: Path) -> None:
    churn.write_text("#!/bin/sh\necho out; echo err >&2; pwd; echo $@\n")
    lines: list[str] = []
    jobs.run(job(), lines.append)
    arguments = "predict --skip-if-not-set-up --resume"
    assert lines == [f"churn {arguments}", "err", "out", str(churn.parents[2]), arguments]


@pytest.mark.parametrize(
    ("code", "may_pass", "kind"),
    [
        (1, False, "alarm"),
        (2, True, "error, exit code 2"),
        (137, True, "error, exit code 137"),
    ],
)
def test_an_alarm_is_not_tried_again(code: int, may_pass: bool, kind: str, churn: Path) -> None:
    churn.write_text(f"#!/bin/sh\necho Error: it is so >&2; exit {code}\n")
    with pytest.raises(jobs.JobError, match=r"^churn predict: it is so \[") as failed:
        jobs.run(job(), lambda line: None)
    assert failed.value.may_pass is may_pass
    assert str(failed.value) == f"churn predict: it is so [{kind}]"


_PLACE = "a.csv: column 'age', row 5"


@pytest.mark.parametrize(
    ("line", "posted"),
    [
        (f"{_PLACE} (customer_id SECRET): is 'SECRET', which is not a number", _PLACE),
        (f"{_PLACE} (id SEC (RET) 'a'): is \"SECRET's\", which is not a number", _PLACE),
        ("in: column 'age' (id SECRET): is 'SECRET' (--bad-rows quarantine)", "in: column 'age'"),
        (f"{_PLACE} (customer_id SECRET): is missing; every customer needs one", _PLACE),
        ("a.csv: column 'age' is missing (found: 'SECRET')", "a.csv: column 'age' is missing"),
        ("a.csv: column 'churned' holds SECRET, SECRET", "a.csv: column 'churned'"),
        ("a.csv: customer 'SECRET' has two different labels", "a.csv: customer"),
        (
            "a.csv: not a CSV file (row 3: Expected 2, got 3: SECRET)",
            "a.csv: not a CSV file",
        ),
        ("Spark: [X] Malformed CSV record: 1,SECRET", "Spark: [X] Malformed CSV record"),
        ("ValueError: invalid literal: 'SECRET'", "ValueError"),
    ],
)
def test_ids_and_cells_are_in_the_log_and_not_in_the_alert(
    line: str, posted: str, churn: Path
) -> None:
    churn.with_name("line").write_text(f"Error: {line}\n")
    churn.write_text('#!/bin/sh\ncat "$(dirname "$0")/line" >&2; exit 2\n')
    lines: list[str] = []
    with pytest.raises(jobs.JobError) as failed:
        jobs.run(job(), lines.append)
    told = f"churn predict: {posted} (more in the log) [error, exit code 2]"
    assert str(failed.value) == told
    assert f"Error: {line}" in lines


@pytest.mark.parametrize(
    "line",
    [
        "The customers have changed (version 1)",
        "git ls-remote: fatal: 'origin' does not appear to be a git repository",
        "s3://bucket/in: not there",
    ],
)
def test_a_reason_without_customers_is_posted_as_it_is(line: str) -> None:
    assert jobs.without_customers(line) == line


def test_without_churn_it_says_how_to_install_it(
    churn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    churn.unlink()
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(jobs.JobError, match="make setup"):
        jobs.run(job(), lambda line: None)


def test_what_an_orchestrator_ends_does_not_go_on(churn: Path, tmp_path: Path) -> None:
    churn.write_text("#!/bin/sh\necho $$ >&2; exec sleep 60\n")
    lines: list[str] = []

    def end(line: str) -> None:  # as a signal would that comes while it waits
        lines.append(line)
        if len(lines) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        jobs.run(job(), end)
    with pytest.raises(ProcessLookupError):
        os.kill(int(lines[1]), 0)
