"""deploy.yml and rollback.yml with a server: a variable and secrets, nothing else.

By default they run with the registry as a branch, in tests/workflows/test_deploy.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.pipeline.small import commit, make_small
from tests.registry import standin, state
from tests.registry.releaser import Releaser, Secrets
from tests.workflows import forge
from tests.workflows.fake_github import FakeGitHub
from tests.workflows.forge import Forge

pytestmark = pytest.mark.long
JOBS = ("candidate", "staging", "integration", "production")


@pytest.mark.exhaustive
def test_a_push_is_released_there_and_a_rollback_asks_there(
    empty_registry: MlflowClient,
    anyone: Releaser,
    reader: Releaser,
    unspoken: Secrets,
    served_github: FakeGitHub,
    tmp_path: Path,
) -> None:
    if lacking := forge.missing():
        pytest.skip(f"the workflows cannot be run here; install {', '.join(lacking)}")
    clone = make_small(tmp_path)
    clone.git("remote", "add", "origin", "https://github.com/octo/shop")
    standin.install(clone.root)
    commit(clone, "quick tests")
    store = forge.make_store(tmp_path / "store")
    forge.make_real_environments(store / "environments", is_warm=True)
    forge.install_standins(clone)
    there = Forge(
        clone,
        store,
        {"SSL_CERT_FILE": str(served_github.certificate)},
        {"MLFLOW_TRACKING_URI": anyone.url},
        {
            "MLFLOW_READER_URI": reader.address,
            "MLFLOW_TRACKING_USERNAME": anyone.user,
            "MLFLOW_TRACKING_PASSWORD": anyone.password,
        },
    )
    served_github.commits[clone.git("rev-parse", "main")] = []

    ran = there.push_to_main(served_github.host)

    assert ran.jobs == dict.fromkeys(JOBS, "succeeded"), ran.log
    [version] = state.look(empty_registry)
    assert (version.stage, version.aliases) == ("Production", ("champion",))
    assert version.tags["commit"] == clone.git("rev-parse", "main")
    assert "No MLflow server" not in ran.log
    assert not (store / "saved").exists()
    assert not (clone.root / "mlflow.db").exists()

    back = there.roll_back("previous", "it was worse")

    assert back.jobs == {"rollback": "failed"}
    assert "version 1 is the first in Production: there is none before it" in back.log
    assert not unspoken.within(ran.log + back.log)
