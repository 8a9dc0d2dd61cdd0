"""What is measured, compared and drawn for each task; nothing else asks which task it is."""

from __future__ import annotations

from collections.abc import Sequence

from churn.core.params import (
    Decision,
    DecisionParams,
    MulticlassDecision,
    Params,
    RegressionDecision,
)
from churn.core.params.table import Label
from churn.evaluation.tasks.binary import Binary
from churn.evaluation.tasks.multiclass import Multiclass
from churn.evaluation.tasks.regression import Regression
from churn.evaluation.tasks.task import Scored as Scored
from churn.evaluation.tasks.task import Task as Task


def of(decision: Decision, classes: Sequence[Label] = ()) -> Task:
    """Return the task of a decision, of which each task has its own.

    Parameters
    ----------
    decision : Decision
        Costs, and what belongs to them.
    classes : sequence, optional
        Those of `data.classes`.
    """
    if isinstance(decision, MulticlassDecision):
        return Multiclass(decision, tuple(map(str, classes)))
    if isinstance(decision, RegressionDecision):
        return Regression(decision)
    assert isinstance(decision, DecisionParams)
    return Binary(decision)


def of_params(settings: Params) -> Task:
    """Return the task of params.yaml."""
    return of(settings.decision, settings.data.classes)
