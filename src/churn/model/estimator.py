"""The scikit-learn pipeline: raw columns in, scores out."""

from __future__ import annotations

import inspect
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils._param_validation import InvalidParameterError

from churn.core.errors import ParamsError
from churn.core.params import DataParams, FeaturesParams, ModelParams
from churn.model.features import DaysBeforeNewest, RatioFeatures, RfmScores
from churn.model.outputs import Output

LAST = "classifier"  # the step's name in stored models, of regressors too
_SCALED = frozenset({"logistic_regression", "ridge"})
# Set elsewhere (`model.seed`, `data.categorical`), or with values that cannot be stored or loaded,
# such as a scorer.
NOT_FOR_USERS = frozenset(
    {"random_state", "warm_start", "verbose", "init", "scoring", "categorical_features"}
)


def build(
    output: Output, data: DataParams, features: FeaturesParams, model: ModelParams
) -> Pipeline:
    """Build the unfitted pipeline.

    Parameters
    ----------
    output : Output
        What it is to answer.
    data : DataParams
        The raw columns.
    features : FeaturesParams
        The features to derive from them.
    model : ModelParams
        Family, seed and hyperparameters.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Takes a DataFrame with the columns `data.inputs` in any order.

    Raises
    ------
    ParamsError
        If the family does not have a hyperparameter, or does not accept its value.
    """
    steps: list[tuple[str, Any]] = [("features", _columns(data, features))]
    if model.family in _SCALED:
        steps.append(("scale", StandardScaler()))
    return Pipeline([*steps, (LAST, _estimator(output, model))])


def forget_machine(pipeline: Pipeline) -> None:
    """Remove from a fitted pipeline what depends on the machine and not on the model.

    hist_gradient_boosting stores the number of threads with which it has binned the training rows,
    and does not use it again; the stored model would depend on the number of cores.
    """
    bin_mapper = getattr(pipeline[LAST], "_bin_mapper", None)
    if bin_mapper is not None:
        bin_mapper.n_threads = 1


def _columns(data: DataParams, features: FeaturesParams) -> ColumnTransformer:
    branches: list[tuple[str, Any, list[str]]] = []
    if data.numeric:
        branches.append(("raw", _impute(), list(data.numeric)))
    if data.dates:
        branches.append(("date", make_pipeline(DaysBeforeNewest(), _impute()), list(data.dates)))
    if features.ratios:
        pairs = [(ratio.numerator, ratio.denominator) for ratio in features.ratios]
        used = list(dict.fromkeys(name for pair in pairs for name in pair))
        branches.append(("ratio", make_pipeline(RatioFeatures(pairs), _impute()), used))
    if features.rfm:
        rfm = features.rfm
        scores = RfmScores(reverse=[rfm.recency])
        columns = [rfm.recency, rfm.frequency, rfm.monetary]
        branches.append(("rfm", make_pipeline(scores, _impute()), columns))
    if data.categorical:
        encoder = make_pipeline(
            SimpleImputer(strategy="constant", fill_value="missing"),
            OneHotEncoder(
                handle_unknown="infrequent_if_exist",
                min_frequency=features.rare_category_share or None,
                sparse_output=False,
            ),
        )
        branches.append(("category", encoder, list(data.categorical)))
    return ColumnTransformer(branches)


def _impute() -> SimpleImputer:
    return SimpleImputer(strategy="median", keep_empty_features=True)


def _estimator(output: Output, model: ModelParams) -> BaseEstimator:
    family = output.estimators[model.family]
    takes = inspect.signature(family).parameters
    valid = sorted(set(takes) - NOT_FOR_USERS)
    for name in model.hyperparameters:
        if name not in valid:
            raise ParamsError(
                f"model.hyperparameters.{name}: {model.family} has none of that name"
                f" (valid: {', '.join(valid)})"
            )
    given = {name: _given(name, value) for name, value in model.hyperparameters.items()}
    estimator = family(random_state=model.seed, **given)
    try:
        estimator._validate_params()
    except InvalidParameterError as error:
        raise ParamsError(f"model.hyperparameters: {error}") from error
    return estimator


def _given(name: str, value: Any) -> Any:
    """Convert a hyperparameter for scikit-learn: in JSON class labels are text, not numbers.

    Mappings other than class_weight need column names, which the estimator does not get.
    """
    if not isinstance(value, dict):
        return value
    if name != "class_weight":
        raise ParamsError(
            f"model.hyperparameters.{name}: takes no mapping; a list goes by the"
            " position of the features in build/model/model.json"
        )
    return {int(key) if key in ("0", "1") else key: weight for key, weight in value.items()}
