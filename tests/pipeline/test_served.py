"""The integration tests against servers that are wrong: each mistake is found, by its test."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from churn.core.files import read_json
from churn.core.params import Params
from churn.deploy.integration import ServingReport
from tests.conftest import ROOT, require_example
from tests.exhaustive import EXHAUSTIVE, rest_by_night
from tests.integration import server
from tests.integration.test_serving import BODIES
from tests.pipeline import fake_server

pytestmark = pytest.mark.long

FORMATS = ("records", "split", "inputs", "inputs_by_column")
# One process for many, because what takes time is that pytest and pandas are imported.
PROGRAM = """
import sys
import pytest

url, folder, *names = sys.argv[1:]
for name in names:
    rows, report = f"{folder}/rows.parquet", f"{folder}/{name}.json"
    pytest.main(["tests/integration", "--url", f"{url}/{name}", "--rows", rows,
                 "--serving-report", report, "--quiet", "--tb=line", "-p", "no:cacheprovider"])
"""


def each(test: str, *cases: str) -> set[str]:
    return {f"{test}[{case}]" for case in cases or FORMATS}


EXACT = each("test_the_answers_are_exactly_the_offline_predictions")
MISSING = each("test_a_missing_column_is_refused_by_name")
OTHER_COLUMNS = "test_neither_other_columns_nor_the_order_of_columns_matter"
OTHER = each(OTHER_COLUMNS)
CELLS = ("'old'", "'4,1'", "[41]", "[4, 1]", "{'age': 41}", "inf")
NO_NUMBER = "test_what_is_no_number_is_refused_by_the_name_of_its_column"
WRITTEN = "test_a_number_may_be_written_as_text_or_as_a_truth_value"
CSV = "test_csv_is_answered_as_json_is"
BODY = "test_a_body_that_is_no_question_is_refused"
NO_ROWS = "test_a_table_without_rows_is_refused"
KIND = "test_a_body_of_another_kind_is_refused"
UNSEEN = "test_texts_that_were_never_seen_are_answered_and_are_all_one"
CLIENTS = "test_sixteen_clients_at_once_each_get_their_own_answers"
LATENCY = "test_of_single_requests_95_in_100_are_answered_in_time"
THRESHOLD = "test_the_prediction_follows_from_the_scores"
# Mistakes that show in different requests, so that one server makes all of a group, and the tests
# that find them: these, and no others.
GROUPS: dict[str, dict[str, set[str]]] = {
    "none": {},
    "slow": {"GetsSlow": {LATENCY}},
    "group-1": {
        "WrongInTheLastDigit": EXACT,
        "MixesClientsUp": {CLIENTS},
        "LosesCustomers": {"test_ten_thousand_customers_in_one_body_are_answered"},
        "BreaksOnBrokenJson": each(BODY, "empty", "broken JSON", "not UTF-8"),
        "ImputesMissingColumns": MISSING,
        "RefusesNumbersAsText": each(WRITTEN, "'41'-41", "' 4.5 '-4.5") | {CSV},
        "RefusesTruthValuesAsText": each(WRITTEN, "'TRUE'-1"),
        "ReadsSplitByPosition": each(OTHER_COLUMNS, "split"),
        "RefusesUnseenTexts": {UNSEEN},
        "TakesAnyKind": each(KIND, "text/plain", "application/json; charset=latin-1"),
    },
    "group-2": {
        "PredictsHalves": {"test_each_part_of_an_answer_has_its_type"},
        "BlamesItselfForBrokenJson": each(BODY, "empty", "broken JSON", "not UTF-8"),
        "DoesNotNameMissingColumns": MISSING,
        "RefusesTruthValues": each(WRITTEN, "True-1"),
        "LosesDecimalCommas": each(NO_NUMBER, "'4,1'"),
        "TakesBlanksForZero": each(WRITTEN, "' '-None"),
        "IgnoresTimeZones": {"test_a_date_is_one_however_it_is_written"},
        "RefusesCsv": {CSV},
        "RefusesOtherColumns": {UNSEEN} | OTHER,
    },
    "group-3": {
        "DiesOfText": each(NO_NUMBER, *CELLS) | each(WRITTEN, "'TRUE'-1", "' '-None"),
        "AnswersWhatIsNoQuestion": each(BODY, *BODIES) | {NO_ROWS} | MISSING,
    },
}
# These tests, among others.
FOUND_BY_THESE_TOO = {
    "IgnoresTheThreshold": {THRESHOLD} | EXACT,
    "IsWrongOnTheThreshold": {THRESHOLD} | EXACT,
    "KnowsNobodyAlone": each("test_a_customer_alone_gets_the_answer_that_it_gets_among_many"),
    "FailsOneOfFifty": {CLIENTS, LATENCY},
    "RefusesWholeNumbers": {"test_whole_numbers_may_be_written_with_a_point_and_without"},
    "RefusesNull": {"test_null_is_a_missing_value"} | EXACT,
    "SortsCustomers": {"test_the_answers_come_in_the_order_of_the_customers"} | EXACT,
    "IsNotHealthy": {"test_it_answers_ping_within_the_time_that_it_has_to_start"},
}
BY_DEFAULT = ("none", "slow", "group-1")


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ServingReport]:
    """Run the integration tests against each fake server."""
    require_example()
    folder = tmp_path_factory.mktemp("reports")
    fake_server.rows().to_parquet(folder / "rows.parquet")
    fakes = {name: fake_server.fake(*mistakes) for name, mistakes in GROUPS.items()}
    fakes |= {name: fake_server.fake(name) for name in FOUND_BY_THESE_TOO}
    if not EXHAUSTIVE:
        fakes = {name: fakes[name] for name in BY_DEFAULT}
    environment = {k: v for k, v in os.environ.items() if k != "PYTEST_ADDOPTS"}
    with fake_server.serving(fakes) as url:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, url, folder, *fakes],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
        )
    print(done.stdout)  # shown where a test fails
    assert done.returncode == 0
    return {name: read_json(folder / f"{name}.json", "release", ServingReport) for name in fakes}


def failed(report: ServingReport) -> set[str]:
    return {test.rpartition("::")[2] for test in report.failed}


@pytest.mark.parametrize("group", rest_by_night(GROUPS, BY_DEFAULT))
def test_each_mistake_is_found_by_its_tests_and_by_no_others(
    group: str, reports: dict[str, ServingReport]
) -> None:
    found, all_tests = reports[group], reports["none"].passed
    assert failed(found) == set().union(*GROUPS[group].values())
    assert found.skipped == []
    assert found.passed == all_tests - len(found.failed)
    assert found.start_s is None  # it was there before


@pytest.mark.exhaustive
@pytest.mark.parametrize("mistake", FOUND_BY_THESE_TOO)
def test_a_mistake_in_many_answers_is_found_by_its_test_too(
    mistake: str, reports: dict[str, ServingReport]
) -> None:
    assert failed(reports[mistake]) >= FOUND_BY_THESE_TOO[mistake]


def test_no_mistake_of_a_group_hides_behind_another() -> None:
    for mistakes in GROUPS.values():
        assert sum(map(len, mistakes.values())) == len(set().union(*mistakes.values()))


@pytest.mark.exhaustive
def test_every_mistake_is_made_and_every_test_finds_one(
    reports: dict[str, ServingReport],
) -> None:
    expected = [*GROUPS.values(), FOUND_BY_THESE_TOO]
    assert {name for mistakes in expected for name in mistakes} == set(fake_server.MISTAKES)
    able_to_fail = set().union(*(tests for mistakes in expected for tests in mistakes.values()))
    assert able_to_fail == failed(reports["IsNotHealthy"])  # which are all that there are
    assert len(able_to_fail) == reports["none"].passed


def test_the_latency_of_a_slow_server_is_written_down(
    reports: dict[str, ServingReport], settings: Params
) -> None:
    slow, right = reports["slow"].p95_ms, reports["none"].p95_ms
    assert slow is not None
    assert right is not None
    assert slow > settings.release.p95_ms > right


# As MLflow does, it leaves the work to a process of its own; this one does not end when it is told.
STUBBORN_MLFLOW = """
import http.server, signal, subprocess, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

