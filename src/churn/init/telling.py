"""Find columns that tell the target: copies of it, or what is only known afterwards."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from churn.init.columns import Column

COPY, SUSPICIOUS = 0.999, 0.97  # ROC AUC of one column alone
_FEW = 50  # different values, each of which may have its own share of churned customers


def auc_alone(column: Column, y: np.ndarray) -> float:
    """Return how well one column alone ranks the customers of the table.

    Parameters
    ----------
    column : Column
    y : ndarray of bool, shape (n_rows,)
        True where the customer churned.

    Returns
    -------
    float
        ROC AUC in [0.5, 1], of the best of: whether it is missing, its order, and, if it has few
        values, the share of churned customers of each.
    """
    scores = [column.values.isna().to_numpy().astype(float)]
    if column.distinct <= min(_FEW, len(y) // 20):
        known = column.values.astype("str").fillna("(missing)")
        scores.append(pd.Series(y, known.index).groupby(known).transform("mean").to_numpy())
    if column.kind != "categorical":
        numbers = column.values.astype("int64" if column.kind == "dates" else "float64")
        filled = numbers.where(column.values.notna(), numbers.min() - 1)
        scores.append(filled.to_numpy(dtype=float))
    found = (float(roc_auc_score(y, score)) for score in scores)
    return max(max(area, 1 - area) for area in found)
