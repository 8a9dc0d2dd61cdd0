"""What a trial of two versions compares: a value of each customer, with a limit known before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from churn.evaluation.trial import Side

ALPHA = 0.05  # how often an interval may ever miss, at most
# Probabilities are clipped, so that a log loss has a limit, and its interval is exact.
LEAST_PROBABILITY = 0.01
LARGEST_LOG_LOSS = -float(np.log(LEAST_PROBABILITY))
# Of the prediction log's columns of an answer, and ``y`` where the label is known.
Values = Callable[[pd.DataFrame], np.ndarray]
Row = tuple[str, "Callable[[Side], str]"]


@dataclass(frozen=True)
class Scale:
    """Limits of what has none by itself: the errors and the predictions of numbers.

    They come from the champion's held-out customers, so they are known before the trial begins.

    Attributes
    ----------
    error : float
        Larger errors count as this one, above 0.
    lowest, highest : float
        Predictions below and above count as these.
    """

    error: float
    lowest: float
    highest: float


@dataclass(frozen=True)
class Contrast:
    """A value of each customer, of which both versions' means are compared.

    Attributes
    ----------
    name : str
        Of a loss, the field of `churn.evaluation.trial.Comparison`; of several classes, the class.
    title : str
        What a reader is told that it is.
    largest : float
        The values are from 0 to this.
    values : callable
        From the answers of a version, shape (n_customers,).
    margin : float or None
        By how much a loss may be higher; None if neither version is better for it.
    alpha : float
        Probability that any interval of the trial misses the difference is at most this.
    form : str
        How numbers of its unit are written.
    clipped : callable or None
        Tells of which customers the value is larger in truth; None if it never is.
    limits : str
        What is clipped, and where, for a reader.
    """

    name: str
    title: str
    largest: float
    values: Values
    margin: float | None = None
    alpha: float = ALPHA
    form: str = ".4f"
    clipped: Values | None = None
    limits: str = ""


@dataclass(frozen=True)
class Contrasts:
    """All that a trial of a task compares.

    Attributes
    ----------
    losses : sequence of Contrast
        With labels.
    predicted : Contrast or None
        Without labels.
    classes : sequence of Contrast
        Without labels, one for each of several classes.
    """

    losses: Sequence[Contrast]
    predicted: Contrast | None = None
    classes: Sequence[Contrast] = ()


@dataclass(frozen=True)
class Summary:
    """What one version predicts, as the fields of `churn.evaluation.trial.Side`."""

    predicted: float = np.nan
    probability: float = np.nan
    classes: Mapping[str, float] | None = None


def in_percent(share: float) -> str:
    """Return a share as text."""
    return f"{100 * share:.1f} %"
