"""Other parameters and other models, apart from the pipeline's own files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from churn.core import params
from churn.core.errors import ParamsError
from churn.core.params import Params
from churn.review import experiment
from churn.tracking import runs
from tests.conftest import PARAMS
from tests.unit.conftest import store_in

pytestmark = pytest.mark.long

SMALL = {
    "model.hyperparameters": {"max_iter": 10, "max_depth": 2},
    "decision.strategy": "fixed",
    "decision.folds": 2,
    "evaluation.importance.repeats": 1,
}


def tried_with(repository: Path, overrides: dict[str, Any]) -> Params:
    return params.load(repository / "params.yaml", overrides)


@pytest.fixture
def repository(store: Path, customers: pd.DataFrame) -> Path:
    """Return a folder with parameters, a table of 600 customers and an MLflow store."""
    return with_table(store, customers)


def with_table(folder: Path, customers: pd.DataFrame) -> Path:
    shutil.copy(PARAMS, folder)
    (folder / "data").mkdir()
    customers.to_csv(folder / "data/customers.csv", index=False)
    return folder


def test_another_parameter_is_tried_and_touches_nothing(repository: Path) -> None:
    before = sorted(repository.rglob("*.parquet"))

    tried = experiment.train_with(repository, tried_with(repository, SMALL))

    assert tried.run.new
    assert 0.5 < tried.sides["test"]["roc_auc"] < 1
    assert sorted(repository.rglob("*.parquet")) == before
    assert not (repository / "build").exists()


@pytest.fixture(scope="module")
def trained(
    empty_store: Path, customers: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """Return the folder of a model that was trained on the table, in MLflow's format."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch, store_in(folder, empty_store, patch):
        repository = with_table(folder, customers)
        tried = experiment.train_with(repository, tried_with(repository, SMALL))
        stored = tmp_path_factory.mktemp("stored")
        return str(runs.fetch(f"runs:/{tried.run.run_id}/model", stored))


def test_a_model_is_measured_on_the_customers_that_it_has_not_seen(
    repository: Path, trained: str
) -> None:
    tried = experiment.evaluate_model(repository, trained, tried_with(repository, {}))

    assert 0.5 < tried.sides["test"]["roc_auc"] < 1


@pytest.mark.parametrize(
    ("other", "message"),
    [
        pytest.param(
            {"split.salt": "another"},
            "may be training rows.*split.salt=churn",
            marks=pytest.mark.exhaustive,
        ),
        ({"split.test_share": 0.3}, "may be training rows.*split.test_share=0.2"),
        (
            {"data.id": "age", "data.numeric": ["recency_days"]},
            "identifies customers by 'customer_id'",
        ),
    ],
)
def test_a_model_is_not_measured_on_what_it_was_trained_on(
    other: dict, message: str, repository: Path, trained: str
) -> None:
    if "data.id" in other:
        table = pd.read_csv(repository / "data/customers.csv")
        table["age"] = range(len(table))
        table.to_csv(repository / "data/customers.csv", index=False)
        other |= {"features.ratios": [], "features.rfm": None, "evaluation.slices.numeric": []}
        other |= {"evaluation.slices.protected": []}
    with pytest.raises(ParamsError, match=message):
        experiment.evaluate_model(repository, trained, tried_with(repository, other))


def test_a_smaller_holdout_of_the_same_split_is_as_good(repository: Path, trained: str) -> None:
    tried = experiment.evaluate_model(
        repository, trained, tried_with(repository, {"split.test_share": 0.15})
    )

    assert 0.5 < tried.sides["test"]["roc_auc"] < 1


def test_a_model_of_numbers_is_measured_on_those_that_the_hash_proves_unseen(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = tried_with(
        repository,
        {
            "task": "regression",
            "data.target": "monetary_value",
            "data.positive": None,
            "data.numeric": ["recency_days", "frequency", "total_orders", "age"],
            "features": {},
            "model.family": "ridge",
            "model.hyperparameters": {},
            "decision": {"folds": 2, "max_rows": 1000},
            "evaluation.slices.numeric": ["age"],
            "evaluation.importance.repeats": 1,
            "gates.minima": {"r2": 0.0},
            "gates.margins": {"rmse": 1.0},
            "gates.slice_margins": {},
            "tune.metric": "rmse",
        },
    )
    tried = experiment.train_with(repository, settings)
    measured = experiment.evaluate_model(repository, f"runs:/{tried.run.run_id}/model", settings)
    said = capsys.readouterr().err
    assert "held-out customers, on whom this model was certainly not trained" in said
    expected = tried.sides["test"]["rmse"]
    assert measured.sides["test"]["rmse"] == pytest.approx(expected, rel=0.5)


def test_a_model_is_not_measured_by_the_labels_of_other_classes(
    repository: Path, customers: pd.DataFrame
) -> None:
    """The labels are positions, so that other ones would give wrong numbers, and no error."""
    level = pd.qcut(customers["monetary_value"].rank(method="first"), 3, ["low", "mid", "high"])
    customers.assign(level=level).to_csv(repository / "data/customers.csv", index=False)
    overrides = SMALL | {
        "task": "multiclass",
        "data.target": "level",
        "data.positive": None,
        "data.classes": ["low", "mid", "high"],
        "decision": {"folds": 2, "max_rows": 1000},
        "gates.minima": {"macro_f1": 0.0},
        "gates.margins": {"cost": 1.0},
        "gates.slice_margins": {},
    }
    del overrides["decision.strategy"]
    tried = experiment.train_with(repository, tried_with(repository, overrides))
    assert tried.sides["test"]["macro_roc_auc"] > 0.8
    uri = f"runs:/{tried.run.run_id}/model"
    measured = experiment.evaluate_model(repository, uri, tried_with(repository, overrides))
    assert measured.sides["test"] == tried.sides["test"]
    other = tried_with(repository, overrides | {"data.classes": ["high", "mid", "low"]})
    with pytest.raises(ParamsError, match="the model's are low, mid, high, in this order"):
        experiment.evaluate_model(repository, uri, other)
