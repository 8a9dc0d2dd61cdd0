"""The model that is tested as it is served, and the customers that it is asked about."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from churn.core import params
from churn.core.params import Params
from churn.model import outputs
from tests.conftest import ROOT, forget_server
from tests.integration.client import Client, require_offline
from tests.integration.plugin import OPTIONS, Options
from tests.integration.rows import Rows, held_out
from tests.integration.server import PROGRAMS, Server, serving

if TYPE_CHECKING:
    from churn.model.artifact import Model


@dataclass(frozen=True)
class Offer:
    """What is to be served, and the environment in which MLflow finds it."""

    uri: str
    environment: Mapping[str, str]


@pytest.fixture(scope="session")
def options(pytestconfig: pytest.Config) -> Options:
    return pytestconfig.stash[OPTIONS]


@pytest.fixture(scope="session")
def settings(options: Options, settings: Params) -> Params:
    """Return the parameters of the project if its model is tested, else those of the example."""
    return params.load(ROOT / "params.yaml") if options.uri or options.url else settings


@pytest.fixture(scope="session")
def offer(options: Options, request: pytest.FixtureRequest) -> Offer:
    """Return the model that was named, else one of the tests' own."""
    if not options.uri:
        return request.getfixturevalue("own_offer")
    local = f"sqlite:///{(ROOT / 'mlflow.db').resolve()}"
    store = options.environment.get("MLFLOW_TRACKING_URI") or local
    return Offer(options.uri, {**options.environment, "MLFLOW_TRACKING_URI": store})


@pytest.fixture(scope="session")
def own_offer(
    options: Options,
    empty_store: Path,
    stored: Path,
    model: Model,
    planned: pd.DataFrame,
    settings: Params,
    tmp_path_factory: pytest.TempPathFactory,
) -> Offer:
    """Put a small model, with a category, into Staging of a registry of its own."""
    from churn.registry import Registry
    from churn.tracking import connection, runs

    folder = tmp_path_factory.mktemp("registry")
    shutil.copy(empty_store, folder / "mlflow.db")
    card = model.card
    example = planned[list(card.inputs)].head(2)
    record = runs.Record(
        "own", {}, {}, {}, {}, stored, card.by_kind, model.output.answered, example
    )
    foreign = {name for name in options.environment if name.startswith("MLFLOW_")}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in foreign:
            patch.delenv(name, raising=False)
        forget_server(patch)
        connection.mlflow.set_tracking_uri(None)
        tracked = runs.log(connection.connect(folder), record)
        registry = Registry(folder, settings.release)
        with registry.locked("test"):
            assert tracked.model is not None
            version = registry.register(tracked.model.uri, tracked.run_id, "", {})
            registry.move(version, "staging", "test", "test")
        uri, store = registry.uri("staging"), connection.mlflow.get_tracking_uri()
        connection.mlflow.set_tracking_uri(None)
    kept = {name: value for name, value in options.environment.items() if name not in foreign}
    return Offer(uri, {**kept, "MLFLOW_TRACKING_URI": store})


@pytest.fixture(scope="session")
def rows(options: Options, settings: Params, request: pytest.FixtureRequest) -> Rows:
    """Return customers with what the same model says of them offline."""
    if options.rows:
        return Rows(pd.read_parquet(options.rows), outputs.of(settings.task, settings.data.classes))
    if not options.uri:
        model, planned = (request.getfixturevalue(name) for name in ("model", "planned"))
        return Rows.of(model, planned, settings.release.parity_rows)
    from churn.tracking import runs

    offer = request.getfixturevalue("offer")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(options.folder)
        patch.setenv("MLFLOW_TRACKING_URI", offer.environment["MLFLOW_TRACKING_URI"])
        return held_out(ROOT, settings, runs.load_model(offer.uri))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Test with each program that serves models, if no server is there."""
    if "server" in metafunc.fixturenames and not metafunc.config.stash[OPTIONS].url:
        metafunc.parametrize("server", PROGRAMS, indirect=True, scope="session")


@pytest.fixture(scope="session")
def server(
    options: Options,
    settings: Params,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:
    """Start the server, or take the one that is there."""
    if options.url:
        yield Server(options.url)
        return
    offer, folder = request.getfixturevalue("offer"), tmp_path_factory.mktemp("server")
    limit = settings.release.start_s
    with serving(
        request.param, offer.uri, offer.environment, options.folder, folder, limit
    ) as started:
        yield started


@pytest.fixture(scope="session")
def client(server: Server, settings: Params) -> Client:
    return Client(server.url, outputs.of(settings.task, settings.data.classes).answered)


@pytest.fixture(autouse=True)
def answers_afterwards(client: Client, rows: Rows) -> Iterator[None]:
    """Ask again after each test: whatever it has sent, the server still answers, and rightly."""
    yield
    assert client.ping() == 200
    require_offline(client.about(rows.records[:1]), rows, slice(1))
