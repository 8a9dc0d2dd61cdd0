"""`churn monitor --engine spark` finds to the digit what `churn monitor` finds."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from churn.cli.main import main
from churn.core.paths import Workspace
from churn.data import synthesize
from churn.model import artifact
from tests.unit.monitor import logs
from tests.unit.releases import Candidates
from tests.unit.spark.conftest import Spark

pytestmark = pytest.mark.long


def report(folder: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(folder, "monitor.json").read_text())
    return found


def test_both_engines_find_the_same(
    spark: Spark, released: Candidates, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = released.roots[0]
    monkeypatch.chdir(root)
    model = artifact.load(Workspace().candidate / "model")
    pool = next(synthesize.customers(3000, 1)).to_pandas()
    log = Path("log")
    for number in range(3):
        day = logs.FIRST + timedelta(days=number)
        customers = pool.iloc[900 * number : 900 * number + 800]
        logs.write(log, day, customers, model)
        # Asked for again with other answers, which come after the first in the order of files.
        older = customers.head(300).assign(age=customers["age"] + 20)
        logs.write(log, day, older, model, role="later")
        logs.write(log, day, customers.head(50), model, version="2")
        nameless = customers.head(40).assign(customer_id=pd.NA)
        logs.write(log, day, nameless, model, role="nameless")
    pool[["customer_id", "churned"]].head(1000).to_csv("labels.csv", index=False)

    command = ("monitor", "--log", "log", "--labels", "labels.csv", "--until", "2026-03-03")
    with pytest.raises(SystemExit) as here:
        main([*command, "--output", "here"])
    there = spark.churn(*command, "--engine", "spark", "--output", "there", folder=root)
    assert there.code == here.value.code, there.err
    found = report("there")
    assert found == report("here")
    assert [window["customers"] for window in found["windows"]] == [840] * 3
    assert [window["rows"] for window in found["windows"]] == [1140] * 3
    assert found["other_versions"] == {"2": 150}
    performance = found["performance"]
    assert (performance["labelled"], performance["unmatched"]) == (900, 100)
    refused = spark.churn("monitor", "--engine", "spark", "--input", "labels.csv", folder=root)
    assert refused.code == 2 and refused.reason.endswith("counts the log, not --input")
