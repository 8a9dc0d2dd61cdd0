"""`churn monitor` with a real registry, a version in Production, and logs as the server's."""

from __future__ import annotations

import errno
import json
import socket
import threading
from collections.abc import Callable
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fsspec.implementations.local import LocalFileSystem

from churn.cli.main import main
from churn.core.errors import RegistryError
from churn.core.paths import Workspace
from churn.data import synthesize
from churn.model import artifact
from churn.model.artifact import Model
from churn.monitor import page
from churn.monitor.run import Options
from churn.monitor.run import run as watch
from tests.unit.monitor import logs
from tests.unit.releases import Candidates
from tests.unit.tasks.test_params import MULTICLASS, REGRESSION, load
from tests.workflows.fake_github import TOKEN, FakeGitHub

pytestmark = pytest.mark.long

Day = Callable[..., pd.DataFrame]
RENDER = page.render


def run(*arguments: str) -> int:
    """Run `churn monitor`; up to the newest day of the log, where nothing else is given."""
    newest = max((path.name[4:] for path in Path("log").glob("day=*")), default="")
    if "log" in arguments and "--until" not in arguments and newest:
        arguments = (*arguments, "--until", newest)
    try:
        main(["monitor", *arguments])
    except SystemExit as stopped:
        return int(stopped.code or 0)
    return 0


def report() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path("build/monitor/monitor.json").read_text())
    return found


def alarms() -> set[str]:
    return {alarm["name"] for alarm in report()["alarms"]}


@pytest.fixture
def model(released: Candidates, monkeypatch: pytest.MonkeyPatch) -> Model:
    """Work where version 1 is in Production, and return its model.

    Without the page, whose pictures take half of the time; `test_the_page…` looks at it.
    """
    monkeypatch.setattr(page, "render", lambda found: "")
    monkeypatch.chdir(released.roots[0])
    return artifact.load(Workspace().candidate / "model")


@pytest.fixture
def day(model: Model) -> Day:
    """Return a function that logs 400 customers of a day."""
    pool = next(synthesize.customers(8000, 1)).to_pandas()

    def write(number: int, older: float = 0, rows: int = 400, **given: Any) -> pd.DataFrame:
        customers = pool.iloc[400 * number : 400 * number + rows]
        customers = customers.assign(age=customers["age"] + older)
        logs.write(Path("log"), logs.FIRST + timedelta(days=number), customers, model, **given)
        return customers

    return write


