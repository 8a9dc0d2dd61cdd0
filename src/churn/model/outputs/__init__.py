"""What the model of each task answers: a probability, a number with its interval, or a class.

An output belongs to serving; how well a model does is for `churn.evaluation.tasks`.
"""

from __future__ import annotations

from collections.abc import Sequence

from churn.core.params import TaskName
from churn.core.params.table import Label
from churn.model.card import ModelCard
from churn.model.outputs.binary import Binary
from churn.model.outputs.multiclass import Multiclass
from churn.model.outputs.output import Output as Output
from churn.model.outputs.regression import Regression
from churn.model.rule import Rule as Rule


def of(task: TaskName, classes: Sequence[Label] = ()) -> Output:
    """Return the output of a task's models; `classes` are those of `data.classes`."""
    if task == "multiclass":
        return Multiclass(tuple(map(str, classes)))
    return Regression() if task == "regression" else Binary()


def of_card(card: ModelCard) -> Output:
    """Return the output of a stored model."""
    return of(card.task, card.classes)
