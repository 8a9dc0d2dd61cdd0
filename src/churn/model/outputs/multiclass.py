"""Which of several classes: a probability for each, and the class with the lowest expected cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from churn.core.params import Decision, MulticlassDecision
from churn.data import targets
from churn.model.outputs.binary import Binary
from churn.model.outputs.output import Output
from churn.model.rule import Named, Rule


@dataclass(frozen=True)
class Multiclass(Output):
    """The probability of each class; the rule is what it costs to miss each.

    Parameters
    ----------
    classes : tuple of str
        The values of the target; a label is a position in it.
    """

    classes: tuple[str, ...]
    task = "multiclass"
    estimators = Binary.estimators

    @property
    def scored(self) -> tuple[str, ...]:
        return tuple(f"probability_{name}" for name in self.classes)

    @property
    def answered(self) -> dict[str, type]:
        return {"prediction": str, **dict.fromkeys(self.scored, float)}

    def problem(self, y: np.ndarray) -> str | None:
        return targets.problem(y, self.classes)

    def score(self, pipeline: Pipeline, X: pd.DataFrame) -> np.ndarray:
        return np.asarray(pipeline.predict_proba(X), dtype=np.float64)

    def choose(self, y: np.ndarray, scores: np.ndarray, decision: MulticlassDecision) -> Rule:
        return tuple(decision.costs.get(name, 1.0) for name in self.classes)

    def fallback(self, decision: Decision) -> Rule:
        assert isinstance(decision, MulticlassDecision)
        return self.choose(np.empty(0), np.empty(0), decision)

    def decided(self, scores: np.ndarray, rule: Rule) -> np.ndarray:
        """Return the classes of lowest expected cost, as positions; the first of equals."""
        # Whoever predicts j pays for each other class: the sum of all minus that of j.
        decided: np.ndarray = np.argmax(scores * np.asarray(rule), axis=1)
        return decided

    def answer(self, scores: np.ndarray, rule: Rule) -> dict[str, np.ndarray]:
        names = np.array(self.classes, dtype=object)
        return {"prediction": names[self.decided(scores, rule)], **self.columns(scores)}

    def learned(self, rule: Rule) -> Named:
        assert isinstance(rule, tuple)
        return {"costs": rule}
