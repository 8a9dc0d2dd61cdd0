"""What a model says of its own training rows, each said by a fit that has not seen that row."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from churn.core.errors import ArtifactError, DataError
from churn.core.progress import Advance, silent
from churn.data.split import hash_share


def by_customer(said: pd.DataFrame, ids: pd.Series) -> pd.DataFrame:
    """Say which customer each prediction is of; the file itself does not.

    Parameters
    ----------
    said : DataFrame, shape (n_predicted, 2)
        As `predict` gives it.
    ids : Series of str, shape (n_customers,)
        Of the training rows that were predicted, in any order.

    Returns
    -------
    DataFrame, shape (n_predicted, 2)
        The same, with the ids as its index.

    Raises
    ------
    ArtifactError
        If there are more predictions than customers, or a customer is repeated.
    """
    ordered = ids.iloc[np.argsort(places(ids), kind="stable")].iloc[: len(said)]
    if len(ordered) < len(said) or not ordered.is_unique:
        raise ArtifactError("out-of-fold predictions of other training rows; run dvc repro")
    return said.set_index(pd.Index(ordered))


def places(ids: pd.Series) -> np.ndarray:
    """Return where each customer stands among the predictions: in [0, 1), by a hash of the id."""
    return hash_share(ids, "out of fold")


def predict(
    pipeline: Pipeline,
    X: pd.DataFrame,
    y: np.ndarray,
    ids: pd.Series,
    n_folds: int,
    max_rows: int,
    advance: Advance = silent,
) -> pd.DataFrame:
    """Predict each row by a clone of the pipeline that was fitted to the other folds.

    A customer's fold is decided by a hash of the id, and so are the rows that are taken where
    there are too many. Two models of the same customers have the same folds, then, and their
    predictions can be compared customer by customer. They are in an order that only who has the
    ids can tell.

    Parameters
    ----------
    pipeline : Pipeline
        Unfitted.
    X : DataFrame, shape (n_customers, n_columns)
        Training rows.
    y : ndarray of int, shape (n_customers,)
        1 where the customer churned, else 0.
    ids : Series of str, shape (n_customers,)
    n_folds : int
        2 or more.
    max_rows : int
        Rows that are predicted, at most in expectation.
    advance : callable, optional
        Called after each fold.

    Returns
    -------
    DataFrame, shape (n_predicted, 2)
        ``probability``, in [0, 1], and ``fold``, in the order of `places`; its index is the rows'
        position.

    Raises
    ------
    DataError
        If all customers of a kind are in one fold, so that a fit would not see that kind.
    """
    place = places(ids)
    order = np.argsort(place, kind="stable")
    taken = order[place[order] < max_rows / len(y)]
    fold = (hash_share(ids, "fold") * n_folds).astype(int)[taken]
    for number in range(n_folds):
        if len(np.unique(y[taken][fold != number])) < 2:
            raise DataError("too few customers of one kind to cross-validate a model")
    probability = np.empty(len(taken))
    for number in range(n_folds):
        # In the order of the table, in which a fit may depend on it, as the model's own does.
        seen, unseen = np.sort(taken[fold != number]), taken[fold == number]
        if len(unseen):
            fitted = clone(pipeline).fit(X.iloc[seen], y[seen])
            probability[fold == number] = fitted.predict_proba(X.iloc[unseen])[:, 1]
        advance(f"fold {number + 1}")
    return pd.DataFrame({"probability": probability, "fold": fold}, index=taken)
