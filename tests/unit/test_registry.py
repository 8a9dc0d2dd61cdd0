"""Which version is in Production, asked of a real store."""

from __future__ import annotations

import warnings
from pathlib import Path

import mlflow
import pytest

from churn import registry, tracking
from churn.errors import TrackingError
from churn.registry import MODEL, PRODUCTION_ALIAS, download, production
from tests.unit.repositories import write


@pytest.fixture
def client(store: Path) -> mlflow.MlflowClient:
    """Return a client of a store of one's own, in which nothing is registered."""
    tracking.point_at_store(store)
    return mlflow.MlflowClient()


def register(client: mlflow.MlflowClient, versions: int, store: Path) -> None:
    client.create_registered_model(MODEL)
    for i in range(1, versions + 1):
        source = store / f"model-{i}"
        write(source, {"MLmodel": "x", "artifacts/model/model.json": f'{{"version": {i}}}'})
        client.create_model_version(MODEL, str(source))


def move(client: mlflow.MlflowClient, version: int, stage: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # stages are deprecated, and still asked for
        client.transition_model_version_stage(MODEL, str(version), stage)


def number(store: Path) -> str | None:
    found = production(store)
    return None if found is None else str(found.version)


def test_where_nothing_is_registered_nothing_is_in_production(
    client: mlflow.MlflowClient, store: Path
) -> None:
    assert production(store) is None


def test_a_model_without_versions_is_not_in_production(
    client: mlflow.MlflowClient, store: Path
) -> None:
    register(client, 0, store)
    assert production(store) is None


@pytest.mark.parametrize("stage", ["None", "Staging", "Archived"])
def test_a_version_elsewhere_is_not_in_production(
    stage: str, client: mlflow.MlflowClient, store: Path
) -> None:
    register(client, 2, store)
    move(client, 2, stage)
    assert production(store) is None


def test_the_alias_says_which_version_it_is(client: mlflow.MlflowClient, store: Path) -> None:
    register(client, 3, store)
    client.set_registered_model_alias(MODEL, PRODUCTION_ALIAS, "2")
    assert number(store) == "2"
    client.set_registered_model_alias(MODEL, "challenger", "3")
    assert number(store) == "2"


def test_the_alias_goes_before_the_stage(client: mlflow.MlflowClient, store: Path) -> None:
    register(client, 2, store)
    move(client, 2, "Production")
    client.set_registered_model_alias(MODEL, PRODUCTION_ALIAS, "1")
    assert number(store) == "1"


def test_without_an_alias_the_stage_says_it(client: mlflow.MlflowClient, store: Path) -> None:
    register(client, 2, store)
    move(client, 1, "Production")
    assert number(store) == "1"


def test_of_several_in_the_stage_it_is_the_newest_by_number(
    client: mlflow.MlflowClient, store: Path
) -> None:
    register(client, 11, store)
    for version in (9, 10, 2):  # as text, 9 would be the largest
        move(client, version, "Production")
    assert number(store) == "10"


def test_another_model_in_production_is_not_ours(client: mlflow.MlflowClient, store: Path) -> None:
    client.create_registered_model("other")
    write(store, {"other/MLmodel": "x"})
    client.create_model_version("other", str(store / "other"))
    client.set_registered_model_alias("other", PRODUCTION_ALIAS, "1")
    assert production(store) is None


def test_a_version_s_files_are_copied(
    client: mlflow.MlflowClient, store: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    register(client, 2, store)
    client.set_registered_model_alias(MODEL, PRODUCTION_ALIAS, "2")
    found = production(store)
    assert found is not None
    folder = download(found, tmp_path_factory.mktemp("there"))
    assert (folder / "artifacts" / "model" / "model.json").read_text() == '{"version": 2}'


def test_a_registry_that_cannot_be_reached_is_an_error_and_not_none(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    mlflow.set_tracking_uri(None)
    with pytest.raises(TrackingError):
        production(store)


def test_a_registry_that_stops_answering_half_way_is_an_error(
    client: mlflow.MlflowClient, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(client, 1, store)
    move(client, 1, "Production")

    def broken(*_: object) -> None:
        raise mlflow.exceptions.MlflowException("server error", error_code=1)

    monkeypatch.setattr(registry.mlflow.MlflowClient, "get_model_version_by_alias", broken)
    with pytest.raises(TrackingError, match="server error"):
        production(store)
