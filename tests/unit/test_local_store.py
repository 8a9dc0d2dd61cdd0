"""A store that was moved or copied finds its files."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

import mlflow
import pytest

from churn.tracking import connection, local_store, runs


@pytest.fixture
def filled(store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a store with a run and a version that have files."""
    folder = store / "before"
    folder.mkdir()
    shutil.move(store / "mlflow.db", folder / "mlflow.db")
    monkeypatch.chdir(folder)
    experiment = connection.connect(folder)
    with mlflow.start_run(experiment_id=experiment) as run:
        (folder / "note.txt").write_text("hello")
        mlflow.log_artifact("note.txt")
    client = mlflow.MlflowClient()
    client.create_registered_model("m")
    client.create_model_version("m", run.info.artifact_uri, run.info.run_id)
    client.set_tag(run.info.run_id, "about", str(folder))
    return folder


def note(root: Path) -> str:
    mlflow.set_tracking_uri(None)  # another process
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    connection.configure(root)
    version = mlflow.MlflowClient().get_model_version("m", "1")
    target = root / "got"
    shutil.rmtree(target, ignore_errors=True)
    folder = runs.fetch(f"runs:/{version.run_id}/note.txt", target)
    other = runs.fetch(str(version.source), target / "by version")
    return folder.read_text() + (other / "note.txt").read_text()


@pytest.mark.slow
def test_where_it_was_made_nothing_is_changed(filled: Path) -> None:
    before = (filled / "mlflow.db").read_bytes()
    local_store.relocate_artifact_uris(filled)
    assert (filled / "mlflow.db").read_bytes() == before
    assert note(filled) == "hellohello"


@pytest.mark.slow
@pytest.mark.parametrize("how", [shutil.move, shutil.copytree])
def test_elsewhere_it_finds_its_files(how: object, filled: Path) -> None:
    there = filled.parent / "it's there"
    how(filled, there)  # type: ignore[operator]
    if filled.exists():
        (next(filled.rglob("mlruns/*/*/artifacts")) / "note.txt").write_text("of the first")
    assert note(there) == "hellohello"
    run = mlflow.search_runs(experiment_names=["churn"], output_format="list")[0]
    assert run.data.tags["about"] == str(filled)  # what somebody has written stays


@pytest.mark.slow
def test_it_can_be_moved_again(filled: Path) -> None:
    for name in ("one", "two", "before"):
        shutil.move(filled, filled.parent / name)
        filled = filled.parent / name
        assert note(filled) == "hellohello"


@pytest.mark.slow
def test_files_that_are_kept_elsewhere_on_purpose_stay_there(filled: Path) -> None:
    elsewhere = filled.parent / "archive" / "mlruns" / "of-the-team"
    mlflow.create_experiment("kept elsewhere", artifact_location=str(elsewhere))
    there = filled.parent / "there"
    shutil.move(filled, there)
    local_store.relocate_artifact_uris(there)
    with sqlite3.connect(there / "mlflow.db") as database:
        found = {row[0] for row in database.execute("SELECT artifact_location FROM experiments")}
    assert str(elsewhere) in found


@pytest.mark.parametrize("content", [b"", b"no database", None])
def test_what_is_no_store_is_left_alone(content: bytes | None, tmp_path: Path) -> None:
    (tmp_path / "mlruns").mkdir()
    if content is not None:
        (tmp_path / "mlflow.db").write_bytes(content)
    local_store.relocate_artifact_uris(tmp_path)
    assert (tmp_path / "mlflow.db").exists() is (content is not None)
