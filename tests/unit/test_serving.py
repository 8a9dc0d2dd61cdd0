"""The model as MLflow stores, loads and serves it."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import mlflow
import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest
import yaml
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import PyFuncModel, scoring_server

from churn.model.artifact import Model
from churn.provenance.candidate import model_digest
from churn.tracking import connection, runs
from churn.tracking.runs import Record
from tests.binary import OUTPUT
from tests.unit.conftest import store_in


class Served(NamedTuple):
    """A model that MLflow has stored: its folder, and what loading it gives."""

    folder: Path
    model: PyFuncModel


@pytest.fixture(scope="module")
def served(
    empty_store: Path,
    stored: Path,
    model: Model,
    planned: pd.DataFrame,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Served]:
    """Log the small model to a store of its own, and load it from there."""
    folder = tmp_path_factory.mktemp("served")
    record = Record(
        name="served",
        params={},
        metrics={},
        tags={},
        files={},
        model=stored,
        inputs=model.card.by_kind,
        answered=OUTPUT.answered,
        example=raw(planned).head(2),
    )
    with pytest.MonkeyPatch.context() as patch, store_in(folder, empty_store, patch):
        patch.setattr(sys, "path", [*sys.path])  # MLflow adds the code that it has stored
        tracked = runs.log(connection.connect(folder), record)
        uri = f"runs:/{tracked.run_id}/model"
        files = Path(mlflow.artifacts.download_artifacts(uri))
        yield Served(files, mlflow.pyfunc.load_model(uri))


def raw(customers: pd.DataFrame) -> pd.DataFrame:
    """Return the columns that the model takes."""
    return customers.drop(columns=["customer_id", "churned"])


@pytest.mark.slow
def test_the_stored_bytes_are_those_that_were_trained(served: Served, stored: Path) -> None:
    assert model_digest(served.folder / "artifacts" / "model") == model_digest(stored)


def test_the_loaded_model_predicts_what_the_trained_one_does(
    served: Served, model: Model, planned: pd.DataFrame
) -> None:
    predicted = served.model.predict(raw(planned))
    assert list(predicted) == ["probability", "prediction"]
    np.testing.assert_array_equal(predicted["probability"], model.scores(planned))
    threshold = model.card.threshold
    np.testing.assert_array_equal(
        predicted["prediction"], (predicted["probability"] >= threshold).astype(int)
    )
    assert set(predicted["prediction"]) == {0, 1}


def test_the_signature_names_the_raw_columns_and_the_answer(served: Served, model: Model) -> None:
    metadata = served.model.metadata
    names = [column.name for column in metadata.signature.inputs.inputs]
    assert names == list(model.card.inputs)
    assert metadata.metadata["numeric"] == list(model.card.numeric)
    assert metadata.metadata["categorical"] == list(model.card.categorical)
    answer = {column.name: column.type.name for column in metadata.signature.outputs.inputs}
    assert answer == {"probability": "double", "prediction": "long"}


def test_the_order_of_the_columns_and_other_columns_do_not_matter(
    served: Served, planned: pd.DataFrame
) -> None:
    customers = raw(planned).head(50)
    other = customers.assign(note="x")[["note", *reversed(customers.columns)]]
    pd.testing.assert_frame_equal(served.model.predict(other), served.model.predict(customers))


def test_a_missing_column_is_refused_by_name(served: Served, planned: pd.DataFrame) -> None:
    with pytest.raises(MlflowException, match="age"):
        served.model.predict(raw(planned).drop(columns="age"))


@pytest.mark.parametrize("cell", ["old", "1,5", np.inf, 10**400], ids=lambda x: str(x)[:9])
def test_what_is_no_number_is_refused_by_name(
    cell: Any, served: Served, planned: pd.DataFrame
) -> None:
    column = pd.Series([41, None, cell], dtype=object)
    customers = raw(planned).head(3).assign(age=column)
    with pytest.raises(MlflowException, match=f"'age' holds '{str(cell)[:40]}'"):
        served.model.predict(customers)


@pytest.mark.parametrize(("cell", "number"), [("41", 41), (True, 1), ("true", 1), (" ", None)])
def test_a_number_is_taken_in_every_form(
    cell: Any, number: float | None, served: Served, planned: pd.DataFrame
) -> None:
    customers = raw(planned).head(2)
    written = customers.assign(age=pd.Series([cell, None], dtype=object))
    plain = customers.assign(age=pd.Series([number, None], dtype="float64"))
    assert served.model.predict(written).equals(served.model.predict(plain))


def test_a_whole_number_of_any_length_is_one(served: Served, planned: pd.DataFrame) -> None:
    customers = raw(planned).head(2)
    long = customers.assign(age=pd.Series([41, 10**30], dtype=object))
    assert served.model.predict(long).equals(served.model.predict(customers.assign(age=[41, 1e30])))


def test_of_nobody_nothing_is_said(served: Served, planned: pd.DataFrame) -> None:
    with pytest.raises(MlflowException, match="no customers to predict for"):
        served.model.predict(raw(planned).head(0))


@pytest.mark.parametrize("kind", ["int16", "int32", "int64", "Int64", "float32", "object"])
def test_every_kind_of_number_is_taken(kind: str, served: Served, planned: pd.DataFrame) -> None:
    customers = raw(planned).head(50)
    whole = customers.astype(dict.fromkeys(["recency_days", "frequency", "total_orders"], kind))
    pd.testing.assert_frame_equal(served.model.predict(whole), served.model.predict(customers))


def test_a_table_as_pandas_reads_it_is_taken(
    served: Served, model: Model, planned: pd.DataFrame, tmp_path: Path
) -> None:
    planned.to_csv(tmp_path / "customers.csv", index=False)
    read = pd.read_csv(tmp_path / "customers.csv")
    read["total_orders"] = read["total_orders"].astype("int64")
    np.testing.assert_allclose(
        served.model.predict(read)["probability"], model.scores(planned), rtol=1e-12
    )


@pytest.mark.parametrize("nothing", [None, np.nan], ids=["None", "NaN"])
def test_missing_values_are_accepted(
    nothing: Any, served: Served, model: Model, planned: pd.DataFrame
) -> None:
    customers = planned.head(20).assign(age=np.nan, plan=pd.Series([np.nan] * 20, dtype="str"))
    unknown = raw(customers).assign(
        age=pd.Series([nothing] * 20, dtype=object), plan=pd.Series([nothing] * 20, dtype=object)
    )
    np.testing.assert_array_equal(
        served.model.predict(unknown)["probability"], model.scores(customers)
    )


def test_an_unseen_category_is_accepted_and_counts_as_a_rare_one(
    served: Served, planned: pd.DataFrame
) -> None:
    customers = raw(planned).head(50)
    unseen = served.model.predict(customers.assign(plan="never seen"))
    rare = served.model.predict(customers.assign(plan="trial"))
    pd.testing.assert_frame_equal(unseen, rare)


def test_the_server_answers_json_with_whole_numbers_and_nulls(
    served: Served, model: Model, planned: pd.DataFrame
) -> None:
    # Two customers: of the one everything is known, of the other neither age nor plan.
    known = planned.dropna().head(2)
    customers = known.assign(
        age=[41.0, np.nan], plan=pd.Series(["gold", np.nan], dtype="str", index=known.index)
    )
    records = json.loads(raw(customers).to_json(orient="records"))
    for record in records:
        record["recency_days"] = int(record["recency_days"])
    records[0]["age"] = 41
    assert records[1]["age"] is records[1]["plan"] is None
    body = json.dumps({"dataframe_records": records})
    answer = scoring_server.invocations(
        body, "application/json", served.model, served.model.metadata.get_input_schema()
    )
    assert answer.status == 200
    predictions = json.loads(answer.response)["predictions"]
    expected = model.predict(customers)
    assert [p["probability"] for p in predictions] == pytest.approx(
        expected["probability"].tolist(), rel=1e-12
    )
    assert [p["prediction"] for p in predictions] == expected["prediction"].tolist()


@pytest.mark.slow
def test_the_model_is_served_where_this_project_is_not_installed(
    served: Served, model: Model, planned: pd.DataFrame, tmp_path: Path
) -> None:
    # -S leaves out what makes an editable install importable; the libraries are put back.
    program = (
        "import sys\n"
        f"sys.path.append({sysconfig.get_path('purelib')!r})\n"
        "import json, mlflow.pyfunc, pandas\n"
        "model = mlflow.pyfunc.load_model(sys.argv[1])\n"
        "answer = model.predict(pandas.read_parquet(sys.argv[2]))\n"
        "import churn\n"
        "print(json.dumps([churn.__file__, answer['probability'].tolist()]))\n"
    )
    raw(planned).head(5).to_parquet(tmp_path / "customers.parquet")
    done = subprocess.run(
        [sys.executable, "-S", "-c", program, served.folder, tmp_path / "customers.parquet"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    code, probability = json.loads(done.stdout.splitlines()[-1])
    assert Path(code).is_relative_to(served.folder)
    assert probability == model.scores(planned.head(5)).tolist()


def test_the_requirements_are_pinned_and_few(served: Served) -> None:
    lines = (served.folder / "requirements.txt").read_text().split()
    assert all("==" in line for line in lines)
    names = {line.partition("==")[0] for line in lines}
    assert names >= {"mlflow", "pandas", "scikit-learn", "skops"}
    assert not names & {"deepchecks", "dvc"}


def test_the_input_example_is_one_that_the_model_takes(served: Served) -> None:
    example = served.model.metadata.load_input_example(str(served.folder))
    assert len(served.model.predict(example)) == 2


def test_the_model_is_no_pickle(served: Served) -> None:
    assert not list(served.folder.rglob("*.pkl"))
    flavor = yaml.safe_load((served.folder / "MLmodel").read_text())["flavors"]["python_function"]
    assert "python_model" not in flavor
