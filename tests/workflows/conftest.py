"""A forge for each test, and GitHub beside it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.exhaustive import EXHAUSTIVE
from tests.pipeline.conftest import Clone, make_clone
from tests.pipeline.small import make_small
from tests.workflows import forge, reviews
from tests.workflows.fake_github import FakeGitHub
from tests.workflows.forge import Forge
from tests.workflows.reviews import Review


@pytest.fixture(scope="session")
def _main(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    if lacking := forge.missing():
        pytest.skip(f"the workflows cannot be run here; install {', '.join(lacking)}")
    made = make_clone(tmp_path_factory.mktemp("main"))
    made.git("remote", "add", "origin", "https://github.com/octo/shop")
    forge.install_standins(made)
    return made


@pytest.fixture
def repository(_main: Clone, tmp_path: Path) -> Forge:
    """Return a forge of its own, whose `churn` and tools are stand-ins."""
    shutil.copytree(_main.root, tmp_path / "origin")
    (tmp_path / "home").mkdir()
    store = forge.make_store(tmp_path / "store")
    forge.make_standins(store / "environments")
    return Forge(Clone(tmp_path / "origin", tmp_path / "home"), store)


@pytest.fixture
def real_repository(repository: Forge) -> Forge:
    """Return a forge whose `churn review` is the real one, in the environments of these tests."""
    forge.make_real_environments(repository.store / "environments", is_warm=True)
    return repository


@pytest.fixture
def github(repository: Forge, served_github: FakeGitHub) -> FakeGitHub:
    """Return a GitHub without pull requests and comments, which the forge's jobs trust."""
    repository.environment["SSL_CERT_FILE"] = str(served_github.certificate)
    return served_github


@pytest.fixture(params=["cml", pytest.param("gh", marks=pytest.mark.exhaustive)])
def poster(request: pytest.FixtureRequest, repository: Forge) -> str:
    """Return who posts: CML, or gh where CML cannot be installed.

    gh by default only in a test that asks for `both_post`.
    """
    if request.param == "cml":
        install_cml(repository)
    return str(request.param)


both_post = pytest.mark.parametrize("poster", ["cml", "gh"], indirect=True)


def install_cml(repository: Forge) -> None:
    shutil.copy(forge.HERE / "programs" / "cml", repository.store / "bin" / "cml")


@pytest.fixture(scope="session")
def small_main(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """Return a repository with a small table, whose main has a model and a current lock."""
    made = make_small(tmp_path_factory.mktemp("main"))
    forge.install_standins(made)
    return made


@pytest.fixture
def branch(small_main: Clone, tmp_path: Path) -> Clone:
    """Return a clone of it on a branch, with what main has built, from its DVC cache."""
    fresh = replace(small_main, root=tmp_path / "clone")
    small_main.git("clone", "--quiet", ".", str(fresh.root))
    fresh.git("switch", "--quiet", "--create", "change")
    fresh.git("branch", "--quiet", "--force", "main", "origin/main")
    shutil.copytree(small_main.root / ".dvc/cache", fresh.root / ".dvc/cache")
    fresh.run("dvc", "pull", "--quiet")
    return fresh


@pytest.fixture
def workflow(tmp_path: Path) -> Review:
    """Return what reviews a branch by pull-request.yml, as act runs it."""
    if lacking := forge.missing():
        pytest.skip(f"the workflows cannot be run here; install {', '.join(lacking)}")
    return lambda clone: reviews.in_the_workflow(clone, tmp_path / "store")


@pytest.fixture
def review(request: pytest.FixtureRequest) -> Review:
    """Return what reviews a branch: locally, or locally and by the workflow, which have to agree.

    Both where the test is marked, for what only the workflow does; every test with
    CHURN_TESTS_EXHAUSTIVE, as every night. Without act locally alone. A test in which they differ
    on purpose names them as parameters.
    """
    wanted = request.node.get_closest_marker("both_ways") or EXHAUSTIVE
    how = getattr(request, "param", "both" if wanted and not forge.missing() else "local")
    if how == "local":
        return reviews.locally
    workflow: Review = request.getfixturevalue("workflow")
    return workflow if how == "workflow" else reviews.in_both(workflow)
