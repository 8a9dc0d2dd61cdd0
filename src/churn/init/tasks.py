"""What each task needs in params.yaml beside the columns: decision, metrics with limits, checks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from churn.core.document import Document
from churn.core.params import FAMILIES, Check, Params, TaskName
from churn.init.decisions import KEPT, Decision, Keys

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
    keys : dict of str to str
        What the keys of `decision` mean, if the comments of params.yaml do not say so.
    """

    decision: dict[str, object]
    minima: tuple[str, ...]
    margins: dict[str, float]
    slice_margins: dict[str, float]
    scorers: tuple[str, ...]
    scorer: str
    lost: tuple[str, ...]
    tune: str
    keys: dict[str, str] = field(default_factory=dict)
    relative: bool = False


SHIPPED: TaskName = "binary"  # what the comments of params.yaml are written for
_HAS = {"binary": "two values", "regression": "numbers", "multiclass": "several classes"}
# How their checks differ from those of two values.
_OF_CHECKS = {
    ("regression", "data_integrity"): f"without {' and '.join(_OF_CLASSES)}, which need classes",
    ("regression", "model"): "with scorers of numbers and the distribution of errors; without"
    f" {_OF_RATES}, which compares scores above 0",
    ("multiclass", "model"): "with scorers of several classes",
}
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
        {
            "coverage": "the interval of a prediction is to hold this share of the numbers",
            "cost_too_low": "cost of each unit by which a prediction is too low",
            "cost_too_high": "cost of each unit by which a prediction is too high",
        },
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
        {"costs": "of a customer of a class, if another one is predicted; 1 if not named"},
    ),
}


def decide(task: TaskName, settings: Params) -> Iterator[Decision]:
    """Decide what another task needs; if params.yaml is for this one already, only say why.

    Parameters
    ----------
    task : {"binary", "regression", "multiclass"}
    settings : Params
        Of params.yaml as it is.
    """
    needs, is_new = NEEDS[task], task != settings.task
    yield Decision(("task",), task, (f"the target has {_HAS[task]}",))
    if not is_new and task == SHIPPED:
        return

    def decided(path: Keys, value: object, why: str) -> Decision:
        return Decision(path, value if is_new else KEPT, (why,))

    if is_new and settings.model.family not in FAMILIES[task]:
        yield Decision(("model", "family"), "hist_gradient_boosting", ("the usual one",))
        yield Decision(("model", "hyperparameters"), {"max_iter": 120, "max_depth": 4})
        yield Decision(("tune", "space"), {"max_depth": {"low": 2, "high": 8}})
    yield decided(("decision",), needs.decision, f"the keys of task: {task}, see docs/tasks.md")
    for key, why in needs.keys.items():
        yield Decision(("decision", key), KEPT, (why,))
    if is_new or settings.tune.metric == needs.tune:
        yield Decision(("tune", "metric"), needs.tune, (f"the usual one of task: {task}",))
    if is_new:
        yield Decision(("gates", "minima"), dict.fromkeys(needs.minima, 0.0))
        yield Decision(("gates", "margins"), dict(needs.margins))
    why = "hardly anybody would act on a smaller loss of a slice"
    yield decided(("gates", "slice_margins"), dict(needs.slice_margins), why)
    if task != SHIPPED and (is_new or not settings.gates.fairness):
        yield Decision(("gates", "fairness"), {}, ("none yet; docs/fairness.md has its metrics",))
    for suite, listed in settings.checks.suites.items():
        checks = list(_checks(suite, listed, task)) if is_new else KEPT
        whys = [why for of, why in _OF_CHECKS.items() if of == (task, suite)]
        yield Decision(("checks", suite), checks, tuple(whys))


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
