"""The sections of params.yaml that judge: evaluation, checks, comparison and gates."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from churn.core.params.model import Decision
from churn.core.params.names import FairnessName, GatedName, MetricName, TaskName
from churn.core.params.section import Margin, Section, Seed, Unit


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
            if column not in (valid := (*self.numeric, *self.categorical)):
                raise ValueError(
                    f"protected: column {column!r} is not among numeric or categorical (valid:"
                    f" {', '.join(valid) or 'none'})"
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
        Loss of ROC AUC (of numbers R²) when a column is shuffled.
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
        Maximum number of customers of both sides together; checks of equal rows get all of them.
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
    seed: Seed
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

    seed: Seed
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
        (calibration); of several classes, in those of each class; of numbers, in the mean
        prediction (mean_prediction), the mean absolute error (mae), and the mean of prediction
        minus number (calibration). A candidate is only blocked for a gap that is larger and
        significant among all, or that could not be measured. Empty for no limits.
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


class Limits(Section):
    """The sections of params.yaml that decide whether a candidate passes.

    Attributes
    ----------
    whose : {"main", "own"}
        Whether they are those of the branch to merge into, or the candidate's own.
    """

    whose: Literal["main", "own"]
    task: TaskName = "binary"
    gates: GatesParams
    checks: ChecksParams
    comparison: ComparisonParams
    decision: Decision
    evaluation: EvaluationParams

    def same_as(self, other: Limits) -> bool:
        """Tell whether two are equal, apart from `whose`."""
        return self.model_copy(update={"whose": other.whose}) == other
