"""train.max_rows: a model of a sample of the training rows, judged on all held-out customers."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from churn.core import params
from churn.core.errors import ParamsError
from churn.core.params import Params
from churn.core.paths import Workspace
from churn.data import synthesize
from churn.provenance.candidate import model_digest
from churn.review.report.gather import _sample
from churn.stages import prepare, train
from tests.conftest import PARAMS

FAST = {"model.hyperparameters": {"max_iter": 5, "max_depth": 2}, "decision.strategy": "fixed"}


def settings(max_rows: int | None) -> Params:
    return params.load(PARAMS, {"train.max_rows": max_rows, **FAST})


def made(root: Path, max_rows: int | None) -> Workspace:
    root.mkdir()
    table = pa.concat_tables(synthesize.customers(3000, seed=1)).to_pandas()
    table.to_parquet(root / "customers.parquet", index=False)
    workspace = Workspace(root)
    prepare.write(workspace, settings(max_rows), root / "customers.parquet")
    train.write(workspace, settings(max_rows))
    return workspace


@pytest.mark.slow
def test_a_sample_is_trained_on_and_held_out_customers_stay(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, part = made(tmp_path / "whole", None), made(tmp_path / "part", 1000)
    said = "a model is trained on a sample of 1,000 of 2,352 training rows"
    assert capsys.readouterr().err.count(said) == 1
    for workspace, rows in ((whole, None), (part, 1000)):
        card = json.loads((workspace.model / "model.json").read_text())
        assert card.get("train_max_rows") == rows
    assert "null" not in (whole.model / "model.json").read_text()

    assert part.split("test").read_bytes() == whole.split("test").read_bytes()
    ids, all_ids = (
        pd.read_parquet(workspace.split("train"))["customer_id"] for workspace in (part, whole)
    )
    assert len(ids) == 1000 and set(ids) < set(all_ids)
    assert len(pd.read_parquet(part.out_of_fold)) == 1000
    stats = json.loads(part.data_stats.read_text())
    assert (stats["rows"], stats["train"]["rows"]) == (3000, 1000)
    found = _sample(part)
    assert found is not None and (found.rows, found.of) == (1000, len(all_ids))
    assert _sample(whole) is None


@pytest.mark.slow
def test_a_limit_above_the_table_s_size_does_not_change_the_model(tmp_path: Path) -> None:
    whole, limited = made(tmp_path / "whole", None), made(tmp_path / "limited", 2353)
    assert model_digest(limited.model) == model_digest(whole.model)


def test_a_sample_that_is_too_small_is_refused() -> None:
    with pytest.raises(ParamsError, match=r"train\.max_rows.*1000"):
        settings(10)
