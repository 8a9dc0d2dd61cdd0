"""Scoring a file of customers."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest

from churn.core.errors import ArtifactError, DataError, TrackingError
from churn.core.params import CsvParams, Params
from churn.model import artifact
from churn.model.artifact import Model
from churn.model.prediction import predict, score
from churn.registry.loading import load_model
from churn.stages import train
from churn.tracking import connection, pyfunc


@pytest.fixture
def unlabelled(planned: pd.DataFrame, tmp_path: Path) -> Path:
    """Return a CSV file of thirty customers without a label."""
    file = tmp_path / "customers.csv"
    planned.head(30).drop(columns="churned").to_csv(file, index=False)
    return file


@pytest.mark.parametrize(("ending", "read"), [("csv", pd.read_csv), ("parquet", pd.read_parquet)])
def test_each_customer_gets_a_probability_and_a_decision(
    ending: str, read: object, unlabelled: Path, model: Model, planned: pd.DataFrame
) -> None:
    target = unlabelled.with_name(f"scored.{ending}")
    assert predict(model, unlabelled, target) == 30
    scored = read(target)
    assert list(scored) == ["customer_id", "probability", "prediction"]
    assert scored["customer_id"].tolist() == planned["customer_id"].head(30).tolist()
    np.testing.assert_allclose(scored["probability"], model.scores(planned.head(30)))
    np.testing.assert_array_equal(
        scored["prediction"], scored["probability"] >= model.card.threshold
    )


def test_a_file_is_read_as_that_of_the_training_was(
    unlabelled: Path, model: Model, tmp_path: Path
) -> None:
    plain = pd.read_csv(unlabelled, dtype="str")
    other = plain.assign(age=plain["age"].mask(plain.index < 3))
    _written(other, tmp_path / "plain.csv")
    card = model.card.model_copy(
        update={"missing": ("?",), "csv": CsvParams(separator=";", decimal=",")}
    )
    spelled = other.fillna({"age": "?"}).map(lambda cell: str(cell).replace(".", ","))
    spelled["plan"] = other["plan"]
    source = _written(spelled, tmp_path / "other.csv", sep=";")

    found = score(replace(model, card=card), source)

    expected = score(model, tmp_path / "plain.csv")
    pd.testing.assert_frame_equal(found, expected)
    with pytest.raises(DataError, match="delimited by semicolons"):
        score(model, source)


def test_categories_that_the_model_has_not_seen_are_counted_and_told(
    unlabelled: Path, model: Model, capsys: pytest.CaptureFixture[str]
) -> None:
    score(model, unlabelled)
    assert "was not trained on" not in capsys.readouterr().err

    customers = pd.read_csv(unlabelled, dtype="str")
    customers.loc[[4, 5, 9], "plan"] = ["silver", "Silver ", "silver"]
    score(model, _written(customers, unlabelled))
    assert (
        "customers.csv: column 'plan' has categories that the model was not trained on, for 3 of"
        " 30 customers: 'silver' (2), 'Silver' (1)\n"
    ) in capsys.readouterr().err


@pytest.mark.slow
def test_a_category_that_was_always_missing_has_no_unseen_ones(
    planned: pd.DataFrame, small: Params
) -> None:
    data = small.data.model_copy(update={"categorical": ("shop", "plan")})
    settings = small.model_copy(update={"data": data})
    table = planned.assign(shop=pd.Series([None] * len(planned), dtype="str"))
    model = train.fit(table, settings).model
    found = model.unseen(table.head(3).assign(shop="new", plan=["gold", "silver", None]))
    assert found == {"plan": {"silver": 1}}


@pytest.mark.slow
def test_a_model_keeps_the_newest_date_of_its_training(
    planned: pd.DataFrame, small: Params, tmp_path: Path
) -> None:
    joined = pd.Timestamp("2026-01-31") - pd.to_timedelta(planned["days_since_signup"], unit="D")
    dated = planned.assign(joined=joined.dt.strftime("%Y-%m-%d"))
    data = small.data.model_copy(update={"dates": ("joined",), "numeric": ("age",)})
    features = small.features.model_copy(update={"ratios": (), "rfm": None})
    settings = small.model_copy(update={"data": data, "features": features})
    artifact.save(train.fit(dated, settings).model, tmp_path / "model")
    model = artifact.load(tmp_path / "model")
    assert model.card.features[:2] == ("raw__age", "date__days_before_newest_joined")

    late = dated.tail(20).assign(joined="2026-02-10")
    found = score(model, _written(late, tmp_path / "late.csv"))
    spelled = late.assign(joined=pd.Timestamp("2026-02-10"))
    spelled.to_parquet(tmp_path / "late.parquet")
    pd.testing.assert_frame_equal(score(model, tmp_path / "late.parquet"), found)
    assert model.scores(late) == pytest.approx(found["probability"], abs=1e-12)
    # As a baseline is scored: on rows that were read once.
    styled = model.card.model_copy(update={"csv": CsvParams(date="%d.%m.%Y")})
    pd.testing.assert_frame_equal(
        score(replace(model, card=styled), tmp_path / "late.parquet"), found
    )
    late.to_parquet(tmp_path / "read.parquet")
    pd.testing.assert_frame_equal(
        score(replace(model, card=styled), tmp_path / "read.parquet"), found
    )
    earlier = model.scores(late.assign(joined="2020-01-01"))
    assert not np.allclose(earlier, found["probability"])


def _written(frame: pd.DataFrame, path: Path, sep: str = ",") -> Path:
    frame.to_csv(path, index=False, sep=sep)
    return path


@pytest.mark.parametrize("missing", ["customer_id", "age", "plan"])
def test_a_table_that_cannot_be_used_leaves_the_old_output(
    missing: str, unlabelled: Path, model: Model
) -> None:
    pd.read_csv(unlabelled).drop(columns=missing).to_csv(unlabelled, index=False)
    target = unlabelled.with_name("scored.csv")
    target.write_text("old")
    with pytest.raises(DataError, match=f"column '{missing}' is missing"):
        predict(model, unlabelled, target)
    assert target.read_text() == "old"


def test_a_table_without_customers_is_refused(unlabelled: Path, model: Model) -> None:
    unlabelled.write_text(unlabelled.read_text().partition("\n")[0] + "\n")
    with pytest.raises(DataError, match="no customers in it"):
        predict(model, unlabelled, unlabelled.with_name("scored.csv"))


def test_an_output_of_another_kind_or_place_is_refused(unlabelled: Path, model: Model) -> None:
    with pytest.raises(DataError, match=r"must end in \.csv or \.parquet"):
        predict(model, unlabelled, unlabelled.with_name("scored.xlsx"))
    with pytest.raises(DataError, match="cannot be written"):
        predict(model, unlabelled, unlabelled / "scored.csv")


def test_a_folder_is_loaded_without_mlflow(
    stored: Path, model: Model, planned: pd.DataFrame, tmp_path: Path
) -> None:
    loaded = load_model(str(stored), tmp_path)
    np.testing.assert_array_equal(loaded.scores(planned), model.scores(planned))
    with pytest.raises(ArtifactError, match="no model there"):
        load_model(str(tmp_path), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_folder_that_mlflow_wrote_is_loaded_without_a_store(
    stored: Path, model: Model, planned: pd.DataFrame, tmp_path: Path, store: Path
) -> None:
    example = planned.head(1)[list(model.card.inputs)]
    with mlflow.start_run(experiment_id=connection.connect(store)):
        pyfunc.log(stored, model.card.by_kind, model.output.answered, example)
    [written] = (file.parent for file in store.rglob("MLmodel"))
    elsewhere = Path(shutil.copytree(written, tmp_path / "elsewhere"))
    before = sorted(tmp_path.rglob("*"))

    loaded = load_model(str(elsewhere), tmp_path)

    np.testing.assert_array_equal(loaded.scores(planned), model.scores(planned))
    assert sorted(tmp_path.rglob("*")) == before
    shutil.rmtree(elsewhere / "artifacts/model")
    with pytest.raises(TrackingError, match="not a model that this project has logged"):
        load_model(str(elsewhere), tmp_path)
