"""What the outputs of all tasks have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from churn.core.params import Decision, Family, TaskName
from churn.data import targets
from churn.model.rule import Named, Rule


class Output(ABC):
    """From a pipeline to scores, and from scores to an answer.

    Scores are what a comparison of two models needs: float64 of shape (n_customers,), or
    (n_customers, n_classes) for several classes.

    Attributes
    ----------
    task : {"binary", "regression", "multiclass"}
    estimators : mapping of str to class
        scikit-learn's classes by family.
    scored : tuple of str
        Names of the scores' columns in a table.
    answered : mapping of str to type
        Columns of an answer, with float, int or str.
    """

    task: ClassVar[TaskName]
    estimators: ClassVar[Mapping[Family, type[Any]]]

    @property
    @abstractmethod
    def scored(self) -> tuple[str, ...]: ...

    @property
    @abstractmethod
    def answered(self) -> dict[str, type]: ...

    def problem(self, y: np.ndarray) -> str | None:
        """Say why no model can be trained or measured on these customers; None if one can."""
        return targets.problem(y)

    @abstractmethod
    def score(self, pipeline: Pipeline, X: pd.DataFrame) -> np.ndarray:
        """Return the scores of a fitted pipeline, float64."""

    @abstractmethod
    def choose(self, y: np.ndarray, scores: np.ndarray, decision: Any) -> Rule:
        """Choose the rule by the scores of customers that the model had not seen.

        Parameters
        ----------
        y : ndarray, shape (n_customers,)
        scores : ndarray
        decision : Decision
            The task's.
        """

    def fallback(self, decision: Decision) -> Rule | None:
        """Return the rule that needs no scores; None if there is none."""
        return None

    @abstractmethod
    def decided(self, scores: np.ndarray, rule: Rule) -> np.ndarray:
        """Return what is predicted, as the labels are: 0 or 1, a number, a class's position."""

    @abstractmethod
    def answer(self, scores: np.ndarray, rule: Rule) -> dict[str, np.ndarray]:
        """Return the answer: an array for each column of `answered`."""

    @abstractmethod
    def learned(self, rule: Rule) -> Named:
        """Return the rule under its name, as model.json and metrics.json hold it."""

    def size(self, scores: np.ndarray) -> float:
        """Return the largest score, which rounding is relative to; 1 of probabilities."""
        return 1.0

    def agree(self, some: pd.DataFrame, others: pd.DataFrame, rounding: float) -> bool:
        """Tell whether two tables have the same scores but for rounding.

        Parameters
        ----------
        some, others : DataFrame
            With the columns of `scored`.
        rounding : float
            The difference that is none, relative to a score and to the largest of `others`.
        """
        its, theirs = self.scores(some), self.scores(others)
        least = rounding * self.size(theirs)
        return its.shape == theirs.shape and np.allclose(its, theirs, rtol=rounding, atol=least)

    def columns(self, scores: np.ndarray) -> dict[str, np.ndarray]:
        """Return the scores by the names of their columns."""
        parts = np.atleast_2d(scores.T)
        return dict(zip(self.scored, parts, strict=True))

    def scores(self, table: pd.DataFrame) -> np.ndarray:
        """Return the scores that are in a table under the names of their columns."""
        found = table[list(self.scored)].to_numpy(dtype=np.float64)
        return found[:, 0] if len(self.scored) == 1 else np.ascontiguousarray(found)
