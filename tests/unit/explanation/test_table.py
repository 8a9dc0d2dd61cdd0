"""Reasons for a file of customers, by the command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from churn.cli.explain import _summary
from churn.cli.main import main
from churn.core.errors import DataError
from churn.explanation import table
from churn.explanation.values import Explained
from churn.model.artifact import Model
from churn.model.prediction import predict


@pytest.mark.slow
@pytest.mark.parametrize(("ending", "read"), [("csv", pd.read_csv), ("parquet", pd.read_parquet)])
def test_each_customer_gets_reasons_that_sum(
    ending: str,
    read: object,
    stored: Path,
    model: Model,
    planned: pd.DataFrame,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source, target = tmp_path / f"in.{ending}", tmp_path / f"why.{ending}"
    unlabelled = planned.head(30).drop(columns="churned")
    unlabelled.to_csv(source) if ending == "csv" else unlabelled.to_parquet(source)
    main(["explain", "--model", str(stored), "--input", str(source), "--output", str(target)])
    said = capsys.readouterr().out
    assert "reasons of 30 predictions, in log-odds; the base (-" in said
    assert said.endswith(") and the reasons of a row sum to its score\n")
    assert "by the class" not in said

    found = read(target)
    reasons = [f"reason_{name}" for name in model.card.inputs]
    assert list(found) == [
        "customer_id", "probability", "prediction", "score", "base", *reasons,
    ]  # fmt: skip
    np.testing.assert_allclose(found[["base", *reasons]].sum(axis=1), found["score"])
    predict(model, source, tmp_path / f"scored.{ending}")
    pd.testing.assert_frame_equal(found.iloc[:, :3], read(tmp_path / f"scored.{ending}"))


def test_what_cannot_be_explained_is_one_line(
    stored: Path, planned: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "why.csv"
    planned.head(5).drop(columns="age").to_csv(source)
    arguments = ["explain", "--model", str(stored), "--input", str(source), "--output", str(target)]
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"Error: {source}: ")
    with pytest.raises(SystemExit) as ended:
        main([*arguments[:-1], str(tmp_path / "why.xlsx")])
    assert ended.value.code == 2
    assert "the name must end in .csv or .parquet" in capsys.readouterr().err
    assert not target.exists()


def test_a_column_that_would_be_written_twice_is_refused(model: Model, tmp_path: Path) -> None:
    named = model.card.model_copy(update={"id": "reason_age"})
    other = Model(model.pipeline, named)
    with pytest.raises(DataError, match="the id is called 'reason_age'"):
        table.explain(other, tmp_path / "in.csv", tmp_path / "why.csv")


def test_of_classes_with_bases_of_their_own_both_ends_are_told(tmp_path: Path) -> None:
    base = np.array([-0.7313, 0.51, -0.7313])
    found = Explained(np.zeros((3, 1)), base, base, "raw score")
    assert _summary(tmp_path / "why.csv", found) == (
        f"{tmp_path}/why.csv: reasons of 3 predictions, in raw scores (logarithms of the"
        " probability, up to a number that all classes share); the base (-0.7313 to 0.51, by the"
        " class) and the reasons of a row sum to its score"
    )
