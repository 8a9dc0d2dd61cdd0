"""The sections of params.yaml that make the model: features, model, decision and tune."""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from churn.core.params.names import Family, MetricName
from churn.core.params.section import Scalar, Section, Seed, Share, Unit


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
        Which of scikit-learn's models: logistic_regression is for classes, ridge for numbers, and
        the others are for both.
    seed : int
        Decides every random choice of the model.
    hyperparameters : dict
        Those of scikit-learn for that family.
    """

    family: Family
    seed: Seed
    # Scalars, lists and mappings (with text keys, as in JSON); scikit-learn validates them.
    hyperparameters: dict[str, Annotated[Any, AfterValidator(_require_finite)]] = {}


class FoldsParams(Section):
    """Out-of-fold predictions of the training rows, by which a task's decision is chosen.

    Attributes
    ----------
    folds : int
        Cross-validation folds, for the decision and for comparing models.
    max_rows : int
        Maximum number of training rows with out-of-fold predictions.
    """

    # The keys that are limits: main's hold for a change that moves them.
    LIMITS: ClassVar[tuple[str, ...]] = ()

    folds: Annotated[int, Field(ge=2, le=50)]
    max_rows: Annotated[int, Field(ge=50)]


class DecisionParams(FoldsParams):
    """How a probability becomes a decision (task: binary).

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

    LIMITS = ("cost_false_negative", "cost_false_positive")

    strategy: Literal["fixed", "cost", "f1"]
    threshold: Unit
    cost_false_negative: Annotated[float, Field(ge=0)]
    cost_false_positive: Annotated[float, Field(ge=0)]


class RegressionDecision(FoldsParams):
    """The interval around a predicted number, and what an error costs (task: regression).

    Attributes
    ----------
    coverage : float
        Share of the customers whose number is to be within the interval.
    cost_too_low : float
        Cost of each unit by which a prediction is too low.
    cost_too_high : float
        Cost of each unit by which a prediction is too high.
    folds : int
        Cross-validation folds, for the interval and for comparing models.
    max_rows : int
        Maximum number of training rows with out-of-fold predictions.
    """

    LIMITS = ("coverage", "cost_too_low", "cost_too_high")

    coverage: Share = 0.9
    cost_too_low: Annotated[float, Field(ge=0)] = 1.0
    cost_too_high: Annotated[float, Field(ge=0)] = 1.0


class MulticlassDecision(FoldsParams):
    """What an error costs (task: multiclass).

    Attributes
    ----------
    costs : dict of str to float
        Cost of a customer of this class for whom another class is predicted; 1 for a class that is
        not named. The predicted class is that with the lowest expected cost.
    folds : int
        Cross-validation folds, for comparing models.
    max_rows : int
        Maximum number of training rows with out-of-fold predictions.
    """

    LIMITS = ("costs",)

    costs: dict[str, Annotated[float, Field(gt=0)]] = {}


Decision = DecisionParams | RegressionDecision | MulticlassDecision


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
    seed: Seed = 42
    space: dict[str, SpaceParams] = {}
