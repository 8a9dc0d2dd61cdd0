"""Which of several classes: metrics of their probabilities, and of the predicted class."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn import metrics as sk

from churn.core.errors import DataError
from churn.core.params import METRICS, MetricName, MulticlassDecision
from churn.evaluation import class_curves, estimated_classes, fairness
from churn.evaluation.curves import Points
from churn.evaluation.estimated import Estimated
from churn.evaluation.fairness import Measure
from churn.evaluation.held_out import Basis, ClassCounts, NamedBasis
from churn.evaluation.metric_names import AT_COSTS
from churn.evaluation.tasks.contrast import (
    ALPHA,
    LARGEST_LOG_LOSS,
    LEAST_PROBABILITY,
    Contrast,
    Contrasts,
    Row,
    Scale,
    Summary,
    in_percent,
)
from churn.evaluation.tasks.task import Measured, Scored, Task, require_customers
from churn.evaluation.weighted import Ranking, Ratios, Weighted, in_order
from churn.model.outputs import Rule
from churn.model.outputs.multiclass import Multiclass as MulticlassOutput

if TYPE_CHECKING:
    from churn.evaluation.trial import Side


@dataclass(frozen=True)
class Multiclass(Task):
    """The probability of each class.

    Of the probabilities p:

    =============  ==================================================================
    log_loss       -mean(log p of the customer's class), natural logarithm, p clipped
    brier          mean(sum over the classes of (p - y)^2), in [0, 2]
    macro_roc_auc  mean over the classes of ROC AUC, each against all others
    =============  ==================================================================

    Of the predicted class:

    =================  =================================================================
    accuracy           share of the customers for whom it is theirs
    balanced_accuracy  mean over the classes of that share of their customers
    macro_f1           mean over the classes of 2 TP / (2 TP + FP + FN)
    cost               mean of `costs` of the customer's class, where another one is it
    =================  =================================================================

    Parameters
    ----------
    decision : MulticlassDecision
        The costs.
    classes : tuple of str
    """

    decision: MulticlassDecision
    classes: tuple[str, ...]
    at_rule = AT_COSTS
    quality = "macro_roc_auc"
    assumption = (
        "They are estimated from the probabilities of the classes. It is assumed that customers"
        " with the same columns belong to each class as often as the held-out ones did: a change of"
        " who the customers are is seen, a change of which class such customers belong to is not."
    )

    @property
    def output(self) -> MulticlassOutput:
        return MulticlassOutput(self.classes)

    def measure(self, y: np.ndarray, scored: Scored) -> Measured:
        require_customers(y)
        p, labels = scored.scores, np.arange(len(self.classes))
        if not _are_probabilities(p):
            raise DataError("a predicted probability is not a number from 0 to 1")
        decided = self.output.decided(p, scored.rule)
        absent = self.output.problem(y) or ""
        results: dict[str, tuple[str, Callable[[], float]]] = {
            "log_loss": ("", lambda: sk.log_loss(y, p, labels=labels)),
            "brier": ("", lambda: _squares(y, p).mean()),
            "accuracy": ("", lambda: np.mean(decided == y)),
            "balanced_accuracy": (absent, lambda: sk.balanced_accuracy_score(y, decided)),
            "macro_f1": (
                absent,
                lambda: sk.f1_score(y, decided, labels=labels, average="macro", zero_division=0),
            ),
            "macro_roc_auc": (absent, lambda: self.goodness(y, p)),
            "cost": ("", lambda: self._costs(y, decided).mean()),
        }
        return Measured.of(results)

    def weighted(self, y: np.ndarray, scored: Scored) -> Weighted:
        decided = self.output.decided(scored.scores, scored.rule)
        return _WeightedClasses(y, scored.scores, decided, self._costs(y, decided))

    @property
    def _missed(self) -> np.ndarray:
        """What it costs to miss each class."""
        return np.array(self.output.fallback(self.decision))

    def _costs(self, y: np.ndarray, decided: np.ndarray) -> np.ndarray:
        missed: np.ndarray = self._missed[y] * (decided != y)
        return missed

    def held_out(self, y: np.ndarray, scored: Scored) -> NamedBasis:
        decided = self.output.decided(scored.scores, scored.rule)
        return {"classes": estimated_classes.count(y, scored.scores, decided, self.classes)}

    def estimate(
        self, basis: Basis, window: np.ndarray, rule: Rule, rng: np.random.Generator
    ) -> dict[str, Estimated]:
        assert isinstance(basis, ClassCounts)
        return estimated_classes.estimate(basis, window, self._missed, rng)

    def n_rarest(self, y: np.ndarray) -> int:
        return int(np.bincount(y, minlength=len(self.classes)).min())

    def n_behind(self, metric: str, y: np.ndarray) -> int:
        return len(y) if metric in _OF_CUSTOMERS else self.n_rarest(y)

    def rival(
        self, y: np.ndarray, scores: np.ndarray, correlation: float, rng: np.random.Generator
    ) -> np.ndarray:
        # Customers swap their scores with others of their class, so that each class keeps its own:
        # as many as leaves this correlation.
        simulated = scores.copy()
        for position in range(len(self.classes)):
            members = np.flatnonzero(y == position)
            swapped = members[rng.random(len(members)) >= correlation]
            simulated[swapped] = scores[rng.permutation(swapped)]
        return simulated

    def goodness(self, y: np.ndarray, scores: np.ndarray) -> float:
        return float(
            np.mean(
                [
                    sk.roc_auc_score(y == position, scores[:, position])
                    for position in range(len(self.classes))
                ]
            )
        )

    def treatment(self, y: np.ndarray, scored: Scored) -> list[Measure]:
        decided = self.output.decided(scored.scores, scored.rule)
        return [
            measure
            for k, name in enumerate(self.classes)
            for measure in fairness.of_class(y == k, decided == k, scored.scores[:, k], name)
        ]

    def plots(self, y: np.ndarray, scored: Scored) -> dict[str, Points]:
        decided = self.output.decided(scored.scores, scored.rule)
        return self.compared(y, scored) | {
            "confusion": class_curves.confusion(y, decided, self.classes),
            "classes": class_curves.recall_and_precision(y, decided, self.classes),
        }

    def compared(self, y: np.ndarray, scored: Scored) -> dict[str, Points]:
        return {"class_calibration": class_curves.calibration(y, scored.scores)}

    def contrasts(self, margins: Mapping[MetricName, float], scale: Scale | None) -> Contrasts:
        # Of each class an interval, and all of them hold together (Bonferroni).
        alpha = ALPHA / len(self.classes)
        largest = float(max(self._missed))
        losses = [
            Contrast("cost", "cost of a customer", largest, self._cost, margins.get("cost", 0.0)),
            Contrast(
                "log_loss",
                "log loss",
                LARGEST_LOG_LOSS,
                self._log_loss,
                margins.get("log_loss", 0.0),
            ),
        ]
        return Contrasts(
            losses,
            classes=[
                Contrast(name, f"predicted {name}", 1.0, partial(_is_predicted, name), alpha=alpha)
                for name in self.classes
            ],
        )

    def _cost(self, answers: pd.DataFrame) -> np.ndarray:
        y = answers["y"].to_numpy(dtype=int)
        own = np.array(self.classes, dtype=object)[y]
        missed: np.ndarray = self._missed[y] * (answers["prediction"].to_numpy() != own)
        return missed

    def _log_loss(self, answers: pd.DataFrame) -> np.ndarray:
        y = answers["y"].to_numpy(dtype=int)
        p = np.nan_to_num(self.output.scores(answers))  # a probability that is none is 0
        losses: np.ndarray = -np.log(np.clip(p[np.arange(len(y)), y], LEAST_PROBABILITY, 1.0))
        return losses

    def summary(self, answers: pd.DataFrame) -> Summary:
        return Summary(
            classes={name: float(_is_predicted(name, answers).mean()) for name in self.classes}
        )

    def rows(self, scale: Scale | None) -> Sequence[Row]:
        return [(f"predicted {name}", partial(_share, name)) for name in self.classes]


def _share(name: str, side: Side) -> str:
    return in_percent(side.classes[name])


def _is_predicted(name: str, answers: pd.DataFrame) -> np.ndarray:
    return (answers["prediction"] == name).to_numpy(dtype=float)


class _WeightedClasses:
    """See `churn.evaluation.weighted.Weighted`; if a probability is none, all are NaN."""

    def __init__(
        self, y: np.ndarray, p: np.ndarray, decided: np.ndarray, costs: np.ndarray
    ) -> None:
        self._is_valid, self._n, self._k = _are_probabilities(p), len(y), p.shape[1]
        own = np.clip(p[np.arange(len(y)), y], np.finfo(p.dtype).eps, 1.0)
        columns = {
            "loss": -np.log(own),
            "square": _squares(y, p),
            "right": decided == y,
            "cost": costs,
            "n": np.ones(len(y)),
        }
        definitions = {
            "log_loss": ({"loss": 1.0}, {"n": 1.0}),
            "brier": ({"square": 1.0}, {"n": 1.0}),
            "accuracy": ({"right": 1.0}, {"n": 1.0}),
            "cost": ({"cost": 1.0}, {"n": 1.0}),
        }
        for k in range(self._k):
            columns |= {f"tp{k}": (y == k) & (decided == k), f"y{k}": y == k, f"d{k}": decided == k}
            definitions[f"recall{k}"] = ({f"tp{k}": 1.0}, {f"y{k}": 1.0})
            definitions[f"f1{k}"] = ({f"tp{k}": 2.0}, {f"y{k}": 1.0, f"d{k}": 1.0})
        self._ratios = Ratios(columns, definitions)
        self._rankings = [
            Ranking((y == k).astype(int), p[:, k], area=False) for k in range(self._k)
        ]

    def metrics(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        """See `Weighted`."""
        if not self._is_valid:
            nothing = np.full(counts.shape[1], np.nan)
            return in_order(dict.fromkeys(METRICS["multiclass"], nothing))
        rankings = [ranking.metrics(counts) for ranking in self._rankings]
        return self._means(self._ratios.metrics(counts), rankings)

    def influence(self) -> dict[str, np.ndarray]:
        """See `Weighted`."""
        if not self._is_valid:
            return in_order(dict.fromkeys(METRICS["multiclass"], np.full(self._n, np.nan)))
        rankings = [ranking.influence() for ranking in self._rankings]
        return self._means(self._ratios.influence(), rankings)

    def _means(
        self, ratios: dict[str, np.ndarray], rankings: list[dict[str, np.ndarray]]
    ) -> dict[str, np.ndarray]:
        """Average over the classes what there is of each."""
        each = range(self._k)
        found = {
            "balanced_accuracy": np.mean([ratios.pop(f"recall{k}") for k in each], axis=0),
            "macro_f1": np.mean([ratios.pop(f"f1{k}") for k in each], axis=0),
            "macro_roc_auc": np.mean([ranking["roc_auc"] for ranking in rankings], axis=0),
        }
        return in_order(ratios | found)


# Means over all customers, however rare a class is.
_OF_CUSTOMERS = ("log_loss", "brier", "accuracy", "cost")


def _are_probabilities(p: np.ndarray) -> bool:
    return bool(((p >= 0) & (p <= 1)).all())


def _squares(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    squares: np.ndarray = ((p - np.eye(p.shape[1])[y]) ** 2).sum(axis=1)
    return squares
