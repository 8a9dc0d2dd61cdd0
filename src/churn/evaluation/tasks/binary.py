"""Which of two classes: metrics of a probability, and of the decisions at a threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from churn.core.params import DecisionParams, MetricName
from churn.evaluation import curves, estimated, fairness, metrics, sensitivity
from churn.evaluation.curves import Points
from churn.evaluation.estimated import Estimated
from churn.evaluation.fairness import Measure
from churn.evaluation.held_out import Basis, NamedBasis, ScoreCounts, score_places
from churn.evaluation.metric_names import AT_THRESHOLD
from churn.evaluation.tasks.contrast import (
    LARGEST_LOG_LOSS,
    LEAST_PROBABILITY,
    Contrast,
    Contrasts,
    Row,
    Scale,
    Summary,
    in_percent,
)
from churn.evaluation.tasks.task import Measured, Scored, Task
from churn.evaluation.weighted import Weighted, WeightedMetrics
from churn.model import outputs
from churn.model.outputs import Output, Rule

_BINS = 500  # of the probability


@dataclass(frozen=True)
class Binary(Task):
    """The probability of the positive class.

    Parameters
    ----------
    decision : DecisionParams
        The costs.
    """

    decision: DecisionParams
    assumption = (
        "They assume that customers with the same columns churn as often as the held-out ones did:"
        " a change of who the customers are is seen, a change of why they leave is not."
    )
    at_rule = AT_THRESHOLD
    optional = frozenset({"precision"})  # of a model that predicts churn for nobody
    quality = "roc_auc"

    @property
    def output(self) -> Output:
        return outputs.of("binary")

    def measure(self, y: np.ndarray, scored: Scored) -> Measured:
        return Measured.of(metrics.results(y, scored.scores, _threshold(scored), self.decision))

    def weighted(self, y: np.ndarray, scored: Scored) -> Weighted:
        return WeightedMetrics(y, scored.scores, _threshold(scored), self.decision)

    def held_out(self, y: np.ndarray, scored: Scored) -> NamedBasis:
        threshold, inner = _threshold(scored), np.linspace(0, 1, _BINS + 1)[1:-1]
        edges = np.unique([*inner, *([threshold] if 0 < threshold < 1 else [])])
        places = score_places(edges, scored.scores)
        churned, stayed = (
            np.bincount(places[y == label], minlength=len(edges) + 1).tolist() for label in (1, 0)
        )
        return {"scores": ScoreCounts(edges=edges.tolist(), churned=churned, stayed=stayed)}

    def estimate(
        self, basis: Basis, window: np.ndarray, rule: Rule, rng: np.random.Generator
    ) -> dict[str, Estimated]:
        assert isinstance(basis, ScoreCounts)
        return estimated.estimate(
            lambda y, p: self.weighted(y, Scored(p, rule)), basis, window, rng
        )

    def n_rarest(self, y: np.ndarray) -> int:
        return int(min(y.sum(), len(y) - y.sum()))

    def rival(
        self, y: np.ndarray, scores: np.ndarray, correlation: float, rng: np.random.Generator
    ) -> np.ndarray:
        return sensitivity.rival(y, scores, correlation, rng)

    def goodness(self, y: np.ndarray, scores: np.ndarray) -> float:
        return float(roc_auc_score(y, scores))

    def of_labels(self, y: np.ndarray) -> dict[str, int | float]:
        return {"churned": int(y.sum())}

    def treatment(self, y: np.ndarray, scored: Scored) -> list[Measure]:
        decided = self.output.decided(scored.scores, scored.rule) == 1
        return fairness.of_class(y == 1, decided, scored.scores)

    def plots(self, y: np.ndarray, scored: Scored) -> dict[str, Points]:
        return self.compared(y, scored) | {
            "confusion": curves.confusion(y, scored.scores, _threshold(scored)),
            "score_histogram": curves.score_histogram(y, scored.scores),
        }

    def compared(self, y: np.ndarray, scored: Scored) -> dict[str, Points]:
        return {
            "roc": curves.roc(y, scored.scores),
            "precision_recall": curves.precision_recall(y, scored.scores),
            "calibration": curves.calibration(y, scored.scores),
        }

    def contrasts(self, margins: Mapping[MetricName, float], scale: Scale | None) -> Contrasts:
        largest = max(self.decision.cost_false_negative, self.decision.cost_false_positive)
        return Contrasts(
            [
                Contrast(
                    "cost", "cost of a customer", largest, self._cost, margins.get("cost", 0.0)
                ),
                Contrast("log_loss", "log loss", LARGEST_LOG_LOSS, _log_loss, 0.0),
            ],
            Contrast("predicted", "predicted to churn", 1.0, _predicted),
        )

    def _cost(self, answers: pd.DataFrame) -> np.ndarray:
        decided = _predicted(answers)
        return np.where(
            answers["y"] == 1,
            self.decision.cost_false_negative * (1 - decided),
            self.decision.cost_false_positive * decided,
        )

    def summary(self, answers: pd.DataFrame) -> Summary:
        return Summary(float(answers["prediction"].mean()), float(answers["probability"].mean()))

    def rows(self, scale: Scale | None) -> Sequence[Row]:
        return (
            ("predicted to churn", lambda side: in_percent(side.predicted)),
            ("mean probability", lambda side: f"{side.probability:.3f}"),
        )


def _predicted(answers: pd.DataFrame) -> np.ndarray:
    return answers["prediction"].to_numpy(dtype=float)


def _log_loss(answers: pd.DataFrame) -> np.ndarray:
    y, p = (answers[name].to_numpy(dtype=float) for name in ("y", "probability"))
    p = np.clip(p, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    losses: np.ndarray = -(y * np.log(p) + (1 - y) * np.log1p(-p))
    return losses


def _threshold(scored: Scored) -> float:
    assert isinstance(scored.rule, float | int)
    return scored.rule
