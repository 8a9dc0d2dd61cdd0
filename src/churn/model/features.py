"""Features derived from raw columns, as scikit-learn transformers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

Column = int | str


class _NumericTransformer(TransformerMixin, BaseEstimator):
    """Base of the transformers: numeric input with missing values, columns by name or position."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _numbers(self, X: Any, *, reset: bool) -> np.ndarray:
        if not reset:
            check_is_fitted(self)
        numbers: np.ndarray = validate_data(
            self, X, reset=reset, dtype=np.float64, ensure_all_finite="allow-nan"
        )
        return numbers

    def _names_in(self) -> list[str]:
        places = range(self.n_features_in_)
        return [str(name) for name in getattr(self, "feature_names_in_", [f"x{i}" for i in places])]

    def _places(self, columns: Sequence[Column]) -> list[int]:
        names = self._names_in()
        for column in columns:
            if column not in names and column not in range(len(names)):
                raise ValueError(f"column {column!r} is not among {names}")
        return [names.index(c) if isinstance(c, str) else int(c) for c in columns]


class RatioFeatures(_NumericTransformer):
    """Ratios of pairs of columns: numerator / (denominator + 1).

    The 1 avoids division by a count of zero. If the denominator is -1, or the ratio exceeds the
    largest float32, with which some families compare, it is missing.

    Parameters
    ----------
    pairs : list of (numerator, denominator), default=None
        Columns by name or position. None pairs each column with the next one, the last with
        the first.

    Attributes
    ----------
    pairs_ : ndarray of int, shape (n_pairs, 2)
        Positions of numerators and denominators.

    Examples
    --------
    >>> RatioFeatures(pairs=[(0, 1)]).fit_transform([[10.0, 4.0], [3.0, 0.0]])
    array([[2.],
           [3.]])
    """

    def __init__(self, pairs: Sequence[tuple[Column, Column]] | None = None) -> None:
        self.pairs = pairs

    def fit(self, X: Any, y: Any = None) -> RatioFeatures:
        """Find the columns of the pairs.

        Parameters
        ----------
        X : array-like of float, shape (n_customers, n_columns)
        y : ignored

        Raises
        ------
        ValueError
            If a pair names a column that X does not have.
        """
        self._numbers(X, reset=True)
        n = self.n_features_in_
        pairs = [(i, (i + 1) % n) for i in range(n)] if self.pairs is None else self.pairs
        self.pairs_ = np.array([self._places(pair) for pair in pairs], dtype=int).reshape(-1, 2)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Compute the ratios.

        Parameters
        ----------
        X : array-like of float, shape (n_customers, n_columns)

        Returns
        -------
        ndarray of float64, shape (n_customers, n_pairs)
        """
        return self.compute(self._numbers(X, reset=False))

    def compute(self, numbers: np.ndarray) -> np.ndarray:
        """Compute the ratios of float64 numbers in the order of the columns, without checks."""
        above, below = numbers[:, self.pairs_[:, 0]], numbers[:, self.pairs_[:, 1]] + 1.0
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            ratios: np.ndarray = np.divide(above, below, out=above)
            beyond = np.abs(ratios, out=below) > np.finfo(np.float32).max
        if beyond.any():
            ratios[beyond] = np.nan
        return ratios

    def sources(self) -> np.ndarray:
        """Return which columns each ratio is computed from, bool, shape (n_pairs, n_columns)."""
        found = np.zeros((len(self.pairs_), self.n_features_in_), dtype=bool)
        for pair in self.pairs_.T:
            found[np.arange(len(self.pairs_)), pair] = True
        return found

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return ``numerator/denominator`` for each pair."""
        check_is_fitted(self)
        names = self._names_in()
        return np.array([f"{names[a]}/{names[b]}" for a, b in self.pairs_], dtype=object)


