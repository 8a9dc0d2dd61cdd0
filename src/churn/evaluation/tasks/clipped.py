"""What a trial compares of numbers: errors and predictions that are clipped, and so have limits."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log10
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from churn.core.errors import ArtifactError
from churn.core.params import RegressionDecision
from churn.evaluation.tasks.contrast import Contrast, Scale, Values

if TYPE_CHECKING:
    from churn.evaluation.reference import Reference

_WIDTHS = 4  # of the interval's half, up to which errors count in full
_DIGITS = 5  # of the largest error, with which numbers are written


@dataclass(frozen=True)
class Clipped:
    """Errors and predictions of numbers, clipped.

    Parameters
    ----------
    decision : RegressionDecision
        The costs.
    scale : Scale
        The limits.

    Notes
    -----
    An error y - p counts as at most 4 times half the width of the champion's interval, which holds
    `decision.coverage` of its out-of-fold errors; a prediction counts as within the lowest and the
    highest end of the champion's intervals for held-out customers. So the interval of a mean is
    exact at every look (`churn.evaluation.always_valid.bounded`). It is that of the clipped values,
    and no statement about what lies beyond: a version that errs very much for very few customers
    is seen by how many errors are clipped.

    No interval of the mean holds without a limit, or something else that is known beforehand, such
    as a bound of the variance: one customer in a million may move it by any amount.
    Source: Bahadur, R. R. and Savage, L. J. (1956), The Nonexistence of Certain Statistical
    Procedures in Nonparametric Problems, Annals of Mathematical Statistics 27 (4). For a known
    bound of the variance: Wang, H. and Ramdas, A. (2023), Catoni-Style Confidence Sequences for
    Heavy-Tailed Mean Estimation, Stochastic Processes and their Applications 163.

    With a coverage of 0.9, less than one in 10,000 normal errors is clipped, 2 in 1,000 of
    Student's t with 3 degrees of freedom, and 1 in 100 of a log-normal distribution. A limit of 2
    or 5 half widths changes the width of an interval of 4,000 customers in the shadow by a tenth at
    most. Squared errors make it two to three times as wide, for their size, because their limit is
    the square.
    """

    decision: RegressionDecision
    scale: Scale

    def prediction(self) -> Contrast:
        """Return what is compared without labels."""
        lowest, highest = self.scale.lowest, self.scale.highest
        return Contrast(
            "predicted",
            "mean prediction",
            highest - lowest,
            self._above_lowest,
            form=self.form,
            clipped=self._is_out,
            limits=f"predictions count from {lowest:{self.form}} to {highest:{self.form}}",
        )

    def cost(self, margin: float) -> Contrast:
        """Return the cost of a customer."""
        largest = max(self.decision.cost_too_low, self.decision.cost_too_high) * self.scale.error
        return self._loss("cost", "cost of a customer", largest, self._cost, margin)

    def absolute_error(self, margin: float) -> Contrast:
        """Return the absolute error."""
        return self._loss(
            "absolute_error",
            "absolute error",
            self.scale.error,
            lambda answers: np.abs(self._error(answers)),
            margin,
        )

    def _loss(
        self, name: str, title: str, largest: float, values: Values, margin: float
    ) -> Contrast:
        limits = f"errors count up to {self.scale.error:{self.form}}"
        clipped, form = self._is_large, self.form
        return Contrast(
            name, title, largest, values, margin, form=form, clipped=clipped, limits=limits
        )

    @property
    def form(self) -> str:
        """How numbers of the target's unit are written."""
        return f".{max(0, _DIGITS - ceil(log10(self.scale.error)))}f"

    def _above_lowest(self, answers: pd.DataFrame) -> np.ndarray:
        lowest, highest = self.scale.lowest, self.scale.highest
        within = np.clip(np.nan_to_num(_predicted(answers), nan=lowest), lowest, highest)
        above: np.ndarray = within - lowest
        return above

    def _is_out(self, answers: pd.DataFrame) -> np.ndarray:
        p = _predicted(answers)
        is_out: np.ndarray = ~((self.scale.lowest <= p) & (p <= self.scale.highest))
        return is_out

    def _cost(self, answers: pd.DataFrame) -> np.ndarray:
        low, high = self.decision.cost_too_low, self.decision.cost_too_high
        errors = self._error(answers)
        costs: np.ndarray = np.where(errors > 0, low * errors, -high * errors)
        # A prediction that is no number is as wrong as can be.
        costs[np.isnan(_predicted(answers))] = max(low, high) * self.scale.error
        return costs

    def _error(self, answers: pd.DataFrame) -> np.ndarray:
        """Return by how much each prediction is too low, clipped."""
        limit = self.scale.error
        errors: np.ndarray = np.clip(np.nan_to_num(_raw(answers), nan=limit), -limit, limit)
        return errors

    def _is_large(self, answers: pd.DataFrame) -> np.ndarray:
        is_large: np.ndarray = ~(np.abs(_raw(answers)) <= self.scale.error)
        return is_large


def scale_of(reference: Reference) -> Scale:
    """Return the limits that a champion's reference gives; errors as for `Task.scale`."""
    half_width, predicted = reference.half_width, reference.predicted_range
    if half_width is None or predicted is None:
        raise ArtifactError("it predicts no numbers; a trial compares two models of one task")
    lowest, highest = predicted[0] - half_width, predicted[1] + half_width
    error = _WIDTHS * half_width or highest - lowest
    if not 0 < error < np.inf:
        raise ArtifactError(
            "it predicts the same number for all held-out customers, and does not err: errors have"
            " no limit on a trial; churn promote moves a version by hand"
        )
    return Scale(error, lowest, highest)


def _predicted(answers: pd.DataFrame) -> np.ndarray:
    return answers["prediction"].to_numpy(dtype=float)


def _raw(answers: pd.DataFrame) -> np.ndarray:
    errors: np.ndarray = answers["y"].to_numpy(dtype=float) - _predicted(answers)
    return errors
