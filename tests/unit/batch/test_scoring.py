"""Predict for a part: what is converted once has the bits of what the model converts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from churn.batch import scoring
from churn.core.params import Params
from churn.serve.compiled import compile_model
from churn.serve.questions import Questions
from churn.serve.rows import from_frame
from churn.serve.served import Served
from churn.stages import train


@pytest.fixture(scope="module")
def served(planned: pd.DataFrame, small: Params) -> Served:
    """Return a model with numbers, dates and two categories, one of them never seen."""
    data = small.data.model_copy(
        update={"dates": ("joined",), "categorical": ("plan", "shop"), "missing": ("?",)}
    )
    table = dated(planned).assign(shop=pd.Series([None] * len(planned), dtype="str"))
    model = train.fit(table, small.model_copy(update={"data": data})).model
    return Served("3", model, compile_model(model), "", Questions(model, 1), {})


def dated(table: pd.DataFrame) -> pd.DataFrame:
    joined = pd.Timestamp("2026-01-31") - pd.to_timedelta(table["days_since_signup"], unit="D")
    return table.assign(joined=joined.dt.strftime("%Y-%m-%d"))


@pytest.mark.slow
@pytest.mark.parametrize("is_compiled", [True, False])
def test_awkward_cells_have_the_bits_of_the_model(
    is_compiled: bool, served: Served, planned: pd.DataFrame
) -> None:
    table = dated(planned)[:60].drop(columns="churned").astype(object).reset_index(drop=True)
    table["shop"] = "1.0"
    table.loc[:7, "age"] = ["41", " 41.0 ", "?", "NA", "", "+7", "true", "1e3"]
    table.loc[:7, "plan"] = [" gold", "TRUE", "1.0", "?", "", "NA", "new", None]
    table.loc[:5, "joined"] = ["20260131", "2026-01-31T10:00:00+02:00", "?", "", "nat", None]
    table = table.astype(dict.fromkeys(("age", "plan", "joined", "shop"), "str"))
    part = pa.Table.from_pandas(table, preserve_index=False)
    model = served.model
    if not is_compiled:
        served = Served("3", model, None, "", served.questions, {})

    found = scoring.score(served, part, 1)

    assert not found.bad
    expected = model.predict(table)
    np.testing.assert_array_equal(
        found.predictions["probability"].to_numpy().view(np.int64),
        expected["probability"].to_numpy().view(np.int64),
    )
    assert found.predictions["prediction"].to_pylist() == expected["prediction"].tolist()
    assert found.unseen == {"plan": {"true": 1, "1": 1, "new": 1, "NA": 1}}
    rows = from_frame(model, table)
    assert rows.categories["plan"][:3] == ["gold", "true", "1"]