def test_a_week_of_the_same_population_is_quiet(
    day: Day, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(7):
        day(number)
    assert run("--log", "log") == 0
    assert "Nothing has changed that matters (version 1)" in capsys.readouterr().out
    found = report()
    assert (found["since"], found["until"]) == ("2026-03-01", "2026-03-07")
    assert [window["customers"] for window in found["windows"]] == [400] * 7
    assert found["alarms"] == []


def test_two_days_of_other_customers_are_an_alarm_that_names_the_column(
    day: Day, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(5):
        day(number, older=20 if number >= 3 else 0)
    assert run("--log", "log", "--until", "2026-03-04") == 0
    assert run("--log", "log") == 1
    assert "drift of age" in alarms()
    assert "The customers have changed (version 1)" in capsys.readouterr().out
    [alarm] = [alarm for alarm in report()["alarms"] if alarm["name"] == "drift of age"]
    assert alarm["windows"] == ["2026-03-04", "2026-03-05"]


def test_answers_of_other_versions_and_shadows_are_not_measured(day: Day) -> None:
    for number in range(3):
        day(number)
        day(number, older=30, version="2")
        day(number, older=30, role="shadow")
    assert run("--log", "log") == 0
    found = report()
    assert found["other_versions"] == {"2": 1200}
    assert {window["rows"] for window in found["windows"]} == {400}


def test_few_customers_are_not_judged_and_that_is_no_all_clear(
    day: Day, capsys: pytest.CaptureFixture[str]
) -> None:
    day(0, older=30, rows=30)
    assert run("--log", "log") == 2
    shown = capsys.readouterr().out
    assert "Nothing can be said yet" in shown
    assert "2026-03-01: not judged: fewer than 50 customers" in shown


def test_a_table_is_measured_alone(model: Model) -> None:
    customers = next(synthesize.customers(2000, 5)).to_pandas()
    customers.to_csv("same.csv", index=False)
    customers.assign(age=customers["age"] + 20).drop(columns="churned").to_parquet("old.parquet")
    assert run("--input", "same.csv") == 0
    assert run("--input", "old.parquet") == 1
    assert "drift of age" in alarms()


@pytest.mark.parametrize("other", [REGRESSION, MULTICLASS])
def test_a_version_of_another_task_is_not_measured_by_the_limits_of_this_one(
    other: dict[str, Any], model: Model, tmp_path: Path
) -> None:
    settings = load(other, tmp_path)
    with pytest.raises(
        RegistryError, match=f"of task: binary, and params.yaml of task: {other['task']}"
    ):
        watch(Options(Path(), table=Path("none.csv")), settings)


def test_labels_are_compared_with_what_was_promised(day: Day) -> None:
    customers = pd.concat([day(number) for number in range(5)])
    labels = customers[["customer_id", "churned"]]
    labels.to_csv("labels.csv", index=False)
    assert run("--log", "log", "--labels", "labels.csv") == 0
    measured = report()["performance"]
    assert (measured["labelled"], measured["unmatched"]) == (2000, 0)
    turned = labels.assign(churned=1 - labels["churned"])
    turned.to_csv("turned.csv", index=False)
    assert run("--log", "log", "--labels", "turned.csv") == 1
    assert alarms() == {"ROC AUC"}


def test_a_redacted_column_is_named_as_not_measured(day: Day) -> None:
    for number in range(2):
        day(number, redact=frozenset({"age"}))
    assert run("--log", "log") == 0
    assert report()["notes"] == ["not logged, so not measured: age"]


def test_another_version_of_the_same_day_may_have_other_columns(day: Day) -> None:
    for number in range(2):
        day(number)
        day(number, version="2", redact=frozenset({"age"}))
    assert run("--log", "log") == 0
    assert report()["notes"] == []
    assert "drift of age" in {measure["name"] for measure in report()["windows"][-1]["measures"]}


def test_half_of_the_usual_answers_are_an_alarm(day: Day) -> None:
    for number in range(7):
        day(number, rows=400 if number < 5 else 120)
    assert run("--log", "log") == 1
    assert alarms() == {"number of answers"}


def test_metrics_of_the_server_are_judged(day: Day, tmp_path: Path) -> None:
    for number in range(2):
        day(number)
    counters = tmp_path / "metrics"
    counters.write_text(
        "# TYPE churn_requests_total counter\n"
        'churn_requests_total{endpoint="/invocations",status="200"} 950\n'
        'churn_requests_total{endpoint="/invocations",status="500"} 50\n'
        'churn_requests_total{endpoint="/ping",status="200"} 1000000\n'
        "# TYPE churn_log_dropped_rows_total counter\n"
        'churn_log_dropped_rows_total{reason="queue full"} 3\n'
    )
    assert run("--log", "log", "--metrics", str(counters)) == 1
    assert alarms() == {"requests that failed", "predictions that are not in the log"}


class Metrics(BaseHTTPRequestHandler):
    """A server's metrics, for who has the key."""

    def do_GET(self) -> None:
        has_key = self.headers.get("Authorization") == "Bearer a-key"
        self.send_response(200 if has_key else 401)
        self.end_headers()
        if has_key:
            self.wfile.write(
                b"# TYPE churn_requests_total counter\n"
                b'churn_requests_total{endpoint="/invocations",status="500"} 50\n'
            )


def test_metrics_that_cannot_be_read_cost_the_customers_nothing(
    day: Day, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2):
        day(number)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Metrics)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/metrics"
    try:
        assert run("--log", "log", "--metrics", address) == 0
        [note] = report()["notes"]
        assert note.startswith("the server is not measured: http://127.0.0.1:")
        assert "401" in note
        monkeypatch.setenv("CHURN_METRICS_KEY", "a-key")
        assert run("--log", "log", "--metrics", address) == 1
        assert alarms() == {"requests that failed"}
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n# TYPE", b"no HTTP at all\r\n"]
)
def test_a_server_that_ends_while_it_answers_costs_the_customers_nothing(
    day: Day, answer: bytes
) -> None:
    for number in range(2):
        day(number)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def end() -> None:
            caller, _ = server.accept()
            with caller:
                caller.recv(1000)
                caller.sendall(answer)

        threading.Thread(target=end, daemon=True).start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}/metrics"
        assert run("--log", "log", "--metrics", address) == 0
    [note] = report()["notes"]
    assert note.startswith("the server is not measured: http://127.0.0.1:")


