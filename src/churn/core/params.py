"""params.yaml as frozen, validated objects; nothing else says what it may contain."""

from __future__ import annotations

import codecs
import json
import math
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from churn.core.document import first_problem, read_document
from churn.core.errors import ParamsError

Scalar = bool | int | float | str | None
Share = Annotated[float, Field(gt=0, lt=1)]
Unit = Annotated[float, Field(ge=0, le=1)]
Margin = Annotated[float, Field(ge=0)]
Family = Literal[
    "logistic_regression", "random_forest", "gradient_boosting", "hist_gradient_boosting"
]
# Metrics for which more is better: a minimum makes no sense for a loss.
GatedName = Literal["roc_auc", "average_precision", "accuracy", "precision", "recall", "f1"]
MetricName = Literal[GatedName, "log_loss", "brier", "cost"]

ROW_NUMBER = "(row)"  # the id of a table that has none
_OUTPUT_COLUMNS = ("probability", "prediction")


class Section(BaseModel):
    """A part of params.yaml: unknown keys are errors, and values are not converted."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, populate_by_name=True, allow_inf_nan=False
    )


OneCharacter = Annotated[str, Field(min_length=1, max_length=1)]


class CsvParams(Section):
    """How a CSV file is written."""

    separator: OneCharacter = ","
    decimal: Literal[".", ","] = "."
    thousands: Annotated[str, Field(max_length=1)] = ""
    symbols: str = ""
    encoding: str = "utf-8"
    quote: OneCharacter = '"'
    date: str = ""

    @model_validator(mode="after")
    def _marks_differ(self) -> CsvParams:
        if self.decimal == self.thousands:
            raise ValueError("decimal and thousands are the same")
        return self

    @field_validator("date")
    @classmethod
    def _is_a_date(cls, style: str) -> str:
        if not style:
            return style
        probe = datetime(2024, 2, 3)
        try:
            written = probe.strftime(style)
            is_read = datetime.strptime(written, style) == probe
        except ValueError:
            is_read = False
        if not is_read:
            raise ValueError(
                f"{style!r} does not name year, month and day (such as %d.%m.%Y; see the codes of"
                " Python's strptime)"
            )
        if written == "2024-03-02":
            raise ValueError(f"{style!r} is ISO 8601 with day and month changed; write it as that")
        return style

    @field_validator("encoding")
    @classmethod
    def _is_known(cls, name: str) -> str:
        try:
            return codecs.lookup(name).name
        except LookupError as error:
            raise ValueError(f"{name!r} is unknown (such as utf-8, cp1252, utf-16)") from error


class Columns(Section):
    """The columns that a model takes, by kind."""

    numeric: tuple[str, ...] = ()
    dates: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        """All columns, in the order in which the model takes them."""
        return (*self.numeric, *self.dates, *self.categorical)

    @property
    def by_kind(self) -> dict[str, tuple[str, ...]]:
        """All columns, under ``numeric``, ``dates`` and ``categorical``."""
        return {"numeric": self.numeric, "dates": self.dates, "categorical": self.categorical}


class DataParams(Columns):
    """The customer table: where it is and what its columns are.

    Without an id the rows are numbered.
    """

    path: str
    id: Annotated[str, BeforeValidator(lambda name: ROW_NUMBER if name is None else name)]
    target: str
    positive: bool | int | float | str
    missing: tuple[str, ...] = ()
    csv: CsvParams = CsvParams()

    @model_validator(mode="after")
    def _columns_have_one_role(self) -> DataParams:
        columns = [self.id, self.target, *self.inputs]
        twice = sorted({name for name in columns if columns.count(name) > 1})
        if twice:
            raise ValueError(f"column {twice[0]!r} is named twice")
        reserved = [name for name in columns if name in _OUTPUT_COLUMNS]
        if reserved:
            raise ValueError(f"column {reserved[0]!r} has the name of an output; rename it")
        if not self.inputs:
            raise ValueError("name at least one column in numeric, dates or categorical")
        return self


class SplitParams(Section):
    """How customers are divided into train and test."""

    test_share: Share
    salt: str


class Ratio(Section):
    """A feature `numerator / (denominator + 1)`."""

    numerator: str
    denominator: str


class RfmColumns(Section):
    """The columns of the RFM scores."""

    recency: str
    frequency: str
    monetary: str

    @model_validator(mode="after")
    def _columns_differ(self) -> RfmColumns:
        if len({self.recency, self.frequency, self.monetary}) < 3:
            raise ValueError("recency, frequency and monetary must be three columns")
        return self


class FeaturesParams(Section):
    """What is derived from the raw columns."""

    ratios: tuple[Ratio, ...] = ()
    rfm: RfmColumns | None = None
    rare_category_share: Annotated[float, Field(ge=0, lt=1)] = 0.01


def _require_finite(value: Any) -> Any:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    for part in parts:
        _require_finite(part)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("Input should be a finite number")
    return value


class ModelParams(Section):
    """The model family and its scikit-learn hyperparameters."""

    family: Family
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    # Scalars, lists and mappings (with text keys, as in JSON); scikit-learn validates them.
    hyperparameters: dict[str, Annotated[Any, AfterValidator(_require_finite)]] = {}


class DecisionParams(Section):
    """How a probability becomes a decision."""

    strategy: Literal["fixed", "cost", "f1"]
    threshold: Unit
    cost_false_negative: Annotated[float, Field(ge=0)]
    cost_false_positive: Annotated[float, Field(ge=0)]
    folds: Annotated[int, Field(ge=2, le=50)]
    max_rows: Annotated[int, Field(ge=50)]


class SlicesParams(Section):
    """The groups of customers with metrics of their own."""

    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    bins: Annotated[int, Field(ge=2, le=20)]
    min_rows: Annotated[int, Field(ge=1)]


class ImportanceParams(Section):
    """Permutation importance."""

    repeats: Annotated[int, Field(ge=1)]
    max_rows: Annotated[int, Field(ge=50)]


class EvaluationParams(Section):
    """What is measured."""

    slices: SlicesParams
    importance: ImportanceParams


class Check(Section):
    """One deepchecks check, with its arguments and the conditions that it must meet."""

    check: str
    arguments: dict[str, Any] = {}
    conditions: dict[str, Any] = Field(min_length=1)


class ChecksParams(Section):
    """The deepchecks tests; each listed check must run and pass."""

    max_rows: Annotated[int, Field(ge=200)]
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    data_integrity: tuple[Check, ...] = ()
    train_test: tuple[Check, ...] = ()
    model: tuple[Check, ...] = ()

    @property
    def suites(self) -> dict[str, tuple[Check, ...]]:
        """The checks by suite."""
        return {
            "data_integrity": self.data_integrity,
            "train_test": self.train_test,
            "model": self.model,
        }


class ComparisonParams(Section):
    """How a candidate is compared with a baseline."""

    seed: Annotated[int, Field(ge=0, lt=2**32)]
    resamples: Annotated[int, Field(ge=1000, le=100_000)]
    max_rows: Annotated[int, Field(ge=50)]


class GatesParams(Section):
    """Limits that a candidate must keep."""

    minima: dict[GatedName, Unit]
    margins: dict[MetricName, Margin] = Field(min_length=1)
    slice_margins: dict[MetricName, Margin]
    undecided: Literal["block", "ask"] = "block"
    accept: Annotated[str, Field(pattern=r"^[0-9a-f]{32}\.dir$")] | None = None


class ReleaseParams(Section):
    """The registered model, and the limits that it must keep where it is served."""

    model: Annotated[str, Field(pattern=r"^[\w-]+(\.[\w-]+){0,2}$")]
    stages: bool
    parity_rows: Annotated[int, Field(ge=50, le=10_000)]
    start_s: Annotated[float, Field(gt=0)]
    p95_ms: Annotated[float, Field(gt=0)]


class Limits(Section):
    """The sections of params.yaml that decide whether a candidate passes.

    Attributes
    ----------
    whose : {"main", "own"}
        Whether they are those of the branch to merge into, or the candidate's own.
    """

    whose: Literal["main", "own"]
    gates: GatesParams
    checks: ChecksParams
    comparison: ComparisonParams
    decision: DecisionParams
    evaluation: EvaluationParams

    def same_as(self, other: Limits) -> bool:
        """Tell whether two are equal, apart from `whose`."""
        return self.model_copy(update={"whose": other.whose}) == other


class Params(Section):
    """The whole of params.yaml."""

    data: DataParams
    split: SplitParams
    features: FeaturesParams
    model: ModelParams
    decision: DecisionParams
    evaluation: EvaluationParams
    checks: ChecksParams
    comparison: ComparisonParams
    gates: GatesParams
    release: ReleaseParams

    @model_validator(mode="after")
    def _columns_are_declared(self) -> Params:
        if not all(self.checks.suites.values()):
            raise ValueError(f"checks: {', '.join(self.checks.suites)} each need a check")
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
        _require_declared(
            "evaluation.slices.categorical",
            slices.categorical,
            "data.categorical",
            self.data.categorical,
        )
        return self


def _require_declared(
    key: str, names: Sequence[str], declared_in: str, declared: tuple[str, ...]
) -> None:
    for name in names:
        if name not in declared:
            raise ValueError(
                f"{key}: column {name!r} is not in {declared_in}"
                f" (valid: {', '.join(declared) or 'none'})"
            )


def load(path: Path, overrides: dict[str, Any] | None = None) -> Params:
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
    try:
        return Params.model_validate_json(json.dumps(document, default=str))
    except ValidationError as error:
        raise ParamsError(f"{path}: {first_problem(error, Params)}") from error
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


def _replace(document: dict[str, Any], keys: list[str], value: Any) -> None:
    *parents, last = keys
    for depth, key in enumerate(parents):
        document = document.setdefault(key, {})
        if not isinstance(document, dict):
            raise ParamsError(
                f"{'.'.join(keys)}: {'.'.join(parents[: depth + 1])} is a single value"
            )
    document[last] = value
