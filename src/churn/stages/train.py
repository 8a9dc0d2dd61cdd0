"""Stage `train`: fit the pipeline, predict out of fold, and choose the output's rule."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from churn.core import params
from churn.core.errors import ArtifactError, DataError, ParamsError
from churn.core.files import atomic, read_parquet, write_parquet
from churn.core.params import DataParams, Decision, DecisionParams, Params, RegressionDecision
from churn.core.paths import Workspace
from churn.core.progress import Advance, bar, silent
from churn.data import split, targets
from churn.data.dates import with_days
from churn.model import artifact, estimator, out_of_fold, outputs, threads
from churn.model.artifact import Model
from churn.model.card import ModelCard
from churn.model.outputs import Output


class Fitted(NamedTuple):
    """A model, and the out-of-fold predictions of the training rows.

    Attributes
    ----------
    model : Model
    out_of_fold : DataFrame
        See `churn.model.out_of_fold.predict`; empty if there are too few customers for folds.
    """

    model: Model
    out_of_fold: pd.DataFrame


def run(workspace: Workspace) -> None:
    """Fit a model on the training rows and write it.

    Raises
    ------
    ParamsError, ArtifactError
        If params.yaml is invalid, or `prepare` has not run; then nothing is written.
    """
    write(workspace, params.load(workspace.params))


def write(workspace: Workspace, settings: Params) -> None:
    """Fit a model with given parameters and write it to the workspace.

    Raises
    ------
    ParamsError
        If scikit-learn rejects the parameters, or a model with them cannot be stored.
    ArtifactError
        If `prepare` has not run.
    """
    train = read_parquet(workspace.split("train"), "prepare")
    with bar("training", 1 + settings.decision.folds) as advance:
        fitted = fit(train, settings, advance)
    try:
        with atomic(workspace.model) as fresh:
            artifact.save(fitted.model, fresh)
    except ArtifactError as error:
        chosen = settings.model
        given = ", ".join(f"{name}: {value}" for name, value in chosen.hyperparameters.items())
        raise ParamsError(
            f"model.hyperparameters: {chosen.family} with {given or 'none set'} {error}; choose"
            " others, or add a class of your own to TRUSTED_TYPES"
        ) from error
    write_parquet(workspace.out_of_fold, fitted.out_of_fold)


def fit(train: pd.DataFrame, settings: Params, advance: Advance = silent) -> Fitted:
    """Fit the pipeline on all training rows, cross-validate it, and choose the output's rule.

    Parameters
    ----------
    train : DataFrame, shape (n_customers, n_columns)
        As `prepare` writes it.
    settings : Params
    advance : callable, optional
        Called after the fit and after each cross-validation fold.

    Returns
    -------
    Fitted

    Raises
    ------
    ArtifactError
        If a column is missing.
    ParamsError
        If scikit-learn rejects the parameters for these rows.
    DataError
        If the rule is to be chosen and one class has too few customers.
    """
    data, decision = settings.data, settings.decision
    output = outputs.of(settings.task, data.classes)
    pipeline = estimator.build(output, data, settings.features, settings.model)
    X, y = inputs_and_labels(train, data)
    try:
        with threads.limited(len(X)):
            predictions = _out_of_fold(output, pipeline, X, y, train[data.id], decision, advance)
            pipeline.fit(X, y)
    except (ValueError, TypeError, OverflowError) as error:
        # From scikit-learn, for parameters that are incompatible with each other or with the rows.
        what = str(error).strip().splitlines()[0]
        raise ParamsError(f"model: {settings.model.family} fails: {what}") from error
    estimator.forget_machine(pipeline)
    advance("all training rows")
    rule = output.fallback(decision)
    if rule is None:
        rule = output.choose(y[predictions.index], output.scores(predictions), decision)
    card = ModelCard(
        task=settings.task,
        family=settings.model.family,
        **output.learned(rule),
        strategy=decision.strategy if isinstance(decision, DecisionParams) else None,
        coverage=decision.coverage if isinstance(decision, RegressionDecision) else None,
        classes=data.classes,
        id=data.id,
        target=data.target,
        numeric=data.numeric,
        dates=data.dates,
        categorical=data.categorical,
        features=tuple(pipeline["features"].get_feature_names_out()),
        test_share=settings.split.test_share,
        salt=settings.split.salt,
        held_out_below=_least_hash(data, y, train[data.id], settings.split.salt),
        train_max_rows=split.sample_size(len(train), settings.train.max_rows),
        missing=data.missing,
        csv=data.csv,
    )
    return Fitted(Model(pipeline, card), predictions)


def inputs_and_labels(train: pd.DataFrame, data: DataParams) -> tuple[pd.DataFrame, np.ndarray]:
    """Return what a pipeline is fitted to: the model's columns, and the labels.

    Raises
    ------
    ArtifactError
        If a column is missing.
    """
    for name in (*data.inputs, data.target):
        if name not in train:
            raise ArtifactError(f"the training rows lack the column {name!r}; run `churn prepare`")
    return with_days(train[list(data.inputs)], data.dates), train[data.target].to_numpy()


def _least_hash(data: DataParams, y: np.ndarray, ids: pd.Series, salt: str) -> float | None:
    """Return the hash below which every customer is held out; None if `split.test_share` is it."""
    if targets.strata(y, data) is None:
        return None
    return float(split.hash_share(ids, salt).min())


def _out_of_fold(
    output: Output,
    pipeline: Pipeline,
    X: pd.DataFrame,
    y: np.ndarray,
    ids: pd.Series,
    decision: Decision,
    advance: Advance,
) -> pd.DataFrame:
    try:
        return out_of_fold.predict(
            output, pipeline, X, y, ids, decision.folds, decision.max_rows, advance
        )
    except DataError as error:
        if output.fallback(decision) is not None:
            nothing = output.columns(np.empty((0, len(output.scored))))
            return pd.DataFrame({**nothing, "fold": np.empty(0, dtype=int)})
        if not isinstance(decision, DecisionParams):
            raise
        raise DataError(f"{error}; set decision.strategy to fixed in params.yaml") from error
