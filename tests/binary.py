"""The task of the shipped params.yaml, for tests that need one."""

from __future__ import annotations

import numpy as np
import pandas as pd

from churn.core import params
from churn.core.params import Decision
from churn.evaluation import tasks
from churn.evaluation.tasks import Scored
from churn.evaluation.tasks.task import Measured
from churn.model.threshold import decide
from tests.conftest import PARAMS

FAMILIES = params.FAMILIES["binary"]
DECISION = params.load(PARAMS).decision
BINARY = tasks.of(DECISION)
OUTPUT = BINARY.output


def measure(y: np.ndarray, p: np.ndarray, threshold: float, decision: Decision) -> Measured:
    """Measure probabilities."""
    return tasks.of(decision).measure(y, Scored(p, threshold))


def predicted(customers: pd.DataFrame, probability: np.ndarray, threshold: float) -> pd.DataFrame:
    """Add what a model predicts, as the checks get it."""
    return customers.assign(probability=probability, prediction=decide(probability, threshold))
