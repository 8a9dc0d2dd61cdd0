"""The largest reasons of each prediction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from churn.batch import scoring
from churn.batch.parts import Writer
from churn.cli.main import main
from churn.core.errors import DataError
from churn.explanation.top import Top, require_count
from churn.explanation.values import Explained
from churn.model.artifact import Model
from churn.serve.questions import Questions
from churn.serve.served import Served


def with_values(model: Model, count: int, values: list[list[float]]) -> Top:
    """Return what finds the reasons where the values of the first columns are these."""
    top = Top(model, count)
    known = np.zeros((len(values), len(model.card.inputs)))
    known[:, : len(values[0])] = values

    class Known:
        def explain(self, inputs: pd.DataFrame) -> Explained:
            return Explained(known, 0.0, known.sum(axis=1), "log-odds")

    top._explainer = Known()  # type: ignore[assignment]
    return top


def test_the_largest_effect_comes_first_whatever_its_sign(model: Model) -> None:
    first, second, third = model.card.inputs[:3]
    found = with_values(model, 2, [[0.1, -3.0, 2.0], [0.5, 0.5, -0.5], [0, 0.2, 0]]).of(
        pd.DataFrame()
    )
    assert found["reason_1"].tolist() == [second, first, second]
    assert found["reason_1_effect"].tolist() == [-3.0, 0.5, 0.2]
    assert found["reason_2"].tolist() == [third, second, None]
    assert found["reason_2_effect"][:2].tolist() == [2.0, 0.5]
    assert np.isnan(found["reason_2_effect"][2])


@pytest.mark.parametrize("count", [0, 10])
def test_no_more_reasons_than_columns(count: int, model: Model) -> None:
    with pytest.raises(DataError, match=f"{count} reasons: the model has 9 columns"):
        Top(model, count)


def test_an_id_that_is_called_as_a_reason_is_refused(model: Model) -> None:
    card = model.card.model_copy(update={"id": "reason_2_effect"})
    require_count(card, 1)
    with pytest.raises(DataError, match="the id is called 'reason_2_effect'"):
        require_count(card, 2)


@pytest.mark.slow
def test_one_file_has_them_too(
    model: Model, stored: Path, planned: pd.DataFrame, tmp_path: Path
) -> None:
    planned.head(20).to_parquet(tmp_path / "in.parquet")
    arguments = ["--input", str(tmp_path / "in.parquet"), "--output", str(tmp_path / "out.csv")]
    main(["predict", "--model", str(stored), *arguments, "--reasons", "1"])
    found = pd.read_csv(tmp_path / "out.csv")
    expected = Top(model, 1).of(model.inputs(planned.head(20)))
    assert list(found)[3:] == list(expected)
    assert found["reason_1"].tolist() == expected["reason_1"].tolist()
    np.testing.assert_allclose(found["probability"], model.scores(planned.head(20)))


def test_a_part_without_customers_has_the_columns_of_the_others(
    model: Model, planned: pd.DataFrame
) -> None:
    served = Served("1", model, None, "", Questions(model, 1), {})
    rows = planned.head(3).drop(columns="churned").astype({"age": "str"})
    bad = rows.assign(age="old")
    top = Top(model, 2)
    schemas = [
        scoring.score(served, pa.Table.from_pandas(part, preserve_index=False), 1, top)
        for part in (rows, bad)
    ]
    assert len(schemas[1].bad) == 3
    assert schemas[0].predictions.schema == schemas[1].predictions.schema


def test_a_column_whose_name_csv_has_to_quote(tmp_path: Path) -> None:
    names: Any = pa.array(['spent, "net"', None])
    found = pa.table({"id": pa.array(["a", "b"]), "probability": [0.1, 0.2], "reason_1": names})
    writer = Writer(tmp_path / "a.csv", tmp_path / "bad.csv", "1", "2026-01-01T00:00:00+00:00")
    writer.add(found, 1, {}, found)
    writer.close()
    assert pd.read_csv(tmp_path / "a.csv")["reason_1"].tolist()[0] == 'spent, "net"'
