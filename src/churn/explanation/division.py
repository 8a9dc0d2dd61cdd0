"""Give the SHAP values of features back to the raw columns that they are computed from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from churn.explanation.sources import parts, steps
from churn.model.artifact import Model
from churn.model.features import RatioFeatures, RfmScores


class Division:
    """Divides the value of each feature among its columns.

    Parameters
    ----------
    model : Model

    Raises
    ------
    ExplanationError
        As `churn.explanation.sources.parts`.

    Notes
    -----
    A feature of one column is its own. How a feature of several columns is divided is a rule,
    except for the RFM sum in logistic regression, which is a sum of its scores and so has an exact
    division: ``weight / standard deviation x (score - mean)`` each. (If training rows lacked a
    score, the mean of the sum is not the sum of the means, and the rest is divided equally.)

    The rule: each column is given how far it pulls the feature from where it is for a customer with
    the training medians; for the sum its score less the median score, for a ratio its Shapley value
    in the game of two players whose worth is the ratio with unknown columns at their medians. The
    feature's value is divided, in proportion, among the columns that pull it the way it went; not
    among all, because pulls that nearly cancel would give huge reasons of opposite signs.
    If columns are missing, the feature is replaced by its median, whatever the others are: then
    it is theirs.
    """

    def __init__(self, model: Model) -> None:
        self._pipeline, self._inputs = model.pipeline, list(model.card.inputs)
        self._parts = parts(model)
        self.n_features, self.n_columns = self._parts.shape

    def of(
        self, inputs: pd.DataFrame, values: np.ndarray, explained: np.ndarray | None = None
    ) -> np.ndarray:
        """Divide the values of customers.

        Parameters
        ----------
        inputs : DataFrame, shape (n_customers, n_columns)
            Converted cells.
        values : ndarray of float64, shape (n_customers, n_features)
        explained : ndarray of int, shape (n_customers,), optional
            Of several classes the position of the one that the values are of.

        Returns
        -------
        ndarray of float64, shape (n_customers, n_columns)
            Each row has the sum that it has in `values`.
        """
        # Not a product of matrices, whose last digits depend on the machine and the number of rows.
        found = np.zeros((len(values), self.n_columns))
        known = dict(self._divided(inputs, values, explained))
        for feature, row in enumerate(self._parts):
            for column in np.flatnonzero(row):
                divided = known.get((feature, int(column)))
                found[:, column] += values[:, feature] * row[column] if divided is None else divided
        return found

    def _divided(
        self, inputs: pd.DataFrame, values: np.ndarray, explained: np.ndarray | None
    ) -> Iterator[tuple[tuple[int, int], np.ndarray]]:
        """Yield feature and column, and what the one gives to the other."""
        end = 0
        for _, branch, columns in self._pipeline["features"].transformers_:
            if isinstance(branch, str):
                continue
            [step, *_] = steps(branch)
            start, end = end, end + len(branch.get_feature_names_out(columns))
            if not isinstance(step, RatioFeatures | RfmScores):
                continue
            numbers = inputs[list(columns)].to_numpy(dtype=np.float64)
            places = [self._inputs.index(name) for name in columns]
            if isinstance(step, RfmScores):
                scores = step.compute(numbers)[:, :-1]
                where = slice(start, end)
                divided = self._of_sum(scores, values[:, end - 1], where, branch, explained)
                for place, part in zip(places, divided.T, strict=True):
                    yield (end - 1, place), part
                continue
            pulls = _pulls(step, numbers, self._medians(columns))
            for feature, (pair, pull) in enumerate(zip(step.pairs_, pulls, strict=True), start):
                shares = _shares(pull, np.isnan(numbers[:, pair]))
                if pair[0] != pair[1]:  # else of one column
                    for place, share in zip(pair, shares.T, strict=True):
                        yield (feature, places[place]), values[:, feature] * share

    def _of_sum(
        self,
        scores: np.ndarray,
        value: np.ndarray,
        where: slice,
        branch: Any,
        explained: np.ndarray | None,
    ) -> np.ndarray:
        """Divide the value of the sum of scores."""
        missing = np.isnan(scores)
        classifier = self._pipeline[-1]
        if not isinstance(classifier, LogisticRegression):
            medians = branch[-1].statistics_[:-1]
            divided: np.ndarray = value[:, None] * _shares(scores - medians, missing)
            return divided
        scale = self._pipeline["scale"]
        weights = classifier.coef_[
            np.zeros(len(value), dtype=int) if explained is None else explained
        ]
        factor = weights[:, where][:, -1:] / scale.scale_[where][-1]
        exact: np.ndarray = factor * (scores - scale.mean_[where][:-1])
        exact += ((value - exact.sum(axis=1)) / exact.shape[1])[:, None]
        lacks = missing.any(axis=1)
        exact[lacks] = value[lacks, None] * _shares(scores[lacks], missing[lacks])
        return exact

    def _medians(self, columns: Sequence[str]) -> np.ndarray:
        """Return the training medians of numeric columns; NaN for one that is not known."""
        known: dict[str, float] = {}
        for name, branch, its in self._pipeline["features"].transformers_:
            if name == "raw":
                known = dict(zip(its, branch.statistics_, strict=True))
        return np.array([known.get(name, np.nan) for name in columns])


def _pulls(step: RatioFeatures, numbers: np.ndarray, medians: np.ndarray) -> Iterator[np.ndarray]:
    """Yield how far numerator and denominator pull each ratio, shape (n_customers, 2)."""
    nothing = np.broadcast_to(medians, numbers.shape)
    both, neither = step.compute(numbers), step.compute(nothing)
    for feature, (above, below) in enumerate(step.pairs_):
        alone = []
        for place in (above, below):
            one = nothing.copy()
            one[:, place] = numbers[:, place]
            alone.append(step.compute(one)[:, feature])
        whole = both[:, feature] - neither[:, feature]
        first = (alone[0] - neither[:, feature] + both[:, feature] - alone[1]) / 2
        yield np.column_stack([first, whole - first])


def _shares(pulls: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Return the columns' shares, 0 to 1, of a feature's value, (n_customers, n_columns).

    In proportion to the pulls in the direction of all together; equal among the missing columns, if
    there are any, and among all, if nothing pulls.
    """
    direction = np.sign(pulls.sum(axis=1, keepdims=True))
    weights = np.where(np.sign(pulls) == direction, np.abs(pulls), 0.0)
    lacks = missing.any(axis=1)
    weights[lacks] = missing[lacks]
    total = weights.sum(axis=1, keepdims=True)
    equal = np.full_like(weights, 1 / weights.shape[1])
    shares: np.ndarray = np.divide(weights, total, out=equal, where=total > 0)
    return shares
