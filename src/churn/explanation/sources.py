"""Which raw columns a model's features come from, and in which parts."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from churn.core.errors import ExplanationError
from churn.model.artifact import Model


def parts(model: Model) -> np.ndarray:
    """Return which raw columns a feature is computed from, as equal parts of 1.

    A feature of one column is the column itself, its score, or one of its one-hot columns; those of
    several are ratios and the sum of scores.

    Parameters
    ----------
    model : Model

    Returns
    -------
    ndarray of float64, shape (n_features, n_columns)
        Each row sums to 1; columns in the order of the card's `inputs`.

    Raises
    ------
    ExplanationError
        If the pipeline has a step that is not known here.
    """
    inputs = model.card.inputs
    rows = []
    for _, branch, columns in model.pipeline["features"].transformers_:
        if isinstance(branch, str):  # "drop", of no column
            continue
        used = np.zeros((len(columns), len(inputs)))
        for place, name in enumerate(columns):
            used[place, inputs.index(name)] = 1.0
        for step in steps(branch):
            used = _sources(step) @ used
        rows.append((used > 0).astype(float))
    found = np.concatenate(rows)
    divided: np.ndarray = found / found.sum(axis=1, keepdims=True)
    return divided


def steps(branch: Any) -> list[Any]:
    """Return the steps of a branch of the features."""
    return [step for _, step in branch.steps] if isinstance(branch, Pipeline) else [branch]


def _sources(step: Any) -> np.ndarray:
    """Return which inputs each output of a fitted step depends on, (n_outputs, n_inputs)."""
    if hasattr(step, "sources"):  # ours
        found: np.ndarray = step.sources()
        return found.astype(float)
    if not isinstance(step, SimpleImputer | OneHotEncoder):
        raise ExplanationError(
            f"no reasons for a model with a {type(step).__name__}, which has no method sources"
        )
    numbered = [f"{i}:" for i in range(step.n_features_in_)]
    if isinstance(step, SimpleImputer):
        names = list(getattr(step, "feature_names_in_", numbered))
        places = [names.index(name) for name in step.get_feature_names_out(names)]
    else:  # 0:_basic, 0:_gold, 1:_…
        named = step.get_feature_names_out(numbered)
        places = [int(str(name).partition(":")[0]) for name in named]
    return np.eye(step.n_features_in_)[places]
