"""Releases over HTTP, with users and passwords, to a registry as compose.yaml starts it."""

from __future__ import annotations

import re
import signal
import time
from base64 import b64encode
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from mlflow import MlflowClient

from tests.registry import standin, state
from tests.registry.conftest import Begun, Next
from tests.registry.interruption import Moment, dying_at
from tests.registry.releaser import Releaser, Secrets
from tests.registry.servers import Database, Server, Store, free_port

pytestmark = pytest.mark.long


@pytest.mark.parametrize(
    ("host", "status"), [("mlflow:5000", 200), ("localhost:5000", 200), ("example.org", 403)]
)
def test_it_answers_to_the_name_by_which_churn_serve_asks(
    server: Server, host: str, status: int
) -> None:
    address = f"{server.url}/api/2.0/mlflow/registered-models/search"
    answer = requests.get(address, headers={"Host": host}, auth=server.admin, timeout=60)
    assert answer.status_code == status


def test_the_first_release_ends_in_production_with_rows_in_postgresql_and_files_in_s3(
    registry: MlflowClient, begun: Begun, first: Releaser, database: Database, store: Store
) -> None:
    assert begun.said.last.startswith("version 1 is in Production. Production: version 1 (")
    [version] = begun.versions
    assert (version.stage, version.aliases) == ("Production", ("champion",))
    stages = "select version, current_stage from model_versions where name = %s"
    assert database.query(stages, state.MODEL) == [(1, "Production")]
    model_id = version.source.rpartition("/")[2]
    [stored] = store.bucket.rglob(f"{model_id}/artifacts/artifacts/model/pipeline.skops")
    packed = first.candidate / "model/pipeline.skops"
    assert stored.read_bytes() == packed.read_bytes()
    assert list(store.bucket.rglob(f"{version.run_id}/artifacts/candidate/manifest.json"))


@pytest.mark.exhaustive
def test_a_review_compares_with_what_is_in_production_there(following: Next) -> None:
    assert "against Production" in following.said.out
    assert "nothing is in Production" not in following.said.out


def test_of_two_releases_at_once_one_wins_and_archives_the_first_which_a_rollback_brings_back(
    registry: MlflowClient, second: Releaser, tmp_path: Path
) -> None:
    hold = tmp_path / "hold"
    hold.mkdir()
    winner = second.begin_release(GITHUB_ACTOR="ann", **{standin.HOLD: str(hold)})
    try:
        until = time.monotonic() + 120
        while not (hold / "begun").exists():
            assert winner.poll() is None, winner.communicate()
            assert time.monotonic() < until
            time.sleep(0.1)

        loser = second.release(code=2, GITHUB_ACTOR="bob")

        assert "another release is under way: by ann on " in loser.error
        assert state.production(registry) == 1
    finally:
        (hold / "begun").unlink(missing_ok=True)
        hold.rmdir()
        out, err = winner.communicate(timeout=300)
    said = second.judge(winner.returncode, out, err, 0)

    assert said.last.startswith("version 2 is in Production (version 1 before). Production: ")
    one, two = state.look(registry)
    assert (one.stage, one.aliases) == ("Archived", ("previous",))
    assert (two.stage, two.aliases) == ("Production", ("champion",))
    assert two.tags["promoted_by"] == "ann"

    second.churn("rollback", "--why", "a test")

    one, two = state.look(registry)
    assert (one.stage, one.aliases) == ("Production", ("champion",))
    assert (two.stage, two.aliases) == ("Archived", ())
    assert "a test" in second.churn("history").out
    again = second.release(code=1)
    assert again.last.startswith("blocked: this is version 2, which ")


@pytest.mark.exhaustive
def test_the_model_is_tested_as_it_is_served_from_there(
    registry: MlflowClient, second: Releaser, tmp_path: Path
) -> None:
    clone = replace(second.clone, root=tmp_path / "clone")
    second.clone.git("clone", "--quiet", ".", str(clone.root))  # with the tests that it ships
    clone.run("dvc", "pull", "--quiet", "data.dvc")

    said = replace(second, clone=clone).release()

    assert said.last.startswith("version 2 is in Production (version 1 before). ")
    two = state.look(registry)[1]
    [tested] = [text for tag, text in two.tags.items() if tag.endswith("_tested")]
    assert re.search(r"(\d+) integration tests passed; the slower server answered after", tested)
    assert int(re.search(r"(\d+) integration tests", tested)[1]) > 40


@pytest.mark.exhaustive
def test_versions_move_from_the_file_to_the_server(registry: MlflowClient, first: Releaser) -> None:
    state.put_back(registry, [])
    file = replace(first, url="", user="", password="")
    file.release()

    said = first.churn("migrate")

    assert said.last == f"1 versions copied to {first.url}"
    [version] = state.look(registry)
    assert (version.stage, version.aliases) == ("Production", ("champion",))
    assert version.tags["smoke"] == "passed"
    first.churn("status")
    assert first.release().last.startswith("version 1 is in Production already. ")


def test_a_wrong_password_is_one_line_and_changes_nothing(
    registry: MlflowClient, second: Releaser
) -> None:
    before = state.look(registry)
    said = replace(second, password="wrong-password-of-somebody").release(code=2)

    assert said.error.startswith(f"Error: {second.url}: MLflow: error code 401 from /api/2.0/")
    assert said.error.endswith("check MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD")
    assert "wrong-password-of-somebody" not in said.out + said.err
    assert state.look(registry) == before