if sys.argv[1] == "child":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    http.server.HTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
subprocess.run([sys.executable, __file__, "child", sys.argv[-1]])
"""


def test_the_server_and_all_that_it_has_started_are_ended(tmp_path: Path) -> None:
    (tmp_path / "mlflow.py").write_text(STUBBORN_MLFLOW)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    with server.serving("mlflow", "models:/m/1", environment, tmp_path, tmp_path, 60) as served:
        assert requests.get(f"{served.url}/ping", timeout=5).status_code == 200
        assert served.start_s is not None
        assert served.start_s > 0
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{served.url}/ping", timeout=5)


@pytest.mark.parametrize(
    ("program", "limit", "told"),
    [
        ("print('no such model'); raise SystemExit(3)", 60, "ended with 3:\nno such model"),
        ("import time; print('loads', flush=True); time.sleep(60)", 1, "has not answered in the"),
    ],
    ids=["dies", "hangs"],
)
def test_a_server_that_does_not_come_up_is_told_with_its_log(
    program: str, limit: float, told: str, tmp_path: Path
) -> None:
    (tmp_path / "mlflow.py").write_text(program)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    with (
        pytest.raises(pytest.fail.Exception, match=told),
        server.serving("mlflow", "models:/m/1", environment, tmp_path, tmp_path, limit),
    ):
        pytest.fail("it was taken for one that works")
