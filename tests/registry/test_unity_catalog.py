"""Release, rollback, predict and serve on a registry with the rules of Unity Catalog.

MLflow's own client for ``databricks-uc`` asks a stand-in over HTTP. One story, told in order.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
import requests
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from tests import warm
from tests.registry import servers, standin, unity_catalog
from tests.registry.unity_catalog import Catalog, Workspace
from tests.unit import releases
from tests.unit.conftest import as_somebody
from tests.unit.releases import Candidates

pytestmark = pytest.mark.long

NAME = "main.shop.churn-predictor"


@dataclass(frozen=True)
class Story:
    """Two commits with a candidate each, and the workspace to release them to."""

    candidates: Candidates
    workspace: Workspace
    environment: dict[str, str]

    @property
    def catalog(self) -> Catalog:
        return self.workspace.catalog

    def churn(self, commit: int, *arguments: str, code: int = 0) -> str:
        """Run a command at one of the commits; return stdout, or stderr if it has to fail."""
        done = subprocess.run(
            ["churn", *arguments], cwd=self.candidates.roots[commit - 1], env=self.environment,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
        return done.stderr if code else done.stdout


@contextmanager
def tracking(folder: Path) -> Iterator[str]:
    """Start MLflow's server, with its files in a folder that its clients see as well."""
    files = ("--no-serve-artifacts", f"--default-artifact-root={folder}/files")
    with servers.on_sqlite(folder, *files) as started:
        yield started.url


@pytest.fixture(scope="module")
def story(
    customers: pd.DataFrame, empty_store: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("uc")
    for name in ("tracking", "catalog", "home"):
        (folder / name).mkdir()
    shutil.copy(empty_store, folder / "tracking/mlflow.db")
    shutil.copy(empty_store, folder / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        as_somebody(patch, folder)
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        candidates = releases.make(folder, customers, model=NAME, stages=False)
        for root in candidates.roots:
            (root / "tests").mkdir()
            standin.install(root)
    with (
        tracking(folder / "tracking") as url,
        unity_catalog.serving(folder / "catalog", url) as workspace,
        pytest.MonkeyPatch.context() as patch,
    ):
        as_somebody(patch, folder)
        programs = warm.programs() if warm.is_possible() else Path(sys.executable).parent
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "CHURN_"))}
        environment = kept | workspace.environment | {
            "HOME": str(folder / "home"),
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        }  # fmt: skip
        yield Story(candidates, workspace, environment)


def test_a_release_ends_in_production_by_its_alias(story: Story) -> None:
    said = story.churn(1, "release", "build/candidate")
    assert said.strip().splitlines()[-1].startswith("version 1 is in Production. ")
    assert story.catalog.aliases(NAME) == {"champion": 1}
    assert list(story.catalog.models) == [NAME]  # no lock is left
    assert story.catalog.refused == []
    assert len(story.catalog.tags(NAME, 1)) < 35


@pytest.mark.exhaustive
def test_the_next_release_and_a_rollback(story: Story) -> None:
    said = story.churn(2, "release", "build/candidate")
    assert "version 2 is in Production (version 1 before)" in said
    assert story.catalog.aliases(NAME) == {"champion": 2, "previous": 1}

    story.churn(2, "rollback", "--why", "é" * 400)

    assert story.catalog.aliases(NAME) == {"champion": 1}
    history = story.churn(2, "history")
    assert "ééé" in history
    assert "Production" in story.churn(2, "status")
    assert story.catalog.refused == []


@pytest.mark.exhaustive
def test_predict_for_a_table(story: Story, customers: pd.DataFrame) -> None:
    root = story.candidates.roots[0]
    customers[:50].to_parquet(root / "in.parquet")
    model = f"models:/{NAME}@champion"
    arguments = ["predict", "--model", model, "--input", "in.parquet", "--output", "scored"]
    assert "by version 1 (" in story.churn(1, *arguments)
    assert set(pd.read_parquet(root / "scored/in.parquet")["version"]) == {"1"}
    assert story.catalog.refused == []


def test_serve_what_is_in_production(story: Story, customers: pd.DataFrame) -> None:
    port = servers.free_port()
    root = story.candidates.roots[0]
    process = servers.Process(
        ["churn", "serve", "--port", str(port), "--no-log"], story.environment, root / "log"
    )
    process.start()
    try:
        for _ in process.wait_for("churn serve"):
            try:
                body = {"dataframe_records": json.loads(customers[:2].to_json(orient="records"))}
                answer = requests.post(f"http://127.0.0.1:{port}/invocations", json=body, timeout=9)
            except requests.RequestException:
                continue
            if answer.ok:
                break
        assert len(answer.json()["predictions"]) == 2
    finally:
        process.send(signal.SIGTERM)
        process.kill()
    assert story.catalog.refused == []


def test_a_registry_with_stages_or_with_short_names_is_one_line(story: Story) -> None:
    params = story.candidates.roots[1] / "params.yaml"
    right = params.read_text()
    try:
        params.write_text(right.replace("stages: false", "stages: true"))
        said = story.churn(2, "status", code=2)
        assert said.endswith("Unity Catalog has aliases only; set it to false in params.yaml\n")
        params.write_text(right.replace(NAME, "churn-predictor"))
        assert "specify all three levels" in story.churn(2, "rollback", "--why", "x", code=2)
    finally:
        params.write_text(right)


@pytest.fixture
def client(story: Story, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    for name, value in story.environment.items():
        if name.startswith(("MLFLOW_", "DATABRICKS_")):
            monkeypatch.setenv(name, value)
    return MlflowClient("databricks", "databricks-uc")


def test_the_stand_in_refuses_what_unity_catalog_refuses(
    story: Story, client: MlflowClient
) -> None:
    tag = client.set_model_version_tag
    with pytest.raises(MlflowException, match="reserved characters"):
        tag(NAME, "1", "event.1", "x")
    with pytest.raises(MlflowException, match="too long"):
        tag(NAME, "1", "x", "x" * 1001)
    with pytest.raises(MlflowException, match="spaces"):
        tag(NAME, "1", "x", "x ")
    there = len(story.catalog.tags(NAME, 1))
    for number in range(50 - there):
        tag(NAME, "1", f"x{number}", "x")
    with pytest.raises(MlflowException, match="more than 50 tags"):
        tag(NAME, "1", "one_more", "x")
    with pytest.raises(MlflowException, match="three levels"):
        client.create_registered_model("churn-predictor")
    with pytest.raises(MlflowException, match="Unsupported filter query"):
        client.search_model_versions(f"name = '{NAME}' and run_id = 'x'")
    with pytest.raises(MlflowException, match="absolute path"):
        client.create_experiment("churn")
    no_stages = pytest.raises(MlflowException, match="unsupported for models in the Unity Catalog")
    with pytest.warns(FutureWarning), no_stages:
        client.transition_model_version_stage(NAME, "1", "Production")
    with pytest.warns(FutureWarning), no_stages:
        client.get_latest_versions(NAME, ["Production"])
    with pytest.raises(MlflowException, match="disabled"):
        MlflowClient("databricks", "databricks").search_registered_models()
    found = client.search_model_versions(f"name = '{NAME}'")
    assert {int(version.version) for version in found} >= {1}
    with pytest.raises(Exception, match="do not have tags"):
        found[0].tags()
