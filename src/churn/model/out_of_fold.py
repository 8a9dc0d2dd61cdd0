"""Out-of-fold predictions: each training row is predicted by a fit that has not seen it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from churn.core.errors import ArtifactError, DataError
from churn.core.progress import Advance, silent
from churn.data.split import hash_share
from churn.model.outputs import Output


def by_customer(predictions: pd.DataFrame, ids: pd.Series) -> pd.DataFrame:
    """Add the customer ids to predictions that are stored without them.

    Parameters
    ----------
    predictions : DataFrame, shape (n_predicted, n_scores + 1)
        As `predict` returns them.
    ids : Series of str, shape (n_customers,)
        Ids of the training rows, in any order.

    Returns
    -------
    DataFrame, shape (n_predicted, n_scores + 1)
        The predictions with the ids as index.

    Raises
    ------
    ArtifactError
        If there are more predictions than customers, or an id is repeated.
    """
    ordered = ids.iloc[np.argsort(places(ids), kind="stable")].iloc[: len(predictions)]
    if len(ordered) < len(predictions) or not ordered.is_unique:
        raise ArtifactError("out-of-fold predictions of other training rows; run dvc repro")
    return predictions.set_index(pd.Index(ordered))


def places(ids: pd.Series) -> np.ndarray:
    """Return a number in [0, 1) for each customer, by which the predictions are sorted."""
    return hash_share(ids, "out of fold")


def predict(
    output: Output,
    pipeline: Pipeline,
    X: pd.DataFrame,
    y: np.ndarray,
    ids: pd.Series,
    n_folds: int,
    max_rows: int,
    advance: Advance = silent,
) -> pd.DataFrame:
    """Predict each row with a clone of the pipeline that was fitted to the other folds.

    Parameters are those of `by_fold`.

    Parameters
    ----------
    advance : callable, optional
        Called after each fold.

    Returns
    -------
    DataFrame, shape (n_predicted, n_scores + 1)
        The scores by `output.scored`, and ``fold``, in the order of `places`; the index is the
        position of the row.

    Raises
    ------
    DataError
        If one fold has all customers of a class, so that a fit would not see that class.
    """
    parts = []
    for number, part in enumerate(by_fold(output, pipeline, X, y, ids, n_folds, max_rows), 1):
        parts.append(part)
        advance(f"fold {number}")
    found = pd.concat(parts)
    return found.iloc[np.argsort(places(ids)[found.index], kind="stable")]


def by_fold(
    output: Output,
    pipeline: Pipeline,
    X: pd.DataFrame,
    y: np.ndarray,
    ids: pd.Series,
    n_folds: int,
    max_rows: int,
) -> Iterator[pd.DataFrame]:
    """Predict fold after fold, as `predict` does, for a caller who may stop in between.

    A hash of the id decides a customer's fold, and which rows are predicted if there are too many.
    So two models of the same customers have the same folds, and their predictions can be compared
    customer by customer. The order of the predictions reveals nothing without the ids.

    Parameters
    ----------
    output : Output
    pipeline : Pipeline
        Unfitted.
    X : DataFrame, shape (n_customers, n_columns)
        Training rows.
    y : ndarray, shape (n_customers,)
        Labels.
    ids : Series of str, shape (n_customers,)
    n_folds : int
        2 or more.
    max_rows : int
        Maximum of the expected number of predicted rows.

    Yields
    ------
    DataFrame, shape (n_in_fold, n_scores + 1)
        As `predict` returns them, of the rows of one fold.

    Raises
    ------
    DataError
        If one fold has all customers of a class, so that a fit would not see that class.
    """
    place = places(ids)
    order = np.argsort(place, kind="stable")
    chosen = order[place[order] < max_rows / len(y)]
    fold = (hash_share(ids, "fold") * n_folds).astype(int)[chosen]
    for number in range(n_folds):
        if problem := output.problem(y[chosen][fold != number]):
            raise DataError(f"too few customers to cross-validate: without one fold, {problem}")
    for number in range(n_folds):
        # In the order of the table, as for the model itself: a fit may depend on the order.
        seen, unseen = np.sort(chosen[fold != number]), chosen[fold == number]
        scores = np.empty((0, len(output.scored)))
        if len(unseen):
            fitted = clone(pipeline).fit(X.iloc[seen], y[seen])
            scores = output.score(fitted, X.iloc[unseen])
        yield pd.DataFrame({**output.columns(scores), "fold": number}, index=unseen)
