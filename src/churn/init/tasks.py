"""What each task needs in params.yaml beside the columns: decision, metrics with limits, checks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from churn.core.document import Document
from churn.core.params import FAMILIES, Check, Params, TaskName
from churn.init.decisions import Decision

# Of labels that are classes.
_OF_CLASSES = {
    "ConflictingLabels": {"ratio_of_conflicting_labels_less_or_equal": 0.01},
    "ClassImbalance": {"class_ratio_greater_than": 0.05},
}
# Its conditions compare scores that are above 0.
_OF_RATES = "WeakSegmentsPerformance"
_OF_NUMBERS = {
    "check": "RegressionErrorDistribution",
    "conditions": {"systematic_error_ratio_to_rmse_less_than": 0.3},
}
_FOLDS = {"folds": 5, "max_rows": 100000}


@dataclass(frozen=True)
class Needs:
    """What a task needs.

    Attributes
    ----------
    decision : dict
    minima : tuple of str
        Metrics that get a minimum.
    margins, slice_margins : dict of str to float
        Differences that hardly anybody would act on; if `relative`, as a share of the metric.
    relative : bool
    scorers : tuple of str
        Those of deepchecks for the loss on held-out customers.
    scorer : str
        That of deepchecks for a simple model.
    lost : tuple of str
        The metrics that these scorers compute.
    tune : str
        What a search optimises.
    """

    decision: dict[str, object]
    minima: tuple[str, ...]
    margins: dict[str, float]
    slice_margins: dict[str, float]
    scorers: tuple[str, ...]
    scorer: str
    lost: tuple[str, ...]
    tune: str
    relative: bool = False


NEEDS: dict[TaskName, Needs] = {
    "binary": Needs(
        {
            "strategy": "cost",
            "threshold": 0.5,
            "cost_false_negative": 5.0,
            "cost_false_positive": 1.0,
            **_FOLDS,
        },
        ("roc_auc", "average_precision"),
        {"roc_auc": 0.01, "average_precision": 0.02, "cost": 0.03, "brier": 0.005},
        {"roc_auc": 0.02, "brier": 0.01},
        ("roc_auc", "average_precision"),
        "roc_auc",
        ("roc_auc", "average_precision"),
        "log_loss",
    ),
    "regression": Needs(
        {"coverage": 0.9, "cost_too_low": 1.0, "cost_too_high": 1.0, **_FOLDS},
        ("r2",),
        {"rmse": 0.02, "mae": 0.02},
        {"rmse": 0.05},
        ("neg_rmse", "neg_mae"),
        "neg_rmse",
        ("rmse", "mae"),
        "rmse",
        relative=True,
    ),
    "multiclass": Needs(
        {"costs": {}, **_FOLDS},
        ("macro_roc_auc", "macro_f1"),
        {"macro_roc_auc": 0.01, "macro_f1": 0.02, "cost": 0.02},
        {"macro_roc_auc": 0.02, "accuracy": 0.03},  # the latter where a slice lacks a class
        ("roc_auc_ovr", "f1_macro"),
        "f1_macro",
        ("macro_roc_auc", "macro_f1"),
        "log_loss",
    ),
}


def decide(task: TaskName, settings: Params) -> Iterator[Decision]:
    """Decide what another task needs; nothing if params.yaml is for this one.

    Parameters
    ----------
    task : {"binary", "regression", "multiclass"}
    settings : Params
        Of params.yaml as it is.
    """
    if task == settings.task:
        return
    needs, why = NEEDS[task], ("that of the target",)
    yield Decision(("task",), task, why)
    if settings.model.family not in FAMILIES[task]:
        yield Decision(("model", "family"), "hist_gradient_boosting", ("the usual one",))
        yield Decision(("model", "hyperparameters"), {"max_iter": 120, "max_depth": 4})
        yield Decision(("tune", "space"), {"max_depth": {"low": 2, "high": 8}})
    yield Decision(("decision",), needs.decision, ("docs/tasks.md has its keys",))
    yield Decision(("tune", "metric"), needs.tune)
    yield Decision(("gates", "minima"), dict.fromkeys(needs.minima, 0.0))
    yield Decision(("gates", "margins"), dict(needs.margins))
    yield Decision(("gates", "slice_margins"), dict(needs.slice_margins))
    if task != "binary":
        yield Decision(("gates", "fairness"), {})
    for suite, listed in settings.checks.suites.items():
        yield Decision(("checks", suite), list(_checks(suite, listed, task)), why)


def _checks(suite: str, listed: tuple[Check, ...], task: TaskName) -> Iterator[Document]:
    """Return the checks of a suite for a task, as params.yaml holds them."""
    needs = NEEDS[task]
    for one in listed:
        document = one.model_dump(exclude_defaults=True)
        arguments = document.get("arguments", {})
        if task == "regression" and one.check in (*_OF_CLASSES, _OF_RATES):
            continue
        if one.check == _OF_NUMBERS["check"]:
            continue
        if one.check == "TrainTestPerformance":
            arguments["scorers"] = list(needs.scorers)
        if one.check == "SimpleModelComparison":
            arguments["scorers"] = [needs.scorer]
        if one.check == _OF_RATES:
            arguments["alternative_scorer"] = {needs.scorer: needs.scorer}
        yield document
    there = {one.check for one in listed}
    if suite == "data_integrity" and task != "regression":
        for check, conditions in _OF_CLASSES.items():
            if check not in there:
                yield {"check": check, "conditions": conditions}
    if suite == "model" and task == "regression":
        yield _OF_NUMBERS
    if suite == "model" and task != "regression" and _OF_RATES not in there:
        yield {
            "check": _OF_RATES,
            "arguments": {
                "n_samples": 2000,
                "n_top_features": 5,
                "alternative_scorer": {needs.scorer: needs.scorer},
            },
            "conditions": {"segments_relative_performance_greater_than": 0.3},
        }
