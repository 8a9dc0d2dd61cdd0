"""What a model goes by as a whole: the mean size of the reasons by column, and their direction."""

from __future__ import annotations

import numpy as np
import pandas as pd

from churn.core.rounding import decimals
from churn.explanation.values import Explained, Explainer
from churn.model.artifact import Model

# Enough for a mean by column within a few percent.
MAX_ROWS = 500
# The time grows with rows x leaves, and a leaf of a deep tree takes about a microsecond: seconds.
MAX_LEAVES = 5_000_000
MIN_ROWS = 50
_CLEAR = 0.5  # rank correlation from which on a direction is named


def overall(model: Model, rows: pd.DataFrame, seed: int) -> list[dict[str, float | int | str]]:
    """Explain customers, and summarise the reasons by column.

    Parameters
    ----------
    model : Model
    rows : DataFrame, shape (n_customers, n_columns)
        Held-out rows; of more than 500, as many are drawn, and fewer of a model with many leaves:
        at most 5 million rows x leaves, but no fewer than 50 rows.
    seed : int
        Decides which.

    Returns
    -------
    list of dict
        ``column``; ``effect``, the mean of the absolute SHAP values, 0 or more; ``direction``, see
        `direction`; ``unit``, that of the effect; and ``customers``, how many were explained.
        Largest effect first.

    Raises
    ------
    ExplanationError
        As for `churn.explanation.values.Explainer`.
    """
    explainer = Explainer(model)
    most = min(MAX_ROWS, max(MIN_ROWS, MAX_LEAVES // explainer.leaves))
    if len(rows) > most:
        chosen = np.random.default_rng(seed).permutation(len(rows))[:most]
        rows = rows.iloc[np.sort(chosen)]
    inputs = model.inputs(rows)
    return summary(explainer.explain(inputs), inputs)


def summary(found: Explained, inputs: pd.DataFrame) -> list[dict[str, float | int | str]]:
    """Summarise reasons by column, as `overall` returns them."""
    rounded = decimals if found.unit == "number" else round  # of the target's unit
    results: list[dict[str, float | int | str]] = [
        {
            "column": str(name),
            "effect": rounded(float(np.abs(values).mean()), 6),
            "direction": direction(inputs[name], values),
            "unit": found.unit,
            "customers": len(inputs),
        }
        for name, values in zip(inputs.columns, found.values.T, strict=True)
    ]
    return sorted(results, key=lambda result: -float(result["effect"]))


def direction(cells: pd.Series, values: np.ndarray) -> str:
    """Say which way a column works.

    Parameters
    ----------
    cells : Series
        The column's numbers, dates in days, or categories.
    values : ndarray of float, shape (n_customers,)
        Its reasons.

    Returns
    -------
    str
        ``"raises"`` if larger numbers raise the prediction (Spearman's correlation of numbers and
        reasons is 0.5 or more), ``"lowers"`` if it is -0.5 or less, else ``"both ways"``; ``"by
        category"`` for categories, and ``"none"`` for a column without effect.
    """
    if not values.any():
        return "none"
    if not pd.api.types.is_numeric_dtype(cells):
        return "by category"
    ranks = pd.DataFrame({"cells": cells.to_numpy(), "values": values}).dropna().rank()
    if (ranks.nunique() < 2).any():
        return "both ways"
    correlation = float(np.corrcoef(ranks["cells"], ranks["values"])[0, 1])
    if abs(correlation) < _CLEAR:
        return "both ways"
    return "raises" if correlation > 0 else "lowers"
