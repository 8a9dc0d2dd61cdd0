"""Stage `evaluate`: what it does where something cannot be told."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from churn.core.errors import ExplanationError
from churn.core.params import Params
from churn.evaluation import pictures
from churn.evaluation.results import Metrics
from churn.evaluation.tasks import Scored
from churn.model.artifact import Model
from churn.stages import evaluate
from tests.binary import BINARY


@pytest.mark.slow
def test_a_model_without_reasons_is_evaluated(
    model: Model,
    planned: pd.DataFrame,
    small: Params,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def none(*_: object) -> list[dict[str, float]]:
        raise ExplanationError("the reasons do not sum")

    monkeypatch.setattr(evaluate, "overall", none)
    few = {"repeats": 1}
    once = small.evaluation.model_copy(
        update={"importance": small.evaluation.importance.model_copy(update=few)}
    )
    settings = small.model_copy(update={"evaluation": once})
    rows = planned.head(200)
    plots = evaluate.plot_points(
        BINARY, rows, Scored(model.scores(rows), model.card.rule), model, settings
    )
    assert plots["reasons"] == []
    assert "the reasons do not sum" in capsys.readouterr().err
    assert len(plots["importance"]) == len(model.card.inputs)
    pictures.draw(plots, tmp_path / "plots", Metrics(threshold=0.4, train={}, test={}), "ROC AUC")
    assert (tmp_path / "plots" / "reasons.png").stat().st_size > 1000
