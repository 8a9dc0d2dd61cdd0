"""The jobs that orchestrators run, without an orchestrator."""

from __future__ import annotations

import json
import os
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
import yaml
from orchestration import jobs

from tests.conftest import PARAMS, ROOT


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
    document = yaml.safe_load(PARAMS.read_text())
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


@pytest.mark.slow
def test_a_reason_is_in_the_run_and_not_in_the_alert(
    churn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    posted: list[str] = []

    class Webhook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            posted.append(json.loads(body)["text"])
            self.send_response(200)
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Webhook) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv(jobs.ALERT_URL, f"http://127.0.0.1:{server.server_port}/")
        for code in (2, 1):
            churn.write_text(f"#!/bin/sh\necho 'Error: customer SECRET' >&2; exit {code}\n")
            with pytest.raises(jobs.JobError, match="churn predict: customer SECRET") as failed:
                jobs.run(job(), lambda line: None)
            jobs.alert("churn batch", f"Task failed: {failed.value}")
        server.shutdown()
    assert posted == [
        "churn batch has failed; the reason is in its run",
        "churn batch raises an alarm; the reason is in its run",
    ]


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
