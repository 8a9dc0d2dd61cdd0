"""Another table by editing params.yaml and data/ alone, on data that nobody here made."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.datasets import load_breast_cancer

from tests.exhaustive import EXHAUSTIVE
from tests.pipeline.conftest import Clone
from tests.pipeline.test_init import without_slow_checks

pytestmark = pytest.mark.long


@pytest.fixture
def clone(clone: Clone) -> Clone:
    """Return a clone whose programs start at once: what matters is the table."""
    return replace(clone, is_warm=True)


REAL_TABLES = os.environ.get("CHURN_REAL_TABLES", "")


def use(clone: Clone, table: str, **sections: dict) -> None:
    """Edit params.yaml as a user would: another table and its columns."""
    params = yaml.safe_load((clone.root / "params.yaml").read_text())
    params["data"] = {"path": f"data/{table}", **sections["data"]}
    params["features"] = {"ratios": [], "rfm": None} | sections["features"]
    params["evaluation"]["slices"] |= {"protected": [], **sections["slices"]}
    (clone.root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


def ended(clone: Clone) -> tuple[dict, dict]:
    """Run the pipeline; return its metrics and checks, both of which a run must hold."""
    clone.run("dvc", "repro")
    metrics = json.loads((clone.root / "reports/metrics.json").read_text())
    checks = json.loads((clone.root / "reports/checks.json").read_text())
    run_id = json.loads((clone.root / "build/run.json").read_text())["run_id"]
    listed = clone.run("churn", "runs").stdout
    assert run_id in listed
    assert f"{metrics['test']['roc_auc']:.4f}" in listed
    assert [c["check"] for c in checks["checks"] if c["status"] == "crashed"] == []
    return metrics, checks


@pytest.mark.exhaustive
def test_breast_cancer_as_a_spreadsheet_from_table_to_production(
    clone: Clone, tmp_path: Path
) -> None:
    """No id, semicolons, decimal commas, dates, blanks, another encoding, a line of nothing."""
    if not EXHAUSTIVE:
        without_slow_checks(clone)
    bunch = load_breast_cancer(as_frame=True)
    # Its first rows are of other patients than its last ones, which a check of the ids finds.
    shuffled = bunch.frame.sample(frac=1, random_state=0, ignore_index=True)
    table = shuffled.rename(columns=lambda name: f" {name} ")
    table["Größe"] = table[" mean radius "].gt(15).map({True: "groß", False: "klein "})
    table["visit"] = pd.Timestamp("2026-05-31") - pd.to_timedelta(table.index % 90, unit="D")
    table[" target "] = table[" target "].map({0: "malignant", 1: "benign"})
    table.loc[::50, " mean area "] = np.nan
    text = table.to_csv(index=False, sep=";", decimal=",", date_format="%d.%m.%Y", na_rep=" ")
    ending = ";" * (table.shape[1] - 1) + "\n"
    (clone.root / "data/patients.csv").write_text(text + ending, encoding="cp1252")
    numeric = [str(name) for name in bunch.feature_names]
    use(
        clone,
        "patients.csv",
        data={
            "id": None,
            "target": "target",
            "positive": "malignant",
            "numeric": numeric,
            "dates": ["visit"],
            "categorical": ["Größe"],
            "csv": {"separator": ";", "decimal": ",", "encoding": "cp1252", "date": "%d.%m.%Y"},
        },
        features={"ratios": [{"numerator": "mean area", "denominator": "mean perimeter"}]},
        slices={"numeric": ["mean radius"], "categorical": ["Größe"]},
    )
    clone.run("dvc", "add", "--quiet", "data")

    metrics, checks = ended(clone)

    # The field's textbooks reach 0.98 and more on this table.
    assert metrics["test"]["roc_auc"] > 0.97
    slices = json.loads((clone.root / "reports/slices.json").read_text())["test"]
    assert {"groß", "klein"} <= {entry["slice"] for entry in slices}

    scored = tmp_path / "scored.csv"
    clone.run("churn", "predict", "--model", "build/model", "--input", "data/patients.csv",
              "--output", str(scored))  # fmt: skip
    lines = scored.read_text().splitlines()
    assert lines[0] == "(row),probability,prediction"
    assert len(lines) == len(table) + 1
    assert [one["check"] for one in checks["checks"] if one["status"] != "passed"] == []
    clone.git("add", "--all")
    clone.git("commit", "--quiet", "--message", "our patients")
    assert "version 1 is in Production" in clone.run("churn", "release", "--embedded").stdout


@pytest.mark.skipif(not REAL_TABLES, reason="CHURN_REAL_TABLES names no folder with tables")
def test_a_web_shop_from_table_to_tracked_model(clone: Clone) -> None:
    (source,) = Path(REAL_TABLES).glob("online_retail_2011-06-01.csv")
    (clone.root / "data/shop.csv").write_bytes(source.read_bytes())
    use(
        clone,
        "shop.csv",
        data={
            "id": "customer_id",
            "target": "churned",
            "positive": 1,
            "numeric": [
                "recency_days",
                "frequency",
                "monetary_value",
                "avg_order_value",
                "days_since_signup",
                "total_orders",
                "returns",
            ],
            "categorical": ["country"],
        },
        features={
            "ratios": [{"numerator": "returns", "denominator": "total_orders"}],
            "rfm": {
                "recency": "recency_days",
                "frequency": "frequency",
                "monetary": "monetary_value",
            },
        },
        slices={"numeric": ["recency_days"], "categorical": ["country"]},
    )

    metrics, _ = ended(clone)

    assert metrics["test"]["roc_auc"] > 0.65
