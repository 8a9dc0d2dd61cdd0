"""A registry for all tests, and two commits of which each has a candidate."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import s3fs
from mlflow import MlflowClient

from tests.pipeline.conftest import Clone
from tests.pipeline.small import commit_with_lock, edit, make_small
from tests.registry import servers, standin, state
from tests.registry.releaser import Releaser, Said, Secrets
from tests.registry.servers import Database, Server, Store
from tests.registry.state import Version

_RELEASER, _READER = "releaser", "reader"


def _password() -> str:
    """Make a password with what has a meaning in addresses, shells and templates."""
    return f"{secrets.token_hex(8)}@/:%{{$x}}#"


@pytest.fixture(scope="session")
def values() -> dict[str, str]:
    """Return what a user would write into .env."""
    return {
        "POSTGRES_PASSWORD": _password(),
        "S3_ACCESS_KEY": secrets.token_hex(10),
        "S3_SECRET_KEY": secrets.token_hex(20),
        "MLFLOW_ADMIN_PASSWORD": _password(),
        "MLFLOW_SECRET_KEY": secrets.token_hex(20),
        "MLFLOW_READER_PASSWORD": _password(),
        "CHURN_API_KEYS": secrets.token_hex(20),
    }


@pytest.fixture(scope="session")
def passwords() -> dict[str, str]:
    """Return the passwords of MLflow's users."""
    return {_RELEASER: _password(), _READER: _password()}


@pytest.fixture(scope="session")
def unspoken(values: dict[str, str], passwords: dict[str, str]) -> Secrets:
    return Secrets([*values.values(), *passwords.values()])


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """Return a folder for the servers, into which PostgreSQL's user may look."""
    if lacking := servers.missing():
        pytest.skip(f"no registry can be started here; install {', '.join(lacking)}")
    with tempfile.TemporaryDirectory(prefix="churn-registry-") as made:
        Path(made).chmod(0o755)
        for name in ("database", "store", "mlflow"):
            Path(made, name).mkdir()
        yield Path(made)


@pytest.fixture(scope="session")
def database(folder: Path, values: dict[str, str]) -> Iterator[Database]:
    with servers.database(folder / "database", values["POSTGRES_PASSWORD"]) as started:
        yield started


@pytest.fixture(scope="session")
def store(folder: Path, values: dict[str, str]) -> Iterator[Store]:
    with servers.store(folder / "store", values) as started:
        yield started


@pytest.fixture
def bucket(
    tmp_path: Path, values: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """Return the folder of an empty bucket, on an S3 server that only this test asks.

    s3fs keeps a file system for each set of arguments, and the server's address is not among them:
    without forgetting, a test would go on asking the server of the test before.
    """
    if not shutil.which("versitygw"):
        pytest.skip(f"no S3 can be started; install {servers.PROGRAMS['versitygw']}")
    (tmp_path / "s3").mkdir()
    with servers.store(tmp_path / "s3", values) as started:
        for name, value in {
            "AWS_ACCESS_KEY_ID": values["S3_ACCESS_KEY"],
            "AWS_SECRET_ACCESS_KEY": values["S3_SECRET_KEY"],
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{started.port}",
            "AWS_DEFAULT_REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(name, value)
        s3fs.S3FileSystem.clear_instance_cache()
        yield started.bucket
        s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture(scope="session")
def server(
    folder: Path,
    values: dict[str, str],
    passwords: dict[str, str],
    database: Database,
    store: Store,
) -> Iterator[Server]:
    with servers.server(folder / "mlflow", values, database, store) as started:
        for name, password in passwords.items():
            started.make_user(name, password)
        yield started


@pytest.fixture(scope="session")
def anyone(server: Server, passwords: dict[str, str], unspoken: Secrets, folder: Path) -> Releaser:
    """Return the releaser's credentials, without a clone."""
    clone = Clone(folder, folder)
    return Releaser(clone, folder, unspoken, server.url, _RELEASER, passwords[_RELEASER])


@pytest.fixture(scope="session")
def reader(anyone: Releaser, passwords: dict[str, str]) -> Releaser:
    """Return those of a user who may see everything and change nothing."""
    return replace(anyone, user=_READER, password=passwords[_READER])


@pytest.fixture
def empty_registry(anyone: Releaser, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """Return a client of a registry without models."""
    client = _client(anyone, monkeypatch)
    state.put_back(client, [])
    return client


@pytest.fixture(scope="session")
def first(
    server: Server,
    passwords: dict[str, str],
    unspoken: Secrets,
    tmp_path_factory: pytest.TempPathFactory,
) -> Releaser:
    """Return a releaser at the first commit that has a model, with its candidate."""
    clone = make_small(tmp_path_factory.mktemp("releasers"))
    releaser = _releaser(clone, unspoken, server, passwords)
    releaser.review()
    return releaser


@pytest.fixture(scope="session")
def by_address(first: Releaser) -> Releaser:
    """Return the same releaser where user and password stand in the server's address."""
    return replace(first, url=first.address, user="", password="")


@dataclass(frozen=True)
class Begun:
    """The first release: what was said, and what the registry held then."""

    said: Said
    versions: list[Version]


@pytest.fixture(scope="session")
def begun(first: Releaser, by_address: Releaser) -> Begun:
    with pytest.MonkeyPatch.context() as patch:
        client = _client(first, patch)
        state.put_back(client, [])
        return Begun(by_address.release(), state.look(client))


@dataclass(frozen=True)
class Next:
    """The next commit, which has another model: a releaser, and what the review there has said."""

    releaser: Releaser
    said: Said


@pytest.fixture(scope="session")
def following(begun: Begun, first: Releaser, server: Server, passwords: dict[str, str]) -> Next:
    clone = replace(first.clone, root=first.clone.root.parent / "next")
    first.clone.git("clone", "--quiet", ".", str(clone.root))
    shutil.copytree(first.clone.root / ".dvc/cache", clone.root / ".dvc/cache")
    clone.run("dvc", "pull", "--quiet")
    edit(clone, {"model.hyperparameters.max_iter": 60})
    commit_with_lock(clone, "more trees")
    releaser = _releaser(clone, first.secrets, server, passwords)
    with pytest.MonkeyPatch.context() as patch:
        state.put_back(_client(first, patch), begun.versions)
        return Next(releaser, releaser.review())


@pytest.fixture
def second(following: Next) -> Releaser:
    """Return a releaser at that commit, with its candidate."""
    return following.releaser


@pytest.fixture
def registry(begun: Begun, first: Releaser, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """Return a client of a registry that has the first commit's model in Production, no more."""
    client = _client(first, monkeypatch)
    state.put_back(client, begun.versions)
    return client


def _releaser(
    clone: Clone, unspoken: Secrets, server: Server, passwords: dict[str, str]
) -> Releaser:
    standin.install(clone.root)
    candidate = clone.root.parent / f"candidate-{clone.root.name}"
    return Releaser(clone, candidate, unspoken, server.url, _RELEASER, passwords[_RELEASER])


def _client(releaser: Releaser, patch: pytest.MonkeyPatch) -> MlflowClient:
    patch.setenv("MLFLOW_TRACKING_USERNAME", releaser.user)
    patch.setenv("MLFLOW_TRACKING_PASSWORD", releaser.password)
    return MlflowClient(releaser.url, releaser.url)
