"""From one MLflow to another, without losing a version."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import mlflow
import pytest

from churn.core import params
from churn.core.errors import RegistryError, TrackingError
from churn.deploy import promotion
from churn.provenance.candidate import model_digest
from churn.registry import Registry
from churn.registry import migrate as module
from churn.registry.migrate import migrate
from churn.tracking import connection
from tests.unit.conftest import copied
from tests.unit.releases import Candidates

pytestmark = pytest.mark.long

Move = Callable[[], int]


@pytest.fixture(scope="module")
def _source(_one_released: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two releases, of which the second was rolled back and came back by hand; tests copy it."""
    folder = tmp_path_factory.mktemp("source")
    with pytest.MonkeyPatch.context() as patch, copied(_one_released, folder, patch) as found:
        found.release(2)
        promotion.rollback(found.registry, None, "night shift", "it was slow")
        promotion.promote(found.roots[1], found.registry, 2, "production", "me", "it is fine")
    return folder


@pytest.fixture
def source(_source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Candidates]:
    with copied(_source, tmp_path, monkeypatch) as found:
        yield found


@pytest.fixture
def move(
    source: Candidates, empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Move:
    """Return what moves all to another store; MLflow is asked there afterwards."""
    root = source.roots[0]
    there = tmp_path / "there"
    there.mkdir()
    shutil.copy(empty_store, there / "mlflow.db")
    monkeypatch.chdir(there)
    before = os.environ["MLFLOW_TRACKING_URI"]
    connection.mlflow.set_tracking_uri(None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{there / 'mlflow.db'}")
    settings = params.load(root / "params.yaml").release
    return lambda: migrate(root, before, settings, "me", lambda text: None)


def test_versions_keep_numbers_stages_aliases_tags_and_bytes(
    source: Candidates, move: Move, tmp_path: Path
) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    before = Registry(source.roots[0], params.load(source.roots[0] / "params.yaml").release, uri)
    expected = before.versions()

    assert move() == 2

    found = source.registry.versions()
    for old, new in zip(expected, found, strict=True):
        assert (old.number, old.stage, old.aliases) == (new.number, new.stage, new.aliases)
        assert {k: v for k, v in old.tags.items() if v} == dict(new.tags)
        assert old.description == new.description
        assert old.run_id != new.run_id
        promotion.require_unchanged_files(source.registry, new)
        folder = source.registry.download(new, tmp_path / f"got-{new.number}")
        assert model_digest(folder / "artifacts" / "model") == source.digest(new.number)
    run = mlflow.MlflowClient().get_run(found[0].run_id)
    assert run.data.tags["migrated_from"] == expected[0].run_id
    assert "test_roc_auc" in run.data.metrics
    assert run.data.params["model.hyperparameters.max_iter"] == "12"


def test_the_source_stays_and_what_was_moved_can_be_released_on(
    source: Candidates, move: Move
) -> None:
    move()
    promotion.rollback(source.registry, None, "me", "once more")
    assert source.production is not None
    assert source.production.number == 1
    loaded = mlflow.pyfunc.load_model(source.registry.uri("production"))
    assert loaded.metadata.model_id


def test_started_again_it_copies_what_is_missing(
    source: Candidates, move: Move, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, copied = module.copy_version, []

    def once(ends: object, version: object) -> None:
        if copied:
            raise KeyboardInterrupt
        copied.append(version)
        real(ends, version)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(module, "copy_version", once)
        with pytest.raises(KeyboardInterrupt):
            move()
    assert move() == 1
    assert move() == 0
    assert [version.number for version in source.registry.versions()] == [1, 2]


def test_a_number_that_was_deleted_stays_free(
    source: Candidates, move: Move, tmp_path: Path
) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    client = mlflow.MlflowClient(uri, uri)
    client.delete_model_version(source.registry.name, "1")
    assert move() == 1
    assert [version.number for version in source.registry.versions()] == [2]


def test_a_registry_that_has_others_is_left_alone(source: Candidates, move: Move) -> None:
    move()
    client = mlflow.MlflowClient()
    client.set_model_version_tag(source.registry.name, "2", "model_digest", "another")
    with pytest.raises(RegistryError, match="version 2 of the target is another model"):
        move()


def test_where_there_is_nothing_nothing_is_copied(
    source: Candidates, move: Move, tmp_path: Path
) -> None:
    settings = params.load(source.roots[0] / "params.yaml").release
    with pytest.raises(RegistryError, match="no versions of churn-predictor there"):
        migrate(source.roots[0], f"sqlite:///{tmp_path}/there/mlflow.db", settings, "me", print)


@pytest.mark.parametrize("port", [9, 99999], ids=["nobody listens", "no port"])
def test_a_source_that_cannot_be_reached_is_named_without_its_password(
    port: int, source: Candidates, move: Move
) -> None:
    settings = params.load(source.roots[0] / "params.yaml").release
    address = f"http://ann:secretpassword@127.0.0.1:{port}"
    with pytest.raises(TrackingError, match=rf"^http://127\.0\.0\.1:{port}: ") as caught:
        migrate(source.roots[0], address, settings, "me", print)
    assert "secretpassword" not in str(caught.value)
    assert "check its address" in str(caught.value)


def test_given_again_it_moves_nothing_of_what_was_moved_since(
    source: Candidates, move: Move
) -> None:
    move()
    settings = params.load(source.roots[0] / "params.yaml").release
    there = Registry(source.roots[0], settings)
    promotion.rollback(there, None, "night shift", "it was worse")
    before = [(v.number, v.stage, v.aliases) for v in there.versions()]
    assert move() == 0
    assert [(v.number, v.stage, v.aliases) for v in there.versions()] == before


def test_given_again_it_brings_what_has_come_into_production_at_the_source_since(
    source: Candidates, move: Move, tmp_path: Path
) -> None:
    settings = params.load(source.roots[0] / "params.yaml").release
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    before = Registry(source.roots[0], settings, uri)
    with before.locked("me"):
        before.move(before.version(1), "rollback", "me", "for now")
    move()
    assert source.production is not None
    assert source.production.number == 1
    with before.locked("me"):
        before.move(before.version(2), "rollback", "me", "after all")
    assert move() == 0
    assert source.production is not None
    assert source.production.number == 2
