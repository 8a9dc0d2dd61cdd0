"""Stage `train`: fit the pipeline and choose the decision threshold."""

from __future__ import annotations

import pandas as pd

from churn import params
from churn.errors import ArtifactError, ParamsError
from churn.files import atomic, read_parquet
from churn.model import artifact, estimator, threshold
from churn.model.artifact import Model, ModelCard
from churn.params import Params
from churn.paths import Workspace
from churn.progress import Advance, bar, silent


def run(workspace: Workspace) -> None:
    """Fit a model on the training rows and write it.

    Raises
    ------
    ParamsError, ArtifactError
        If params.yaml cannot be used, or `prepare` has not run; nothing is written then.
    """
    write(workspace, params.load(workspace.params))


def write(workspace: Workspace, settings: Params) -> None:
    """Fit a model with given parameters and write it to the workspace.

    Raises
    ------
    ParamsError
        If scikit-learn refuses the parameters, or a model with them cannot be stored.
    ArtifactError
        If `prepare` has not run.
    """
    train = read_parquet(workspace.split("train"), "prepare")
    folds = 0 if settings.decision.strategy == "fixed" else settings.decision.folds
    with bar("training", 1 + folds) as advance:
        model = fit(train, settings, advance)
    try:
        with atomic(workspace.model) as fresh:
            artifact.save(model, fresh)
    except ArtifactError as error:
        chosen = settings.model
        given = ", ".join(f"{name}: {value}" for name, value in chosen.hyperparameters.items())
        raise ParamsError(
            f"model.hyperparameters: {chosen.family} with {given or 'none set'} {error}; choose"
            " others, or see TRUSTED_TYPES where it holds a class of yours"
        ) from error


def fit(train: pd.DataFrame, settings: Params, advance: Advance = silent) -> Model:
    """Fit the pipeline on all training rows, and choose the threshold.

    Parameters
    ----------
    train : DataFrame, shape (n_customers, n_columns)
        As `prepare` writes it.
    settings : Params
    advance : callable, optional
        Called after the fit and after each cross-validation fold.

    Returns
    -------
    Model
    """
    data, decision = settings.data, settings.decision
    pipeline = estimator.build(data, settings.features, settings.model)
    for name in (*data.features, data.target):
        if name not in train:
            raise ArtifactError(f"the training rows lack the column {name!r}; run `churn prepare`")
    X, y = train[list(data.features)], train[data.target].to_numpy()
    cut = decision.threshold
    try:
        if decision.strategy != "fixed":
            cut = threshold.cross_validated(pipeline, X, y, decision, settings.model.seed, advance)
        pipeline.fit(X, y)
    except (ValueError, TypeError, OverflowError) as error:
        # scikit-learn, of values that do not go together
        what = str(error).strip().splitlines()[0]
        raise ParamsError(f"model: {settings.model.family} refuses: {what}") from error
    estimator.forget_machine(pipeline)
    advance("all training rows")
    card = ModelCard(
        family=settings.model.family,
        threshold=cut,
        strategy=decision.strategy,
        id=data.id,
        target=data.target,
        numeric=data.numeric,
        categorical=data.categorical,
        features=tuple(pipeline["features"].get_feature_names_out()),
        test_share=settings.split.test_share,
        salt=settings.split.salt,
    )
    return Model(pipeline, card)