class DaysBeforeNewest(_NumericTransformer):
    """Days before the newest date of the training rows; negative for later dates.

    Attributes
    ----------
    newest_ : ndarray of float64, shape (n_columns,)
        Largest value of each column; NaN where a column has none.

    Examples
    --------
    >>> DaysBeforeNewest().fit([[19000.0], [19100.0]]).transform([[19090.0], [19101.0]])
    array([[10.],
           [-1.]])
    """

    def fit(self, X: Any, y: Any = None) -> DaysBeforeNewest:
        """Find the newest date of each column.

        Parameters
        ----------
        X : array-like of float, shape (n_customers, n_columns)
            Dates in days since any day.
        y : ignored
        """
        # Not nanmax, which warns for a column without values.
        self.newest_ = np.fmax.reduce(self._numbers(X, reset=True), axis=0)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Count days.

        Parameters
        ----------
        X : array-like of float, shape (n_customers, n_columns)

        Returns
        -------
        ndarray of float64, shape (n_customers, n_columns)
        """
        return self.compute(self._numbers(X, reset=False))

    def compute(self, numbers: np.ndarray) -> np.ndarray:
        """Count days of float64 numbers in the order of the columns, without checks."""
        days: np.ndarray = self.newest_ - numbers
        return days

    def sources(self) -> np.ndarray:
        """Return which columns each count is computed from, bool, shape (n_columns, n_columns)."""
        return np.eye(self.n_features_in_, dtype=bool)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return ``days_before_newest_column`` for each column."""
        check_is_fitted(self)
        names = [f"days_before_newest_{name}" for name in self._names_in()]
        return np.array(names, dtype=object)


class RfmScores(_NumericTransformer):
    """Scores from 1 to 5 by the quintiles of the training rows, and their sum.

    A value on an edge gets the score of the values below it. Customers with a missing value get a
    missing score and a missing sum.

    Parameters
    ----------
    reverse : list of columns, default=()
        Columns, by name or position, for which a small value gets a high score (recency).
    n_scores : int, default=5
        Number of scores, at least 2; 5 gives the usual quintiles.

    Attributes
    ----------
    edges_ : ndarray of float64, shape (n_columns, n_scores - 1)
        Inner quantiles of each column.
    reverse_ : ndarray of bool, shape (n_columns,)
        Whether a column is scored in reverse.

    Notes
    -----
    Source: Hughes, A. M. (1994), Strategic Database Marketing, on RFM cells by quintiles.
    """

    def __init__(self, reverse: Sequence[Column] = (), n_scores: int = 5) -> None:
        self.reverse = reverse
        self.n_scores = n_scores

    def fit(self, X: Any, y: Any = None) -> RfmScores:
        """Learn the quantile edges.

        Parameters
        ----------
        X : array-like of float, shape (n_customers, n_columns)
        y : ignored

        Raises
        ------
        ValueError
            If there are fewer than two scores, or `reverse` names a column that X lacks.
        """
        numbers = self._numbers(X, reset=True)
        if self.n_scores < 2:
            raise ValueError(f"n_scores must be at least 2, not {self.n_scores}")
        inner = np.linspace(0, 1, self.n_scores + 1)[1:-1]
        self.edges_ = np.full((numbers.shape[1], len(inner)), np.nan)
        for i, column in enumerate(numbers.T):
            known = column[~np.isnan(column)]
            if len(known):
                self.edges_[i] = np.quantile(known, inner)
        self.reverse_ = np.zeros(numbers.shape[1], dtype=bool)
        self.reverse_[self._places(self.reverse)] = True
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Score each column, and sum the scores.

        Parameters
        ----------
        X : array-like of float, shape (n_customers, n_columns)

        Returns
        -------
        ndarray of float64, shape (n_customers, n_columns + 1)
            A score for each column, then their sum.
        """
        return self.compute(self._numbers(X, reset=False))

    def compute(self, numbers: np.ndarray) -> np.ndarray:
        """Score float64 numbers in the order of the columns, without checks."""
        scores = np.empty((numbers.shape[0], numbers.shape[1] + 1))
        for i, column in enumerate(numbers.T):
            score = 1.0 + np.searchsorted(self.edges_[i], column, side="left")
            score = self.n_scores + 1 - score if self.reverse_[i] else score
            scores[:, i] = np.where(np.isnan(column), np.nan, score)
        scores[:, -1] = scores[:, :-1].sum(axis=1)
        return scores

    def sources(self) -> np.ndarray:
        """Return which columns each score is computed from, bool, (n_columns + 1, n_columns)."""
        n = self.n_features_in_
        return np.vstack([np.eye(n, dtype=bool), np.ones((1, n), dtype=bool)])

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return ``column_score`` for each column, and ``rfm_score`` for the sum."""
        check_is_fitted(self)
        return np.array(
            [*(f"{name}_score" for name in self._names_in()), "rfm_score"], dtype=object
        )
