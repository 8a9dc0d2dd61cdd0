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
    """Return by which parts a feature's SHAP value is given back to the raw columns.

    A feature of one column (the column itself, its score, its one-hot columns) is given back to it
    whole. A feature of several columns (a ratio, the sum of scores) is divided equally among them.

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

    Notes
    -----
    A ratio can be computed only if both of its columns are known. In a game that pays only if all
    of some players take part, Shapley's value is equal for each of these players and zero for the
    others (Shapley, L. S. (1953), A value for n-person games, on carrier and symmetry). Every row
    sums to 1, so the sum over the columns is the sum over the features.
    """
    inputs = model.card.inputs
    rows = []
    for _, branch, columns in model.pipeline["features"].transformers_:
        if isinstance(branch, str):  # "drop", of no column
            continue
        used = np.zeros((len(columns), len(inputs)))
        for place, name in enumerate(columns):
            used[place, inputs.index(name)] = 1.0
        for step in _steps(branch):
            used = _sources(step) @ used
        rows.append((used > 0).astype(float))
    found = np.concatenate(rows)
    divided: np.ndarray = found / found.sum(axis=1, keepdims=True)
    return divided


def _steps(branch: Any) -> list[Any]:
    return [step for _, step in branch.steps] if isinstance(branch, Pipeline) else [branch]


def _sources(step: Any) -> np.ndarray:
    """Return which inputs each output of a fitted step depends on, (n_outputs, n_inputs)."""
    if hasattr(step, "sources"):  # ours
        found: np.ndarray = step.sources()
        return found.astype(float)
    if not isinstance(step, SimpleImputer | OneHotEncoder):
        raise ExplanationError(f"no reasons for a model with a {type(step).__name__}")
    numbered = [f"{i}:" for i in range(step.n_features_in_)]
    if isinstance(step, SimpleImputer):
        names = list(getattr(step, "feature_names_in_", numbered))
        places = [names.index(name) for name in step.get_feature_names_out(names)]
    else:  # 0:_basic, 0:_gold, 1:_…
        named = step.get_feature_names_out(numbered)
        places = [int(str(name).partition(":")[0]) for name in named]
    return np.eye(step.n_features_in_)[places]
