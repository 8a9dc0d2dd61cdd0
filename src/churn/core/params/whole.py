"""The whole of params.yaml: read, validated, and as flat keys."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError, model_validator

from churn.core.document import Document, first_problem, read_document
from churn.core.errors import ParamsError
from churn.core.params.deployed import (
    BatchParams,
    CardParams,
    MonitorParams,
    ReleaseParams,
    RetrainParams,
    ServeParams,
)
from churn.core.params.judging import ChecksParams, ComparisonParams, EvaluationParams, GatesParams
from churn.core.params.model import (
    Decision,
    DecisionParams,
    FeaturesParams,
    ModelParams,
    MulticlassDecision,
    RegressionDecision,
    TuneParams,
)
from churn.core.params.names import FAIRNESS, FAMILIES, METRICS, TaskName
from churn.core.params.section import Scalar, Section
from churn.core.params.table import DataParams, SplitParams, TrainParams


class Params(Section):
    """The whole of params.yaml.

    Attributes
    ----------
    task : {"binary", "regression", "multiclass"}
        What is predicted: which of two classes, a number, or which of several classes.
    """

    task: TaskName = "binary"
    data: DataParams
    split: SplitParams
    train: TrainParams = TrainParams()
    features: FeaturesParams
    model: ModelParams
    decision: Decision
    evaluation: EvaluationParams
    checks: ChecksParams
    comparison: ComparisonParams
    gates: GatesParams
    release: ReleaseParams
    serve: ServeParams = ServeParams()
    monitor: MonitorParams = MonitorParams()
    tune: TuneParams = TuneParams()
    retrain: RetrainParams = RetrainParams()
    batch: BatchParams = BatchParams()
    card: CardParams = CardParams()

    @model_validator(mode="after")
    def _columns_are_declared(self) -> Params:
        self._fits_task()
        if not all(self.checks.suites.values()):
            raise ValueError(f"checks: {', '.join(self.checks.suites)} each need a check")
        if self.gates.fairness and not self.evaluation.slices.protected:
            raise ValueError("gates.fairness: evaluation.slices.protected names no column")
        slices, rfm = self.evaluation.slices, self.features.rfm
        numeric: dict[str, Sequence[str]] = {
            "evaluation.slices.numeric": slices.numeric,
            "features.ratios": [
                name for ratio in self.features.ratios for name in ratio.model_dump().values()
            ],
            "features.rfm": list(rfm.model_dump().values()) if rfm else [],
        }
        for key, names in numeric.items():
            _require_declared(key, names, "data.numeric", self.data.numeric)
        for name in self.serve.redact:
            if name not in (*self.data.inputs, self.data.id):
                raise ValueError(
                    f"serve.redact: column {name!r} is not logged (valid:"
                    f" {', '.join((*self.data.inputs, str(self.data.id)))})"
                )
        _require_declared(
            "evaluation.slices.categorical",
            slices.categorical,
            "data.categorical",
            self.data.categorical,
        )
        return self

    def _fits_task(self) -> None:
        """Check the keys of which each task has its own."""
        data, task = self.data, self.task
        if (data.positive is None) != (task != "binary"):
            is_not = "is needed for" if task == "binary" else "is not for"
            raise ValueError(f"data.positive {is_not} task: {task}")
        if bool(data.classes) != (task == "multiclass"):
            is_not = "is needed for" if task == "multiclass" else "is not for"
            raise ValueError(f"data.classes {is_not} task: {task}")
        classes = [str(name) for name in data.classes]
        if twice := sorted({name for name in classes if classes.count(name) > 1}):
            raise ValueError(f"data.classes: {twice[0]!r} is there twice")
        if 0 < len(classes) < 3:
            raise ValueError(
                f"data.classes: {len(classes)} of them; task: {task} has three or more"
            )
        answers = {"binary": ["probability"], "regression": ["lower", "upper"]}.get(task, [])
        answers += [f"probability_{name}" for name in data.classes]
        for name in (data.id, data.target, *data.inputs):
            if name in answers:
                raise ValueError(f"data: column {name!r} has the name of an output; rename it")
        if isinstance(self.decision, MulticlassDecision):
            _require_declared(
                "decision.costs", list(self.decision.costs), "data.classes", data.classes
            )
        gates, known = self.gates, METRICS[task]
        named: dict[str, Iterable[str]] = {
            "gates.minima": gates.minima,
            "gates.margins": gates.margins,
            "gates.slice_margins": gates.slice_margins,
            "tune.metric": [self.tune.metric] if "tune" in self.model_fields_set else [],
        }
        valid = dict.fromkeys(named, known) | {"gates.fairness": FAIRNESS[task]}
        named["gates.fairness"] = gates.fairness
        for key, names in named.items():
            for name in names:
                if name not in valid[key]:
                    raise ValueError(
                        f"{key}: {name} is no metric of task: {task} (valid:"
                        f" {', '.join(valid[key])})"
                    )
        if self.model.family not in FAMILIES[task]:
            raise ValueError(
                f"model.family: {self.model.family} is not for task: {task} (valid:"
                f" {', '.join(FAMILIES[task])})"
            )


class _Binary(Params):
    decision: DecisionParams


class _Regression(Params):
    decision: RegressionDecision


class _Multiclass(Params):
    decision: MulticlassDecision


BY_TASK: dict[TaskName, type[Params]] = {
    "binary": _Binary,
    "regression": _Regression,
    "multiclass": _Multiclass,
}


def _require_declared(
    key: str, names: Sequence[str], declared_in: str, declared: Sequence[object]
) -> None:
    known, what = list(map(str, declared)), "" if declared_in == "data.classes" else "column "
    for name in names:
        if name not in known:
            raise ValueError(
                f"{key}: {what}{name!r} is not in {declared_in}"
                f" (valid: {', '.join(known) or 'none'})"
            )


# Dotted keys of params.yaml with any values: they are validated with the rest of the file.
Overrides = Mapping[str, Any]


def load(path: Path, overrides: Overrides | None = None) -> Params:
    """Read and validate a params.yaml.

    Parameters
    ----------
    path : Path
        The file.
    overrides : dict of str to value, optional
        Dotted keys (``"model.hyperparameters.max_depth"``) with values that replace the file's.

    Returns
    -------
    Params
        Frozen and validated, except for hyperparameters: scikit-learn validates them when the
        model is built.

    Raises
    ------
    ParamsError
        If the file is missing or not YAML, or a key is unknown, missing or mistyped.
    """
    document = read_document(path)
    for dotted, value in (overrides or {}).items():
        _replace(document, dotted.split("."), value)
    kind = BY_TASK.get(document.get("task", "binary"), _Binary)
    try:
        return kind.model_validate_json(json.dumps(document, default=str))
    except ValidationError as error:
        raise ParamsError(f"{path}: {first_problem(error, kind)}") from error
    except TypeError as error:  # a key that is not text, such as a date
        raise ParamsError(f"{path}: {error}") from error


def flatten(document: Any, prefix: str = "") -> dict[str, Scalar]:
    """Flatten nested parameters to dotted keys; items of a list of mappings are keyed by position.

    Examples
    --------
    >>> flatten({"model": {"seed": 1, "columns": ["a", "b"]}})
    {'model.seed': 1, 'model.columns': 'a, b'}
    >>> flatten({"columns": ["a, b"]})
    {'columns': '["a, b"]'}
    """
    if isinstance(document, list) and not any(isinstance(x, (dict, list)) for x in document):
        is_plain = all(str(x) and "," not in str(x) for x in document)
        text = ", ".join(map(str, document)) if is_plain else json.dumps(document, default=str)
        return {prefix: text}
    items = document.items() if isinstance(document, dict) else enumerate(document)
    flat: dict[str, Scalar] = {}
    for key, value in items:
        dotted = f"{prefix}.{key}" if prefix else str(key)
        if isinstance(value, (dict, list)):
            flat.update(flatten(value, dotted))
        else:
            flat[dotted] = value
    return flat


def _replace(document: Document, keys: list[str], value: Any) -> None:
    *parents, last = keys
    for depth, key in enumerate(parents):
        document = document.setdefault(key, {})
        if not isinstance(document, dict):
            raise ParamsError(
                f"{'.'.join(keys)}: {'.'.join(parents[: depth + 1])} is a single value"
            )
    document[last] = value
