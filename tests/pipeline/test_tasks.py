"""Numbers and classes, from a file by `churn init` to Production, where they are served."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.datasets import load_diabetes, load_wine

from tests.pipeline.conftest import Clone
from tests.pipeline.test_init import without_slow_checks

pytestmark = pytest.mark.long


def patients() -> pd.DataFrame:
    """442 patients, and how far their diabetes has gone a year later."""
    table = load_diabetes(as_frame=True, scaled=False).frame
    table.insert(0, "patient", [f"P{i:04d}" for i in range(len(table))])
    return table.rename(columns={"target": "progression"})


def wines() -> pd.DataFrame:
    """178 wines of three growers, each three times with another analysis."""
    table = load_wine(as_frame=True).frame
    rng = np.random.default_rng(0)
    table = pd.concat([table] * 3, ignore_index=True)
    numbers = table.columns.drop("target")
    table[numbers] += rng.normal(0, 0.6, table[numbers].shape) * table[numbers].std().to_numpy()
    table.insert(0, "bottle", [f"B{i:04d}" for i in rng.permutation(len(table))])
    return table.assign(target=table["target"].map({0: "Rossi", 1: "Bianchi", 2: "Verdi"}))


@pytest.mark.exhaustive  # by default tests/unit/init and tests/unit/tasks show each part
@pytest.mark.parametrize("task", ["regression", "multiclass"])
def test_from_a_file_to_production(task: str, clone: Clone, tmp_path: Path) -> None:
    clone = replace(clone, is_warm=True)
    without_slow_checks(clone)
    table, target = (patients(), "progression") if task == "regression" else (wines(), "target")
    file = tmp_path / "table.csv"
    table.to_csv(file, index=False)

    clone.run("churn", "init", str(file), "--target", target, "--yes")
    params = yaml.safe_load((clone.root / "params.yaml").read_text())
    assert params["task"] == task
    if task == "regression":  # through params.yaml alone
        params["model"] |= {"family": "random_forest"}
        params["model"]["hyperparameters"] = {"n_estimators": 100, "max_depth": 5}
    else:
        assert params["data"]["classes"] == ["Bianchi", "Rossi", "Verdi"]
        params["decision"]["costs"] = {"Verdi": 2.0}
    (clone.root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    clone.run("dvc", "repro")
    clone.run("dvc", "push")
    clone.git("add", "--all")
    clone.git("commit", "--quiet", "--message", "Our own table")

    metrics = json.loads((clone.root / "reports/metrics.json").read_text())["test"]
    measure = "rmse" if task == "regression" else "macro_f1"
    assert (
        f"{metrics[measure]:.4f}"
        in clone.run("churn", "runs", "--metric", f"test_{measure}").stdout
    )
    picture = "predicted.png" if task == "regression" else "confusion.png"
    assert (clone.root / "build/plots" / picture).stat().st_size > 5000
    shown = clone.run("dvc", "plots", "show", "--out", str(tmp_path / "shown"))
    assert "failed to load" not in shown.stdout + shown.stderr
    titles = {"regression": "True against predicted", "multiclass": "Recall of each class"}
    assert titles[task] in (tmp_path / "shown/index.html").read_text()

    done = clone.run("churn", "release", "--embedded")
    assert "integration tests passed" in done.stdout
    assert "version 1 is in Production" in done.stdout + done.stderr

    some = tmp_path / "some.csv"
    table.drop(columns=target).head(60).to_csv(some, index=False)
    champion = ("--model", "models:/churn-predictor@champion", "--input", str(some))
    clone.run("churn", "predict", *champion, "--output", str(tmp_path / "scored.csv"))
    scored = pd.read_csv(tmp_path / "scored.csv")
    known = table[target].head(60)
    if task == "regression":
        assert list(scored)[1:] == ["prediction", "lower", "upper"]
        assert scored["prediction"].corr(known) > 0.6
        within = known.between(scored["lower"], scored["upper"]).mean()
        assert within > 0.75
    else:
        assert (scored["prediction"] == known).mean() > 0.7
        shares = scored[[f"probability_{name}" for name in params["data"]["classes"]]]
        np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    clone.run("churn", "explain", *champion, "--output", str(tmp_path / "why.csv"))
    why = pd.read_csv(tmp_path / "why.csv")
    reasons = [name for name in why if name.startswith("reason_")]
    np.testing.assert_allclose(why[reasons].sum(axis=1) + why["base"], why["score"], rtol=1e-6)

    whole = tmp_path / "whole.csv"
    table.drop(columns=target).to_csv(whole, index=False)
    # Whether a table of mostly training rows is an alarm, does not matter here.
    watched = ("--input", str(whole), "--output", str(tmp_path / "watched"))
    assert clone.run("churn", "monitor", *watched, check=False).returncode in (0, 1)
    report = json.loads((tmp_path / "watched" / "monitor.json").read_text())
    estimated = report["windows"][0]["estimated"]
    assert set(estimated) == set(metrics) - {"r2"}
    assert estimated[measure]["lower"] < metrics[measure] < estimated[measure]["upper"]
    assert report["assumption"] in (tmp_path / "watched" / "monitor.html").read_text()
    is_tried_before_it_replaces_the_first(clone, task, params)


def is_tried_before_it_replaces_the_first(clone: Clone, task: str, params: dict) -> None:
    """Let another version be tried in front of customers."""
    params["release"]["canary"] = {"share": 0.5, "hours": 0, "customers": 50}
    trees = "n_estimators" if task == "regression" else "max_iter"
    params["model"]["hyperparameters"][trees] += 1
    (clone.root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    clone.run("dvc", "repro")
    clone.run("dvc", "push")
    clone.git("add", "--all")
    clone.git("commit", "--quiet", "--message", "One tree more")
    done = clone.run("churn", "release", "--embedded")
    assert "version 2 is tried until" in done.stdout + done.stderr
    refused = clone.run("churn", "canary", "promote", "--when-due", check=False)
    assert refused.returncode == 1
    assert "it has predicted for 0 customers, and 50 are needed" in refused.stdout
    assert "version 2 is in Production" in clone.run("churn", "canary", "promote").stdout
