"""What a model says of its own training rows, each said by a fit that has not seen that row."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from churn.data.split import hash_share
from churn.errors import DataError
from churn.progress import Advance, silent


def places(ids: pd.Series) -> np.ndarray:
    """Return by what a customer is found again in another model's out-of-fold predictions.

    Parameters
    ----------
    ids : Series of str, shape (n_customers,)

    Returns
    -------
    ndarray of float64, shape (n_customers,)
        The `hash_share` of each id, in [0, 1): it does not say who a customer is.
    """
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
    predictions can be compared customer by customer.

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
        ``place`` (see `places`) and ``probability``, in [0, 1]; its index is the rows' position.

    Raises
    ------
    DataError
        If all customers of a kind are in one fold, so that a fit would not see that kind.
    """
    place = places(ids)
    taken = np.flatnonzero(place < max_rows / len(y))
    fold = (hash_share(ids, "fold") * n_folds).astype(int)[taken]
    for number in range(n_folds):
        if len(np.unique(y[taken][fold != number])) < 2:
            raise DataError("too few customers of one kind to cross-validate a model")
    probability = np.empty(len(taken))
    for number in range(n_folds):
        seen, unseen = taken[fold != number], taken[fold == number]
        if len(unseen):
            fitted = clone(pipeline).fit(X.iloc[seen], y[seen])
            probability[fold == number] = fitted.predict_proba(X.iloc[unseen])[:, 1]
        advance(f"fold {number + 1}")
    return pd.DataFrame({"place": place[taken], "probability": probability}, index=taken)
