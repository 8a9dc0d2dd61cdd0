"""MLproject's entry points, run by MLflow itself, from the folder and from a git address.

By default train, and main, which are the others' kind.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import mlflow
import pytest
from mlflow.entities import Run

from tests.pipeline.conftest import Clone
from tests.pipeline.small import make_small

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    made = make_small(tmp_path_factory.mktemp("project"))
    shutil.rmtree(made.root / "build/model")
    shutil.rmtree(made.root / ".dvc/cache")
    return made


def runs(clone: Clone) -> list[Run]:
    """Return the runs in the clone's store, the newest first."""
    client = mlflow.MlflowClient(f"sqlite:///{clone.root}/mlflow.db")
    experiments = [found.experiment_id for found in client.search_experiments()]
    return list(client.search_runs(experiments, order_by=["attributes.start_time DESC"]))


def latest(clone: Clone) -> tuple[dict, dict, dict, str]:
    """Params, metrics, tags and status of the newest run in the clone's store."""
    run = runs(clone)[0]
    return run.data.params, run.data.metrics, run.data.tags, run.info.status


def mlflow_run(clone: Clone, address: str, *arguments: str, **environment: str) -> None:
    store = f"sqlite:///{clone.root}/mlflow.db"
    command = ("mlflow", "run", address, "--env-manager", "local", *arguments)
    environment |= {"MLFLOW_TRACKING_URI": store, "MLFLOW_EXPERIMENT_NAME": "churn"}
    clone.run(*command, **environment)


@pytest.mark.exhaustive
def test_train_logs_a_run_with_the_values_given(project: Clone) -> None:
    mlflow_run(project, ".", "-e", "train", "-P", "max_depth=2", "-P", "learning_rate=0.2")

    params, metrics, tags, status = latest(project)
    assert status == "FINISHED"
    assert params["model.hyperparameters.max_depth"] == "2"
    assert params["model.hyperparameters.learning_rate"] == "0.2"
    assert params["model.hyperparameters.max_iter"] == "40"
    assert 0.7 < metrics["test_roc_auc"] < 1
    assert tags["kind"] == "experiment"
    assert not (project.root / "build/model").exists()


@pytest.mark.exhaustive
def test_train_takes_another_table_and_evaluate_another_model(
    project: Clone, tmp_path: Path
) -> None:
    drifted = tmp_path / "drifted.csv"
    command = ["churn", "synthesize", "--customers", "2000", "--seed", "5", "--drift", "6"]
    project.run(*command, "--output", str(drifted))
    mlflow_run(project, ".", "-e", "train", "-P", f"data_path={drifted}")
    model = f"runs:/{runs(project)[0].info.run_id}/model"
    _, trained, _, _ = latest(project)

    mlflow_run(
        project, ".", "-e", "evaluate", "-P", f"model_uri={model}", "-P", f"data_path={drifted}"
    )

    _, evaluated, tags, _ = latest(project)
    assert tags["model_uri"] == model
    assert evaluated["test_roc_auc"] == trained["test_roc_auc"]
    assert evaluated["test_cost"] == trained["test_cost"]


@pytest.mark.exhaustive
def test_a_value_that_the_family_does_not_take_fails_the_run(project: Clone) -> None:
    done = project.run(
        "mlflow", "run", ".", "--env-manager", "local", "-e", "train", "-P", "max_depth=-3",
        check=False, MLFLOW_TRACKING_URI=f"sqlite:///{project.root}/mlflow.db",
    )  # fmt: skip

    assert done.returncode != 0
    assert "max_depth" in done.stderr
    assert latest(project)[3] == "FAILED"


@pytest.mark.exhaustive
def test_tune_tries_as_many_candidates_as_given(project: Clone) -> None:
    mlflow_run(project, ".", "-e", "tune", "-P", "trials=2")

    made = [
        run.data.tags | run.data.params
        for run in runs(project)
        if run.data.tags.get("kind") == "tune" and run.info.status == "FINISHED"
    ]
    [search] = [run for run in made if "verdict" in run]
    assert search["mlflow.project.entryPoint"] == "tune"
    assert search["trials"] == "2"
    below = [run for run in made if run.get("mlflow.parentRunId")]
    assert sorted(run["mlflow.runName"] for run in below) == ["candidate-1", "candidate-2"]


@pytest.mark.exhaustive
def test_retrain_ends_with_a_branch_or_with_nothing_new(project: Clone) -> None:
    done = project.run(
        "mlflow", "run", ".", "--env-manager", "local", "-e", "retrain",
        "-P", "source=data/customers.csv", "-P", "why=it is Monday",
        MLFLOW_TRACKING_URI=f"sqlite:///{project.root}/mlflow.db",
    )  # fmt: skip
    assert "nothing new: main has this table (data/customers.csv)" in done.stdout


@pytest.mark.exhaustive
def test_predict_writes_a_folder_and_goes_on_if_it_is_there(project: Clone) -> None:
    project.run("dvc", "pull", "--quiet")
    arguments = [".", "-e", "predict", "-P", "model_uri=build/model", "-P", "output=build/scored"]
    for _ in range(2):
        mlflow_run(project, *arguments, "-P", "input=data/customers.csv")
    written = project.root / "build/scored"
    assert {path.name for path in written.iterdir()} == {"customers.csv", "_SUCCESS", "_run.json"}


@pytest.mark.exhaustive
def test_monitor_fails_the_run_where_nothing_is_in_production(project: Clone) -> None:
    done = project.run(
        "mlflow", "run", ".", "--env-manager", "local", "-e", "monitor", "-P", "since=3d",
        check=False, MLFLOW_TRACKING_URI=f"sqlite:///{project.root}/mlflow.db",
    )  # fmt: skip
    assert done.returncode != 0
    assert "Error: nothing is in Production" in done.stderr


@pytest.mark.exhaustive
def test_main_runs_the_pipeline_from_a_git_address(project: Clone, tmp_path: Path) -> None:
    bare = tmp_path / "churn.git"
    project.git("clone", "--quiet", "--bare", ".", str(bare))

    # MLflow takes every path that exists for a folder to run in; git itself is told that this
    # address is the bare repository.
    mlflow_run(
        project,
        "https://git.example.org/churn.git",
        GIT_CONFIG_COUNT="1",
        GIT_CONFIG_KEY_0=f"url.file://{tmp_path}/.insteadOf",
        GIT_CONFIG_VALUE_0="https://git.example.org/",
    )

    params, metrics, tags, status = latest(project)
    assert status == "FINISHED"
    assert params["model.family"] == "hist_gradient_boosting"
    assert 0.78 < metrics["test_roc_auc"] < 0.9
    assert tags["git_commit"] == project.git("rev-parse", "HEAD")
    assert "candidate" in tags
