"""What a person sees when the pipeline has run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from churn.cli import summary
from churn.core.errors import ArtifactError
from churn.core.files import write_json
from churn.core.paths import Workspace
from churn.data.stats import DataStats, TableStats
from churn.model.card import ModelCard
from churn.provenance.candidate import model_digest

METRICS = dict.fromkeys(
    [
        "roc_auc",
        "average_precision",
        "log_loss",
        "brier",
        "accuracy",
        "precision",
        "recall",
        "f1",
        "cost",
    ],
    0.25,
)

CARD = ModelCard(
    family="random_forest",
    threshold=0.6,
    strategy="fixed",
    id="id",
    target="left",
    features=(),
    test_share=0.2,
    salt="x",
)
NOTHING = TableStats(rows=0, label_rate=0.0, numeric={}, dates={}, categorical={})
CHECK = {"suite": "model"}


def shown(workspace: Workspace) -> str:
    console = Console(width=100, color_system=None)
    with console.capture() as capture:
        summary.show(workspace, console)
    return capture.get()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Return a workspace in which all has gone well."""
    made = Workspace(tmp_path)
    sides = {"train": METRICS, "test": METRICS | {"roc_auc": 0.8125, "precision": None}}
    write_json(made.metrics, {"threshold": 0.6, **sides})
    write_json(made.model / "model.json", CARD)
    write_json(made.data_stats, DataStats(rows=12345, train=NOTHING, test=NOTHING))
    write_json(made.checks, report({**CHECK, "check": "RocReport", "status": "passed"}))
    return made


def report(*checks: dict[str, Any]) -> dict[str, Any]:
    return {"passed": sum(c["status"] == "passed" for c in checks), "checks": list(checks)}


def test_metrics_of_both_sides_are_shown(workspace: Workspace) -> None:
    text = shown(workspace)
    assert "random_forest, 12,345 customers" in text
    [roc_auc] = [line for line in text.splitlines() if "ROC AUC" in line]
    assert roc_auc.split()[-3:-1] == ["0.250", "0.812"]
    [precision] = [line for line in text.splitlines() if " precision " in line and "av" not in line]
    assert precision.split()[-3:-1] == ["0.250", "undefined"]
    assert "at a probability of 0.6 and above" in text


def test_what_did_not_pass_is_named_with_its_reason(workspace: Workspace) -> None:
    assert "1 of 1 checks passed" in shown(workspace)
    failed = {
        **CHECK,
        "check": "LabelDrift",
        "status": "failed",
        "outcomes": [
            {"condition": "a", "passed": True, "details": "fine"},
            {"condition": "b", "passed": False, "details": "drifted by 0.4"},
        ],
    }
    crashed = {
        **CHECK,
        "check": "PredictionDrift",
        "status": "crashed",
        "outcomes": [],
        "error": "no rows",
    }
    passed = {**CHECK, "check": "RocReport", "status": "passed"}
    write_json(workspace.checks, report(passed, failed, crashed))
    text = shown(workspace)
    assert "1 of 3 checks passed" in text
    assert "LabelDrift failed: drifted by 0.4" in text
    assert "PredictionDrift crashed: no rows" in text


def test_the_run_is_named_once_this_model_is_tracked(workspace: Workspace) -> None:
    assert "MLflow run" not in shown(workspace)
    run = {"run_id": "0123abc", "model_digest": model_digest(workspace.model)}
    write_json(workspace.tracked_run, run)
    assert "0123abc" in shown(workspace)
    card = CARD.model_copy(update={"family": "logistic_regression"})
    write_json(workspace.model / "model.json", card)
    assert "0123abc" not in shown(workspace)  # the run of another model


def test_a_stage_that_has_not_run_is_named(workspace: Workspace) -> None:
    workspace.checks.unlink()
    with pytest.raises(ArtifactError, match="`churn validate` writes it"):
        shown(workspace)


@pytest.mark.parametrize("content", ["{}", "[]", "null", "3", "", "{", "[" * 100_000])
@pytest.mark.parametrize(
    ("path", "stage"),
    [
        ("reports/metrics.json", "evaluate"),
        ("reports/checks.json", "validate"),
        ("build/model/model.json", "train"),
        ("build/data_stats.json", "prepare"),
        ("build/run.json", "track"),
    ],
)
def test_a_damaged_file_is_named_with_its_stage(
    path: str, stage: str, content: str, workspace: Workspace
) -> None:
    (workspace.root / path).write_text(content)
    with pytest.raises(ArtifactError) as caught:
        shown(workspace)
    assert str(caught.value).startswith(f"{workspace.root / path}: not ")
    assert f"`churn {stage}`" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("test", [METRICS | {"f1": "0.5"}, {"roc_auc": 0.8}])
def test_metrics_that_are_text_or_missing_are_refused(
    test: dict[str, Any], workspace: Workspace
) -> None:
    write_json(workspace.metrics, {"threshold": 0.6, "train": METRICS, "test": test})
    with pytest.raises(ArtifactError, match=r"metrics\.json: .*test\."):
        shown(workspace)


def test_a_check_that_failed_without_a_reason_is_shown(workspace: Workspace) -> None:
    write_json(workspace.checks, report({**CHECK, "check": "LabelDrift", "status": "failed"}))
    assert "LabelDrift failed: no reason given" in shown(workspace)


def test_one_blank_line_stands_above_the_checks(workspace: Workspace) -> None:
    """With a threshold below the metrics, and without one, as of numbers and classes."""
    for threshold in (0.6, None):
        write_json(workspace.metrics, {"threshold": threshold, "train": METRICS, "test": METRICS})
        lines = [line.strip("│ ") for line in shown(workspace).splitlines()]
        place = next(i for i, line in enumerate(lines) if "checks passed" in line)
        assert lines[place - 1] == "" != lines[place - 2]
