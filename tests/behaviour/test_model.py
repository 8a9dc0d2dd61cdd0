"""Invariance, direction and minimum functionality of the model that the parameters describe."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from churn.core.files import read_parquet
from churn.core.params import Params
from churn.core.paths import Workspace
from churn.data import synthesize
from churn.model import artifact
from churn.model.artifact import Model
from churn.provenance.candidate import model_digest
from churn.stages import prepare, train

pytestmark = pytest.mark.slow

CUSTOMERS = 4000


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a customer table as a file."""
    file = tmp_path_factory.mktemp("table") / "customers.csv"
    synthesize.write(file, CUSTOMERS, seed=5)
    return file


@pytest.fixture(scope="module")
def trained(table: Path, settings: Params) -> Workspace:
    """Return the workspace in which the model was trained on that table."""
    return pipeline(table.parent / "workspace", settings, table)


@pytest.fixture(scope="module")
def model(trained: Workspace) -> Model:
    """Return the model."""
    return artifact.load(trained.model)


@pytest.fixture(scope="module")
def held_out(trained: Workspace) -> pd.DataFrame:
    """Return the held-out customers."""
    return read_parquet(trained.split("test"), "prepare")


def pipeline(root: Path, settings: Params, table: Path) -> Workspace:
    workspace = Workspace(root)
    prepare.write(workspace, settings, table)
    train.write(workspace, settings)
    return workspace


def auc(model: Model, customers: pd.DataFrame) -> float:
    return float(roc_auc_score(customers["churned"], model.scores(customers)))


def test_predictions_do_not_depend_on_the_order_of_the_rows(
    model: Model, held_out: pd.DataFrame
) -> None:
    shuffled = held_out.sample(frac=1, random_state=1)
    expected = model.predict(held_out).loc[shuffled.index]
    pd.testing.assert_frame_equal(model.predict(shuffled), expected)


def test_predictions_do_not_depend_on_the_order_of_the_columns(
    model: Model, held_out: pd.DataFrame
) -> None:
    reordered = held_out[sorted(held_out.columns)]
    assert list(reordered) != list(held_out)
    pd.testing.assert_frame_equal(model.predict(reordered), model.predict(held_out))


def test_a_prediction_does_not_depend_on_who_else_is_asked_about(
    model: Model, held_out: pd.DataFrame
) -> None:
    alone = pd.concat([model.predict(held_out.iloc[[i]]) for i in range(40)])
    pd.testing.assert_frame_equal(alone, model.predict(held_out).head(40))


def test_a_prediction_does_not_depend_on_id_and_label(model: Model, held_out: pd.DataFrame) -> None:
    stripped = held_out.drop(columns=["customer_id", "churned"])
    pd.testing.assert_frame_equal(model.predict(stripped), model.predict(held_out))


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame.sample(frac=1, random_state=1),
        lambda frame: frame[sorted(frame.columns)],
        lambda frame: frame.assign(note="not declared"),
    ],
    ids=["rows", "columns", "another column"],
)
def test_the_trained_bytes_do_not_depend_on_the_order_of_the_table(
    change: Callable[[pd.DataFrame], pd.DataFrame],
    trained: Workspace,
    table: Path,
    settings: Params,
    tmp_path: Path,
) -> None:
    other = tmp_path / "other.csv"
    change(pd.read_csv(table, dtype="str")).to_csv(other, index=False)
    assert other.read_bytes() != table.read_bytes()
    again = pipeline(tmp_path / "again", settings, other)
    assert model_digest(again.model) == model_digest(trained.model)


def test_a_customer_more_changes_the_trained_bytes(
    trained: Workspace, table: Path, settings: Params, tmp_path: Path
) -> None:
    # What the tests above compare is not the same for every table.
    other = tmp_path / "other.csv"
    synthesize.write(other, CUSTOMERS + 10, seed=5)
    again = pipeline(tmp_path / "again", settings, other)
    assert model_digest(again.model) != model_digest(trained.model)


@pytest.mark.parametrize("days", [30, 90, 180])
def test_more_days_of_silence_do_not_lower_predicted_churn_on_average(
    days: int, model: Model, held_out: pd.DataFrame
) -> None:
    older = held_out[held_out["recency_days"] + days <= held_out["days_since_signup"]]
    assert len(older) > 300
    silent = older.assign(recency_days=older["recency_days"] + days)
    assert model.scores(silent).mean() > model.scores(older).mean()


def test_more_complaints_do_not_lower_predicted_churn_on_average(
    model: Model, held_out: pd.DataFrame
) -> None:
    complaining = held_out.assign(support_tickets=held_out["support_tickets"] + 3)
    assert model.scores(complaining).mean() > model.scores(held_out).mean()


def customer(**columns: Any) -> pd.DataFrame:
    """Return one customer in the middle of the table, with some columns replaced."""
    usual = {
        "recency_days": 40.0,
        "frequency": 2.0,
        "monetary_value": 500.0,
        "avg_order_value": 40.0,
        "days_since_signup": 500.0,
        "total_orders": 12.0,
        "support_tickets": 1.0,
        "age": 44.0,
    }
    return pd.DataFrame([usual | columns])


def test_an_active_customer_scores_below_a_lost_one(model: Model) -> None:
    active = customer(
        recency_days=2.0,
        frequency=8.0,
        total_orders=60.0,
        monetary_value=2400.0,
        days_since_signup=900.0,
        support_tickets=0.0,
    )
    lost = customer(
        recency_days=400.0,
        frequency=0.0,
        total_orders=4.0,
        monetary_value=160.0,
        support_tickets=5.0,
    )
    scores = [model.predict(who).iloc[0] for who in (active, customer(), lost)]
    assert scores[0]["probability"] < scores[1]["probability"] < scores[2]["probability"]
    assert scores[0]["probability"] < 0.1
    assert scores[2]["probability"] > 0.7
    assert (scores[0]["prediction"], scores[2]["prediction"]) == (0, 1)


def test_a_customer_of_whom_nothing_is_known_scores_between_the_two(
    model: Model, held_out: pd.DataFrame
) -> None:
    unknown = customer(**dict.fromkeys(customer().columns, np.nan))
    assert 0.02 < model.scores(unknown)[0] < 0.9


def small(settings: Params, **hyperparameters: Any) -> Params:
    model = settings.model.model_copy(update={"hyperparameters": hyperparameters})
    decision = settings.decision.model_copy(update={"strategy": "fixed"})
    return settings.model_copy(update={"model": model, "decision": decision})


def test_a_stump_scores_worse_than_the_model_and_better_than_guessing(
    model: Model, trained: Workspace, held_out: pd.DataFrame, settings: Params
) -> None:
    rows = read_parquet(trained.split("train"), "prepare")
    stump = train.fit(rows, small(settings, max_iter=1, max_depth=1)).model
    assert 0.55 < auc(stump, held_out) < auc(model, held_out) - 0.03


def test_nothing_is_learned_from_labels_that_say_nothing(
    trained: Workspace, held_out: pd.DataFrame, settings: Params
) -> None:
    rows = read_parquet(trained.split("train"), "prepare")
    shuffled = rows.assign(churned=np.random.default_rng(1).permutation(rows["churned"]))
    # Some 800 customers, a quarter of whom churned: a standard error of 0.024.
    assert auc(train.fit(shuffled, small(settings, max_iter=30)).model, held_out) == pytest.approx(
        0.5, abs=0.1
    )