def test_without_a_password_nothing_can_even_be_seen(
    registry: MlflowClient, second: Releaser
) -> None:
    said = replace(second, user="", password="").churn("status", code=2)
    assert "error code 401" in said.error


def test_who_may_only_read_sees_production_and_moves_nothing(
    registry: MlflowClient, second: Releaser, reader: Releaser
) -> None:
    reader = replace(second, user=reader.user, password=reader.password)
    before = state.look(registry)
    assert "Production" in reader.churn("status").out

    said = reader.release(code=2)

    assert "error code 403 from /api/2.0/mlflow/" in said.error
    assert said.error.endswith("; this user may not do that; ask the server's administrator")
    assert state.look(registry) == before
    assert not state.is_locked(registry)


UNKNOWN = "stopped, because the registry does not answer. Production: unknown"
UPLOAD = Moment("PUT", "/artifacts/model/pipeline.skops")
REGISTRATION = Moment("POST", "/model-versions/create", lost="answer")
BEFORE_THE_SWITCH = Moment("POST", "/registered-models/alias", "champion")
AFTER_THE_SWITCH = Moment("POST", "/registered-models/alias", "champion", lost="answer")


@pytest.mark.parametrize(
    "moments",
    [
        [BEFORE_THE_SWITCH],
        pytest.param([UPLOAD, REGISTRATION, BEFORE_THE_SWITCH], marks=pytest.mark.exhaustive),
    ],
    ids=["once", "again and again"],
)
def test_a_server_that_is_killed_leaves_production_until_a_try_gets_through(
    moments: list[Moment], registry: MlflowClient, second: Releaser, server: Server
) -> None:
    # An experiment in which the model is not there already.
    fresh = {"MLFLOW_EXPERIMENT_NAME": f"killed-{len(moments)}"}
    for moment in moments:
        with dying_at(moment, server) as url:
            said = second.release(code=2, MLFLOW_TRACKING_URI=url, **fresh)
        assert said.error.startswith(f"Error: {url}: MLflow: Connection ")
        assert "; check MLFLOW_TRACKING_URI and the server" in said.error
        is_under_way = "was being moved into Production" in said.error
        assert is_under_way == (moment is BEFORE_THE_SWITCH)  # nobody knows whether it was done
        assert said.last == UNKNOWN
        assert state.production(registry) == 1

    if len(moments) > 1:
        with dying_at(AFTER_THE_SWITCH, server) as url:
            said = second.release(code=2, MLFLOW_TRACKING_URI=url, **fresh)
        assert said.error.startswith(f"Error: {url}: MLflow: Connection ")
        assert "integration tests" not in said.err  # they were passed before

    said = second.release(**fresh)

    before = " (version 1 before)" if len(moments) == 1 else ""  # else it was moved there already
    assert said.last.startswith(f"version 2 is in Production{before}. Production: version 2 (")
    one, two = state.look(registry)
    assert (one.stage, one.aliases) == ("Archived", ("previous",))
    assert (two.stage, two.aliases) == ("Production", ("champion",))
    assert two.tags["smoke"] == "passed"
    assert "pending" not in two.tags
    events = [tag.rpartition("_")[2] for tag in sorted(two.tags) if tag.startswith("event_")]
    assert events == ["registered", "staging", "tested", "production"]
    assert not state.is_locked(registry)


@pytest.mark.exhaustive
def test_a_server_that_hangs_is_given_up_before_long(
    registry: MlflowClient, second: Releaser, server: Server
) -> None:
    server.process.send(signal.SIGSTOP)
    started = time.monotonic()
    try:
        said = second.release(code=2)
    finally:
        server.process.send(signal.SIGCONT)
    assert time.monotonic() - started < 60
    assert said.error.startswith(f"Error: {server.url}: MLflow: timed out; check")
    assert said.last == UNKNOWN


def test_no_secret_is_kept_anywhere_even_where_the_address_holds_the_password(
    registry: MlflowClient,
    first: Releaser,
    by_address: Releaser,
    database: Database,
    store: Store,
    unspoken: Secrets,
    folder: Path,
) -> None:
    # The first release was by address; each `Releaser` looks at all that is said there.
    by_address.churn("track")
    by_address.churn("promote", "9", "--to", "production", "--traceback", code=2)
    closed = by_address.url.replace(first.url.rpartition(":")[2], str(free_port()))
    by_address.churn("status", "--traceback", code=2, MLFLOW_TRACKING_URI=closed)
    wrong = by_address.url.replace("@", "-not@")
    said = by_address.churn("status", "--traceback", code=2, MLFLOW_TRACKING_URI=wrong)
    assert "error code 401" in said.error

    root = first.clone.root
    here = [root / "build", root / "reports", first.candidate, store.bucket, folder / "mlflow"]
    assert unspoken.under(*here) == []
    assert not unspoken.within(database.dump())
    for version in state.look(registry):
        run = registry.get_run(version.run_id)
        assert not unspoken.within(f"{version} {run.to_dictionary()}")


def test_a_secret_would_be_found(tmp_path: Path) -> None:
    unspoken = Secrets(["pass@word/1"])
    assert not unspoken.within("a harmless text")
    assert unspoken.within("http://user:pass%40word%2F1@host")
    for user in ("a", "ab", "abc"):
        header = b64encode(f"{user}:pass@word/1".encode()).decode()
        assert unspoken.within(f"Authorization: Basic {header}")
    (tmp_path / "file").write_bytes(b"\xff\0pass@word/1\0")
    assert unspoken.under(tmp_path) == [tmp_path / "file"]
