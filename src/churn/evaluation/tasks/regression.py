"""A number: metrics of the errors of its prediction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn import metrics as sk

from churn.core.errors import DataError
from churn.core.params import METRICS, MetricName, RegressionDecision
from churn.core.rounding import decimals, significant
from churn.evaluation import error_curves, estimated_numbers, fairness
from churn.evaluation.curves import Points, calibration
from churn.evaluation.estimated import Estimated
from churn.evaluation.fairness import Measure
from churn.evaluation.held_out import Basis, ErrorCounts, NamedBasis
from churn.evaluation.tasks.clipped import Clipped, scale_of
from churn.evaluation.tasks.contrast import Contrasts, Row, Scale, Summary
from churn.evaluation.tasks.task import Measured, Scored, Task, require_customers
from churn.evaluation.weighted import Ratios, Weighted, in_order
from churn.model import outputs
from churn.model.outputs import Output, Rule

if TYPE_CHECKING:
    from churn.evaluation.reference import Reference


@dataclass(frozen=True)
class Regression(Task):
    """The predicted number.

    ============  =========================================================================
    r2            1 - sum((y - p)^2) / sum((y - mean(y))^2)
    rmse          sqrt(mean((y - p)^2)), in the target's unit, as are the two below
    mae           mean(abs(y - p))
    median_error  median(abs(y - p))
    cost          mean(cost_too_low max(y - p, 0) + cost_too_high max(p - y, 0)), per customer
    ============  =========================================================================

    Parameters
    ----------
    decision : RegressionDecision
        The costs.
    """

    decision: RegressionDecision
    quality = "r2"
    assumption = (
        "They are estimated from the errors for the held-out customers. It is assumed that errors"
        " at a given prediction are distributed as those were: a change of who the customers are is"
        " seen, as far as it changes what is predicted; a change of what becomes of such customers"
        " is not. R² is not estimated: it needs the spread of the target, which labels alone show."
    )
    needs_scale = True

    @property
    def output(self) -> Output:
        return outputs.of("regression")

    def measure(self, y: np.ndarray, scored: Scored) -> Measured:
        require_customers(y)
        p = scored.scores
        if not np.isfinite(p).all():
            raise DataError("a predicted number is not finite")
        flat = "" if len(np.unique(y)) > 1 else "all customers have the same number"
        results: dict[str, tuple[str, Callable[[], float]]] = {
            "r2": (flat, lambda: sk.r2_score(y, p)),
            "rmse": ("", lambda: sk.root_mean_squared_error(y, p)),
            "mae": ("", lambda: sk.mean_absolute_error(y, p)),
            "median_error": ("", lambda: sk.median_absolute_error(y, p)),
            "cost": ("", lambda: self._costs(y, p).mean()),
        }
        return Measured.of(results, decimals)  # of the target's unit

    def weighted(self, y: np.ndarray, scored: Scored) -> Weighted:
        return _WeightedErrors(y, scored.scores, self._costs(y, scored.scores))

    def _costs(self, y: np.ndarray, p: np.ndarray) -> np.ndarray:
        low, high = self.decision.cost_too_low, self.decision.cost_too_high
        costs: np.ndarray = low * np.maximum(y - p, 0.0) + high * np.maximum(p - y, 0.0)
        return costs

    def held_out(self, y: np.ndarray, scored: Scored) -> NamedBasis:
        return {"errors": estimated_numbers.count(y, scored.scores)}

    def estimate(
        self, basis: Basis, window: np.ndarray, rule: Rule, rng: np.random.Generator
    ) -> dict[str, Estimated]:
        assert isinstance(basis, ErrorCounts)
        costs = (self.decision.cost_too_low, self.decision.cost_too_high)
        return estimated_numbers.estimate(basis, window, costs, rng)

    def n_rarest(self, y: np.ndarray) -> int:
        return len(y)

    def rival(
        self, y: np.ndarray, scores: np.ndarray, correlation: float, rng: np.random.Generator
    ) -> np.ndarray:
        # Each error is mixed with that of another customer, so that all keep their distribution.
        errors = scores - y
        own = errors - errors.mean()
        mixed = correlation * own + np.sqrt(1 - correlation**2) * rng.permutation(own)
        other = np.empty_like(errors)
        other[np.argsort(mixed, kind="stable")] = np.sort(errors)
        simulated: np.ndarray = y + other
        return simulated

    def goodness(self, y: np.ndarray, scores: np.ndarray) -> float:
        return float(sk.r2_score(y, scores))

    def coverage(self, y: np.ndarray, scored: Scored) -> float | None:
        answer = self.output.answer(scored.scores, scored.rule)
        return float(((answer["lower"] <= y) & (y <= answer["upper"])).mean())

    def of_labels(self, y: np.ndarray) -> dict[str, int | float]:
        return {"mean": significant(float(y.mean()), 6)}

    def treatment(self, y: np.ndarray, scored: Scored) -> list[Measure]:
        return fairness.of_numbers(y, scored.scores)

    def plots(self, y: np.ndarray, scored: Scored) -> dict[str, Points]:
        return self.compared(y, scored) | {
            "predicted": error_curves.predicted(y, self.output.answer(scored.scores, scored.rule)),
            "residuals": error_curves.residuals(y, scored.scores),
        }

    def compared(self, y: np.ndarray, scored: Scored) -> dict[str, Points]:
        return {
            "errors": error_curves.errors(y, scored.scores),
            "tenths": calibration(y, scored.scores, rounded=decimals),
        }

    def scale(self, reference: Reference) -> Scale:
        return scale_of(reference)

    def contrasts(self, margins: Mapping[MetricName, float], scale: Scale | None) -> Contrasts:
        assert scale is not None
        found = Clipped(self.decision, scale)
        costs = found.cost(margins.get("cost", 0.0))
        errors = found.absolute_error(margins.get("mae", 0.0))
        return Contrasts([costs, errors], found.prediction())

    def summary(self, answers: pd.DataFrame) -> Summary:
        return Summary(float(answers["prediction"].mean()))

    def rows(self, scale: Scale | None) -> Sequence[Row]:
        assert scale is not None
        form = Clipped(self.decision, scale).form
        return [("mean prediction", lambda side: format(side.predicted, form))]


class _WeightedErrors:
    """See `churn.evaluation.weighted.Weighted`; if a prediction is not finite, all are NaN."""

    def __init__(self, y: np.ndarray, p: np.ndarray, costs: np.ndarray) -> None:
        self._is_valid, self._n = bool(np.isfinite(p).all()), len(y)
        centred = y - y.mean()
        errors = np.abs(y - p)
        self._ratios = Ratios(
            {"square": errors**2, "error": errors, "cost": costs, "n": np.ones(len(y))},
            {
                "mse": ({"square": 1}, {"n": 1}),
                "mae": ({"error": 1}, {"n": 1}),
                "cost": ({"cost": 1}, {"n": 1}),
            },
        )
        self._moments = np.column_stack([errors**2, centred, centred**2, np.ones(len(y))])
        self._order = np.argsort(errors, kind="stable")
        self._errors = errors[self._order]

    def metrics(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        """See `Weighted`."""
        if not self._is_valid:
            return in_order(dict.fromkeys(METRICS["regression"], np.full(counts.shape[1], np.nan)))
        found = self._ratios.metrics(counts)
        found["rmse"] = np.sqrt(found.pop("mse"))
        error, first, second, n = self._moments.T @ counts
        spread = second - first**2 / n
        with np.errstate(divide="ignore", invalid="ignore"):
            # Of equal numbers only rounding is left.
            found["r2"] = np.where(spread > 1e-12 * second, 1 - error / spread, np.nan)
        found["median_error"] = self._medians(counts)
        return in_order(found)

    def _medians(self, counts: np.ndarray) -> np.ndarray:
        up_to = np.cumsum(counts[self._order], axis=0)
        half = up_to[-1] / 2
        # As numpy's median: the mean of the two in the middle.
        below = self._errors[np.argmax(up_to >= half, axis=0)]
        above = self._errors[np.argmax(up_to > half, axis=0)]
        medians: np.ndarray = (below + above) / 2
        return medians

    def influence(self) -> dict[str, np.ndarray]:
        """See `Weighted`; the median has none."""
        nothing = np.full(self._n, np.nan)
        if not self._is_valid:
            return in_order(dict.fromkeys(METRICS["regression"], nothing))
        found = self._ratios.influence()
        error, _, spread, _ = self._moments.sum(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            found["rmse"] = found.pop("mse") / (2 * np.sqrt(error / self._n))
            each_error, each_spread = self._moments[:, 0], self._moments[:, 2]
            found["r2"] = (error * each_spread / spread - each_error) / spread
        return in_order(found | {"median_error": nothing})
