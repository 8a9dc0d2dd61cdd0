"""What estimates of numbers and of classes need is counted with Spark as it is here."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from churn.core.files import write_json
from churn.core.params import MulticlassDecision, RegressionDecision, SlicesParams
from churn.evaluation import reference, tasks
from churn.evaluation.tasks import Scored, Task
from churn.model import artifact
from churn.model.artifact import Model
from tests.conftest import ROOT
from tests.unit.monitor import logs
from tests.unit.spark import cluster
from tests.unit.tasks.conftest import CLASSES, Fit

pytestmark = pytest.mark.long


@pytest.mark.exhaustive
def test_numbers(
    numbers: RegressionDecision, fit_numbers: Fit, spenders: pd.DataFrame, tmp_path: Path
) -> None:
    counted = both(tasks.of(numbers), fit_numbers("ridge"), spenders, tmp_path)
    assert counted == len(spenders)


@pytest.mark.exhaustive
def test_classes(
    classes: MulticlassDecision, fit_classes: Fit, spenders: pd.DataFrame, tmp_path: Path
) -> None:
    model = fit_classes("logistic_regression")
    counted = both(tasks.of(classes, CLASSES), model, spenders, tmp_path)
    assert counted == len(spenders) * len(CLASSES)


def both(task: Task, model: Model, rows: pd.DataFrame, folder: Path) -> int:
    """Count a day of the log here and with Spark; return what was counted if it is the same."""
    cluster.require()
    y, scored = rows[model.card.target].to_numpy(), Scored(model.scores(rows), model.card.rule)
    slices = SlicesParams(numeric=(), bins=2, min_rows=50)
    described = reference.describe(rows, rows, task, y, scored, model.card, slices)
    write_json(folder / "reference.json", described)
    artifact.save(model, folder / "model")
    half = len(rows) // 2
    logs.write(folder / "log", logs.FIRST, rows.head(half), model)
    # Some are asked for again.
    others = rows.tail(len(rows) - half // 2)
    logs.write(folder / "log", logs.FIRST, others, model, role="later")

    command = (cluster.PROGRAMS / "python", "-m", "tests.unit.spark.counted", folder)
    done = cluster.run(*command, PYTHONPATH=f"{ROOT / 'src'}:{ROOT}")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["same"] is True
    assert found["customers"] == [len(rows)] * 2
    here, there = found["scores"]
    assert here == there
    return int(here)