def test_a_day_that_cannot_be_listed_is_no_day_without_answers(
    day: Day, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(4):
        day(number)
    real = LocalFileSystem.ls

    def ls(self: Any, path: str, detail: bool = False, **more: Any) -> Any:
        if path.endswith("day=2026-03-03"):
            raise PermissionError(errno.EACCES, "Access Denied", path)
        return real(self, path, detail, **more)

    monkeypatch.setattr(LocalFileSystem, "ls", ls)
    assert run("--log", "log") == 2
    assert "Error: log: the log cannot be read (Access Denied" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--log", "log", "--metrics", "none"), "none: no metrics of a server"),
        (("--log", "nowhere"), "nowhere: no predictions are logged there"),
        (("--log", "log", "--until", "2020-01-01"), "log: no predictions from 2019-12-26 to"),
        (("--log", "log", "--version", "9"), "has no version 9"),
        (("--log", "log", "--labels", "none.csv"), "none.csv: not there"),
        (("--log", "s4://bucket/x"), "s4"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(
    arguments: tuple[str, ...], problem: str, day: Day, capsys: pytest.CaptureFixture[str]
) -> None:
    day(0)
    assert run(*arguments) == 2
    shown = capsys.readouterr().err.strip().splitlines()
    assert shown[-1].startswith("Error: ")
    assert problem in shown[-1]
    assert not Path("build/monitor").exists()


def test_a_damaged_file_is_said_in_one_line(day: Day, capsys: pytest.CaptureFixture[str]) -> None:
    day(0)
    (Path("log") / "day=2026-03-01" / "z.parquet").write_bytes(b"PAR1 and no more")
    assert run("--log", "log") == 2
    assert (
        "Error: log: the log cannot be read (ArrowInvalid: Parquet magic bytes"
        in capsys.readouterr().err
    )


def test_a_reference_that_was_changed_is_refused(
    day: Day, released: Candidates, capsys: pytest.CaptureFixture[str]
) -> None:
    day(0)
    for file in released.roots[0].parent.rglob("candidate/reference.json"):
        file.write_text(file.read_text().replace('"rows"', '"Rows"', 1))
    assert run("--log", "log") == 2
    assert "reference.json is not what was registered" in capsys.readouterr().err


def test_nothing_in_production(
    candidates: Candidates, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(candidates.roots[0])
    assert run("--log", "log") == 2
    assert "nothing is in Production" in capsys.readouterr().err


def test_without_a_place_of_the_log_a_workflow_ends_quietly(
    model: Model, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--skip-if-not-set-up") == 0
    assert capsys.readouterr().out == "monitor.log is null: nothing to watch (docs/monitoring.md)\n"


def test_the_result_is_noted_on_the_version(day: Day, released: Candidates) -> None:
    for number in range(2):
        day(number)
    assert run("--log", "log", "--log-to-mlflow") == 0
    version = released.production
    assert version is not None
    assert version.tags["monitor"] == "2026-03-02: Nothing has changed that matters"


def test_an_issue_is_opened_updated_and_closed(
    day: Day, served_github: FakeGitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_SERVER_URL", f"https://{served_github.host}")
    monkeypatch.setenv("GITHUB_REPOSITORY", served_github.repository)
    monkeypatch.setenv("SSL_CERT_FILE", str(served_github.certificate))
    monkeypatch.setenv("GH_TOKEN", TOKEN)
    for number in range(8):
        day(number, older=20 if 2 <= number <= 4 else 0)

    def watch(last: int) -> list[dict[str, Any]]:
        run("--log", "log", "--until", f"2026-03-{last:02}", "--issues")
        return served_github.issues

    assert watch(3) == []
    [issue] = watch(4)
    assert issue["title"] == "The customers have changed"
    assert issue["labels"] == ["churn-monitor"]
    assert "drift of age" in issue["body"]
    issue |= {"title": "Ages, again", "labels": ["churn-monitor", "urgent"]}  # by a person
    [same] = watch(5)
    assert "2026-03-05" in same["body"]
    assert same["state"] == "open"
    assert (same["title"], same["labels"]) == ("Ages, again", ["churn-monitor", "urgent"])
    [same] = watch(6)  # one quiet day is not the end of it
    assert same["state"] == "open"
    [over] = watch(7)
    assert over["state"] == "closed"
    assert "Over: as before on 2026-03-07" in served_github.comments[-1]["body"]


def test_what_could_not_be_measured_leaves_an_issue_open(
    day: Day, served_github: FakeGitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_SERVER_URL", f"https://{served_github.host}")
    monkeypatch.setenv("GITHUB_REPOSITORY", served_github.repository)
    monkeypatch.setenv("SSL_CERT_FILE", str(served_github.certificate))
    monkeypatch.setenv("GH_TOKEN", TOKEN)
    for number in range(2):
        day(number, older=20)
    run("--log", "log", "--issues")
    day(9, rows=20)
    assert run("--log", "log", "--since", "1d", "--issues") == 2
    assert {issue["state"] for issue in served_github.issues} == {"open"}


def test_the_page_needs_nothing_from_elsewhere(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "render", RENDER)
    for number in range(2):
        day(number, older=20)
    run("--log", "log")
    text = Path("build/monitor/monitor.html").read_text()
    assert text.count("<img ") >= 2
    assert "<script" not in text
    assert "http" not in text.split("</style>")[1].replace("data:image/png", "")


def test_the_same_log_gives_the_same_report(day: Day) -> None:
    for number in range(3):
        day(number, older=5)
    run("--log", "log")
    first = report()
    run("--log", "log")
    assert report() == first


def test_numbers_of_the_text_file_are_those_of_the_report(day: Day) -> None:
    for number in range(2):
        day(number, older=20)
    run("--log", "log")
    text = Path("build/monitor/monitor.prom").read_text()
    found = report()
    [age] = [m for m in found["windows"][-1]["measures"] if m["name"] == "drift of age"]
    assert f'churn_monitor_value{{kind="data",name="drift of age"}} {age["value"]}' in text
    assert np.isclose(len(found["alarms"]), sum_of(text, "churn_monitor_alarms"))


def sum_of(text: str, name: str) -> float:
    return sum(
        float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(f"{name}{{")
    )


def test_an_alarm_is_a_reason_to_train_and_a_failing_server_is_none(
    day: Day, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    counters = tmp_path / "metrics"
    counters.write_text(
        "# TYPE churn_requests_total counter\n"
        'churn_requests_total{endpoint="/invocations",status="200"} 9\n'
        "# TYPE churn_log_dropped_rows_total counter\n"
        'churn_log_dropped_rows_total{reason="queue full"} 3\n'
    )
    for number in range(2):
        day(number)
    assert run("--log", "log", "--metrics", str(counters)) == 1
    assert not (tmp_path / "output").exists()
    for number in range(2, 4):
        day(number, older=20)
    assert run("--log", "log") == 1
    [line] = (tmp_path / "output").read_text().splitlines()
    assert line.startswith("reason=")
    assert "drift of age: median " in line


def test_a_log_that_has_stopped_is_no_all_clear(
    day: Day, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(5):
        day(number)
    # Two days later nobody has been answered since.
    assert run("--log", "log", "--until", "2026-03-07") == 1
    assert alarms() == {"number of answers"}
    assert "drift of age" not in report()["settled"]
    # Long after, and by the clock: there is nothing to look at.
    assert run("--log", "log", "--until", "2026-04-30") == 2
    main_without_until = ["monitor", "--log", "log"]
    with pytest.raises(SystemExit) as ended:
        main(main_without_until)
    assert ended.value.code == 2
    assert "no predictions from" in capsys.readouterr().err


def test_labels_that_match_nobody_are_told(day: Day) -> None:
    for number in range(2):
        day(number)
    labels = pd.DataFrame({"customer_id": [f"X{i}" for i in range(80)], "churned": [0, 1] * 40})
    labels.to_csv("labels.csv", index=False)
    assert run("--log", "log", "--labels", "labels.csv") == 0
    [note] = report()["notes"]
    assert note.startswith("labels.csv: 0 labels have an earlier prediction")


def test_a_table_alone_takes_no_labels(model: Model, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--input", "same.csv", "--labels", "labels.csv") == 2
    assert "--input is a table alone" in capsys.readouterr().err


def test_what_is_not_a_server_s_is_no_health(day: Day, tmp_path: Path) -> None:
    day(0)
    (tmp_path / "metrics").write_text("")
    assert run("--log", "log", "--metrics", str(tmp_path / "metrics")) == 2


def test_an_issue_stays_open_while_its_column_is_not_measured(
    day: Day, served_github: FakeGitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_SERVER_URL", f"https://{served_github.host}")
    monkeypatch.setenv("GITHUB_REPOSITORY", served_github.repository)
    monkeypatch.setenv("SSL_CERT_FILE", str(served_github.certificate))
    monkeypatch.setenv("GH_TOKEN", TOKEN)
    for number in range(2):
        day(number, older=20)
    run("--log", "log", "--issues")
    for number in range(2, 8):
        day(number, redact=frozenset({"age"}))
    assert run("--log", "log", "--since", "5d", "--issues") == 0
    assert [issue["state"] for issue in served_github.issues] == ["open"]
