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
FairnessName = Literal["selection_rate", "recall", "calibration"]

ROW_NUMBER = "(row)"  # the id of a table that has none
_OUTPUT_COLUMNS = ("probability", "prediction")


class Section(BaseModel):
    """A part of params.yaml: unknown keys are errors, and values are not converted."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, populate_by_name=True, allow_inf_nan=False
    )


OneCharacter = Annotated[str, Field(min_length=1, max_length=1)]


class CsvParams(Section):
    """How a CSV file is written.

    Attributes
    ----------
    separator : str
        Between columns: one character.
    decimal : {".", ","}
        The decimal mark.
    thousands : str
        Between groups of three digits.
    symbols : str
        Characters around numbers that are ignored, such as "$%".
    encoding : str
        Such as utf-8, cp1252 or utf-16.
    quote : str
        Around cells that hold a separator.
    date : str
        How dates are written, in the codes of strptime, such as "%d.%m.%Y". ISO 8601 (2026-05-31)
        is read anyway.
    """

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
    """The columns that a model takes, by kind.

    Attributes
    ----------
    numeric : tuple of str
        Columns with numbers. Missing ones are imputed.
    dates : tuple of str
        Columns with dates. The model gets the days before the newest one.
    categorical : tuple of str
        Columns with text. Rare values are grouped.
    """

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


class DvcAddress(Section):
    """A file or folder that DVC tracks in another repository.

    Attributes
    ----------
    repo : str
        The repository: an address for git, or a folder.
    path : str
        The file or folder in it.
    rev : str or None
        A branch, tag or commit; null is the newest commit of the default branch.
    """

    repo: str
    path: str
    rev: str | None = None


class DataParams(Columns):
    """The customer table: where it is and what its columns are.

    Attributes
    ----------
    path : str
        The table: CSV or Parquet (docs/tables.md), in the folder that data.dvc tracks.
    id : str or None
        Column with one value per customer, which decides who is held out. With null the rows are
        numbered.
    target : str
        Column with two values: who has churned.
    positive : bool, int, float or str
        The value of the target that means churned.
    missing : tuple of str
        Further words for a missing cell, such as "?" and "#N/A".
    csv : CsvParams
        How a CSV file is written.
    source : str, DvcAddress or None
        Where `churn retrain` gets the newest table: a file, an address such as
        s3://bucket/customers.csv, or a DVC repository. Null is nowhere.
    min_share : float
        A newest table with a smaller share of today's rows is refused.
    max_label_shift : float
        A newest table is refused if its share of churned customers differs from today's by more
        than this (Cohen's h: 0.2 is small, 0.5 is medium), beyond what chance does.
    """

    path: str
    id: Annotated[str, BeforeValidator(lambda name: ROW_NUMBER if name is None else name)]
    target: str
    positive: bool | int | float | str
    missing: tuple[str, ...] = ()
    csv: CsvParams = CsvParams()
    source: str | DvcAddress | None = None
    min_share: Annotated[float, Field(ge=0, le=1)] = 0.9
    max_label_shift: Annotated[float, Field(gt=0, le=math.pi)] = 0.2

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
    """How customers are divided into train and test.

    Attributes
    ----------
    test_share : float
        Share of customers held out, by a hash of their id.
    salt : str
        Another salt holds out other customers.
    """

    test_share: Share
    salt: str


class TrainParams(Section):
    """The rows that a model is trained on.

    Attributes
    ----------
    max_rows : int or None
        Number of training rows at most, for tables of which one machine cannot train on all: those
        with the smallest hash of their id, so that they stay nearly the same when the table grows.
        Null: all. Held-out customers are never left out.
    """

    max_rows: Annotated[int, Field(ge=1000)] | None = None


class Ratio(Section):
    """A feature `numerator / (denominator + 1)`.

    Attributes
    ----------
    numerator : str
        A numeric column.
    denominator : str
        A numeric column.
    """

    numerator: str
    denominator: str


class RfmColumns(Section):
    """The columns of the RFM scores.

    Attributes
    ----------
    recency : str
        Column with days since the last order; few get a high score.
    frequency : str
        Column with the number of orders; many get a high score.
    monetary : str
        Column with the money spent; much gets a high score.
    """

    recency: str
    frequency: str
    monetary: str

    @model_validator(mode="after")
    def _columns_differ(self) -> RfmColumns:
        if len({self.recency, self.frequency, self.monetary}) < 3:
            raise ValueError("recency, frequency and monetary must be three columns")
        return self


class FeaturesParams(Section):
    """Features that are derived from the raw columns.

    Attributes
    ----------
    ratios : tuple of Ratio
        Each adds numerator / (denominator + 1).
    rfm : RfmColumns or None
        Adds scores from 1 to 5, by quintiles, and their sum. Null for none.
    rare_category_share : float
        Categories with a smaller share are grouped, with unseen ones.
    """

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
    """The model family and its scikit-learn hyperparameters.

    Attributes
    ----------
    family : str
        Which of scikit-learn's classifiers.
    seed : int
        Decides every random choice of the model.
    hyperparameters : dict
        Those of scikit-learn for that family.
    """

    family: Family
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    # Scalars, lists and mappings (with text keys, as in JSON); scikit-learn validates them.
    hyperparameters: dict[str, Annotated[Any, AfterValidator(_require_finite)]] = {}


class DecisionParams(Section):
    """How a probability becomes a decision.

    Attributes
    ----------
    strategy : {"fixed", "cost", "f1"}
        How the threshold is chosen: by cost or F1, cross-validated on the training rows, or
        fixed.
    threshold : float
        For fixed: churn is predicted at this probability and above.
    cost_false_negative : float
        Cost of a customer who is lost without an offer.
    cost_false_positive : float
        Cost of an offer to a customer who would have stayed.
    folds : int
        Cross-validation folds, for cost and f1 and for comparing models.
    max_rows : int
        Maximum number of training rows with out-of-fold predictions.
    """

    strategy: Literal["fixed", "cost", "f1"]
    threshold: Unit
    cost_false_negative: Annotated[float, Field(ge=0)]
    cost_false_positive: Annotated[float, Field(ge=0)]
    folds: Annotated[int, Field(ge=2, le=50)]
    max_rows: Annotated[int, Field(ge=50)]


class SlicesParams(Section):
    """The groups of customers with metrics of their own.

    Attributes
    ----------
    numeric : tuple of str
        Columns that are cut into quantile bins of the training rows.
    categorical : tuple of str
        Columns with a slice for each frequent value.
    bins : int
        Quantile bins of a numeric column.
    min_rows : int
        Minimum size; smaller slices get no metrics.
    protected : tuple of str
        Those of these columns whose slices the model shall treat alike: the report shows the gaps
        between them, and `gates.fairness` limits them.
    """

    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    bins: Annotated[int, Field(ge=2, le=20)]
    min_rows: Annotated[int, Field(ge=1)]
    protected: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _protected_are_slices(self) -> SlicesParams:
        for column in self.protected:
            if column not in (*self.numeric, *self.categorical):
                raise ValueError(
                    f"protected: column {column!r} is not among numeric or categorical"
                )
        return self


class ImportanceParams(Section):
    """Permutation importance.

    Attributes
    ----------
    repeats : int
        Shuffles of each column.
    max_rows : int
        Maximum number of held-out rows that are shuffled.
    """

    repeats: Annotated[int, Field(ge=1)]
    max_rows: Annotated[int, Field(ge=50)]


class EvaluationParams(Section):
    """What is evaluated besides the metrics of all customers.

    Attributes
    ----------
    slices : SlicesParams
        Groups of customers with metrics of their own.
    importance : ImportanceParams
        Loss of ROC AUC when a column is shuffled.
    """

    slices: SlicesParams
    importance: ImportanceParams


class Check(Section):
    """One deepchecks check, with its arguments and the conditions that it must meet.

    Attributes
    ----------
    check : str
        Name of a check of deepchecks.
    arguments : dict
        Arguments of its constructor.
    conditions : dict
        Its conditions (add_condition_… without that prefix), each with its arguments or null.
    """

    check: str
    # Each check of deepchecks has others, and refuses what it does not know.
    arguments: dict[str, Any] = {}
    conditions: dict[str, Any] = Field(min_length=1)


class ChecksParams(Section):
    """The deepchecks tests; each listed check must run and pass.

    Attributes
    ----------
    max_rows : int
        Maximum number of customers of both sides together.
    seed : int
        For checks that sample.
    data_integrity : tuple of Check
        Checks of both sides together.
    train_test : tuple of Check
        Checks of the held-out customers against the training rows.
    model : tuple of Check
        Checks of the predictions. Checks of one side get the held-out rows.
    """

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
    """How a candidate is compared with a baseline.

    Attributes
    ----------
    seed : int
        Decides the bootstrap samples.
    resamples : int
        Number of bootstrap samples.
    max_rows : int
        Maximum number of customers that are compared.
    """

    seed: Annotated[int, Field(ge=0, lt=2**32)]
    resamples: Annotated[int, Field(ge=1000, le=100_000)]
    max_rows: Annotated[int, Field(ge=50)]


class GatesParams(Section):
    """Limits that a candidate must keep.

    Attributes
    ----------
    minima : dict of str to float
        Minimum of metrics on the held-out customers.
    margins : dict of str to float
        By how much a candidate may be worse than a baseline. The whole 95 % interval of the
        difference must be within the margin, on all customers, each predicted by a model that was
        not trained on that customer.
    slice_margins : dict of str to float
        By how much a slice may be worse. A candidate is only blocked for a loss that is larger and
        significant among all slices.
    fairness : dict of str to float
        By how much two slices of a protected column may differ: in the share predicted to churn
        (selection_rate), in recall, and in the mean probability minus the share that churned
        (calibration). A candidate is only blocked for a gap that is larger and significant among
        all, or that could not be measured. Empty for no limits.
    undecided : {"block", "ask"}
        If there are too few customers to tell whether a margin is kept: block, or ask, which
        passes with a yellow headline, so that a person decides.
    accept : str or None
        The md5 in data.dvc of the one change whose model may be worse on main's customers, or
        cannot be compared, because its table is another one. It permits nothing in other changes.
    """

    minima: dict[GatedName, Unit]
    margins: dict[MetricName, Margin] = Field(min_length=1)
    slice_margins: dict[MetricName, Margin]
    fairness: dict[FairnessName, Margin] = {}
    undecided: Literal["block", "ask"] = "block"
    accept: Annotated[str, Field(pattern=r"^[0-9a-f]{32}\.dir$")] | None = None


class CanaryParams(Section):
    """A trial in front of customers, between Staging and Production.

    Attributes
    ----------
    share : float
        Part of the customers for whom the new version predicts.
    shadow : bool
        Whether the old version answers them all the same.
    hours : float
        Minimum hours before the new version moves to Production.
    customers : int
        Minimum number of customers for whom it has predicted by then.
    """

    share: Annotated[float, Field(gt=0, le=1)]
    shadow: bool = False
    hours: Annotated[float, Field(ge=0)] = 24
    customers: Annotated[int, Field(ge=1)] = 1000


class ReleaseParams(Section):
    """The registered model, and the limits that it must keep when it is served.

    Attributes
    ----------
    model : str
        Name in the registry (in Unity Catalog: catalog.schema.name).
    stages : bool
        False if the registry has aliases only (Unity Catalog).
    parity_rows : int
        Number of held-out customers for which the served model predicts.
    start_s : float
        Maximum seconds until the served model answers.
    p95_ms : float
        Maximum milliseconds for 95 of 100 single requests.
    canary : CanaryParams or None
        A trial in front of customers before Production; null for none.
    """

    model: Annotated[str, Field(pattern=r"^[\w-]+(\.[\w-]+){0,2}$")]
    stages: bool
    parity_rows: Annotated[int, Field(ge=50, le=10_000)]
    start_s: Annotated[float, Field(gt=0)]
    p95_ms: Annotated[float, Field(gt=0)]
    canary: CanaryParams | None = None


class ServeParams(Section):
    """The server of the deployed model.

    Attributes
    ----------
    poll_s : float
        Seconds between two looks at the registry.
    log : str or None
        Where predictions are logged: a folder, or an address such as s3://bucket/folder. Null for
        no log.
    flush_s : float
        Maximum seconds until a prediction is in the log.
    log_days : int or None
        Number of days that predictions are kept, beside today; null for all.
    log_queue_rows : int
        Maximum number of predictions that wait to be logged; more are dropped and counted.
    redact : tuple of str
        Columns that are not logged.
    max_body_mb : float
        Maximum size of a request, in megabytes.
    max_rows : int
        Maximum number of customers of a request.
    max_explained : int
        Maximum number of customers of a request for reasons.
    max_in_flight : int
        Maximum number of requests that a worker answers at once; others get 503.
    timeout_s : float
        Maximum seconds in which a request must be there, and be answered.
    drain_s : float
        Maximum seconds for the requests that are there when the server is stopped.
    monitor : str or None
        What `churn monitor` has written for Prometheus, which `/metrics` shows too. Null for none.
    """

    poll_s: Annotated[float, Field(gt=0)] = 5
    log: str | None = "served/log"
    flush_s: Annotated[float, Field(gt=0)] = 5
    log_days: Annotated[int, Field(ge=1)] | None = None
    log_queue_rows: Annotated[int, Field(ge=1)] = 100_000
    redact: tuple[str, ...] = ()
    max_body_mb: Annotated[float, Field(gt=0)] = 16
    max_rows: Annotated[int, Field(ge=1)] = 50_000
    max_explained: Annotated[int, Field(ge=1)] = 100
    max_in_flight: Annotated[int, Field(ge=1)] = 256
    timeout_s: Annotated[float, Field(gt=0)] = 30
    drain_s: Annotated[float, Field(gt=0)] = 20
    monitor: str | None = "build/monitor/monitor.prom"


class EffectsParams(Section):
    """Changes that matter; smaller ones are no alarm, however certain.

    Attributes
    ----------
    numeric : float
        Of a numeric column: Wasserstein's distance, in standard deviations of the training rows.
    categorical : float
        Of a categorical column: Jensen and Shannon's distance, in [0, 1].
    missing : float
        Of a column's share of missing values.
    unseen : float
        Share of customers with a category that the training rows did not have, beyond what is
        expected.
    out_of_range : float
        Share of customers with a number below or above all training rows.
    score : float
        Of the predicted probabilities: as for `numeric`, compared with held-out customers.
    predicted : float
        Of the share of customers that are predicted to churn.
    volume : float
        Of the number of answers of a day, as a share of the usual number.
    errors : float
        Share of requests that failed because of the server.
    """

    numeric: Margin = 0.05
    categorical: Margin = 0.05
    missing: Unit = 0.02
    unseen: Unit = 0.01
    out_of_range: Unit = 0.01
    score: Margin = 0.05
    predicted: Unit = 0.03
    volume: Margin = 0.5
    errors: Unit = 0.01


Schedule = Annotated[str, Field(pattern=r"^\S+( \S+){4}$")]


class MonitorParams(Section):
    """How the deployed model is watched.

    Attributes
    ----------
    schedule : str
        When an orchestrator runs `churn monitor`: minute, hour, day of the month, month and day of
        the week, as in cron, in UTC. GitHub's schedule is in monitor.yml.
    log : str or None
        Where the prediction log is; null for `serve.log`.
    labels : str or None
        What became of customers: a file with id and target; a path, or an address such as
        s3://bucket/labels.parquet. Null for none.
    date : str or None
        Column of the labels with the day on which each was known. Null: all are known today.
    false_alarms : float
        Probability of any alarm in a week in which nothing has changed, at most.
    needed : int
        An alarm needs this many days above a limit, the newest day among them,
    of : int
        among this many newest days.
    min_rows : int
        Days with fewer customers are not judged.
    effects : EffectsParams
        Changes that matter. Those of metrics are the margins of `gates.margins`.
    """

    schedule: Schedule = "41 4 * * *"
    log: str | None = None
    labels: str | None = None
    date: str | None = None
    false_alarms: Share = 0.05
    needed: Annotated[int, Field(ge=1)] = 2
    of: Annotated[int, Field(ge=1, le=60)] = 5
    min_rows: Annotated[int, Field(ge=20)] = 50
    effects: EffectsParams = EffectsParams()

    @model_validator(mode="after")
    def _can_be_met(self) -> MonitorParams:
        if self.needed > self.of:
            raise ValueError(f"needed ({self.needed}) is larger than of ({self.of})")
        return self


class SpaceParams(Section):
    """The values of one hyperparameter that a search tries: a range, or a list.

    Attributes
    ----------
    low : int, float or None
        Smallest value. If both ends are whole numbers, so are all values.
    high : int, float or None
        Largest value.
    log : bool
        Whether 1 to 10 is as wide as 10 to 100.
    choices : tuple or None
        The values, instead of a range.
    """

    low: int | float | None = None
    high: int | float | None = None
    log: bool = False
    choices: Annotated[tuple[Scalar, ...], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _is_a_range_or_a_list(self) -> SpaceParams:
        if (self.low is None) != (self.high is None) or (self.low is None) == (
            self.choices is None
        ):
            raise ValueError("give either low and high, or choices")
        if self.low is None or self.high is None:
            if self.log:
                raise ValueError("log is for a range")
        elif not self.low < self.high:
            raise ValueError(f"low ({self.low}) must be smaller than high ({self.high})")
        elif self.log and self.low <= 0:
            raise ValueError("with log, low must be larger than 0")
        return self


class TuneParams(Section):
    """The search for hyperparameters.

    Attributes
    ----------
    trials : int
        Number of candidates that are tried.
    timeout_s : float or None
        Seconds after which no further candidate is tried; null for no limit.
    metric : str
        What is optimised, on the out-of-fold predictions of the training rows.
    folds : int
        Cross-validation folds, by a hash of the id.
    seed : int
        Decides the candidates, and which half of the rows chooses among them.
    space : dict of str to SpaceParams
        Hyperparameters of `model.family`, and their values. The others stay as in `model`.
    """

    trials: Annotated[int, Field(ge=1, le=1000)] = 40
    timeout_s: Annotated[float, Field(gt=0)] | None = None
    metric: MetricName = "log_loss"
    folds: Annotated[int, Field(ge=2, le=50)] = 5
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42
    space: dict[str, SpaceParams] = {}


class RetrainParams(Section):
    """What `churn retrain` does beside training on the newest table.

    Attributes
    ----------
    schedule : str
        When an orchestrator runs `churn retrain`, as `monitor.schedule`. GitHub's schedule is in
        retrain.yml.
    tune : bool
        Whether hyperparameters are searched for first (churn tune).
    """

    schedule: Schedule = "17 5 * * 1"
    tune: bool = False


class BatchParams(Section):
    """The table that is predicted regularly.

    Attributes
    ----------
    schedule : str
        When an orchestrator runs it, as `monitor.schedule`. GitHub's schedule is in batch.yml.
    input : str or None
        A file, a folder, a pattern, or an address of one of these, such as
        s3://bucket/customers. Null: nowhere, and nothing is predicted. ``{date}`` is replaced by
        the day, in UTC, as in s3://bucket/customers/day={date}.
    output : str
        A folder, or its address; with ``{date}`` as well, so that each day has its own.
    bad_rows : {"refuse", "quarantine"}
        Whether a row that cannot be read stops the run, or is written to another file.
    reasons : int
        Number of columns that are named for each prediction, those with most effect on it.
    """

    schedule: Schedule = "11 4 * * *"
    input: str | None = None
    output: str = "scored/{date}"
    bad_rows: Literal["refuse", "quarantine"] = "refuse"
    reasons: Annotated[int, Field(ge=0)] = 0


class CardParams(Section):
    """What the model card says that no result does.

    Attributes
    ----------
    purpose : str
        What the model is for, and who uses it.
    out_of_scope : str
        What it is not for.
    owner : str
        Who answers for it, and how to reach them.
    """

    purpose: str = ""
    out_of_scope: str = ""
    owner: str = ""


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
    train: TrainParams = TrainParams()
    features: FeaturesParams
    model: ModelParams
    decision: DecisionParams
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


def _require_declared(
    key: str, names: Sequence[str], declared_in: str, declared: tuple[str, ...]
) -> None:
    for name in names:
        if name not in declared:
            raise ValueError(
                f"{key}: column {name!r} is not in {declared_in}"
                f" (valid: {', '.join(declared) or 'none'})"
            )


# Overrides are any keys, and any values: they are validated with the rest of the file.
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


def _replace(document: dict[str, Any], keys: list[str], value: Any) -> None:  # not valid yet
    *parents, last = keys
    for depth, key in enumerate(parents):
        document = document.setdefault(key, {})
        if not isinstance(document, dict):
            raise ParamsError(
                f"{'.'.join(keys)}: {'.'.join(parents[: depth + 1])} is a single value"
            )
    document[last] = value
