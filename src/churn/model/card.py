"""What goes with a fitted pipeline; apart from what loads one, which takes a second to import."""

from __future__ import annotations

from pydantic import Field, model_validator

from churn.core.params import Columns, CsvParams, TaskName
from churn.core.params.table import Label
from churn.model.rule import Rule, rule_of

CARD_FILE = "model.json"


class ModelCard(Columns):
    """What goes with the pipeline.

    Its columns, what it makes of them, the rule of its output (`churn.model.outputs`), and the
    split that says which customers it was not trained on (`churn.data.split.is_test`).
    """

    # Left out of the file as before there were other tasks: the same model has the same bytes.
    task: TaskName = Field("binary", exclude_if=lambda task: task == "binary")
    family: str
    threshold: float | None = None
    strategy: str | None = None
    half_width: float | None = None
    coverage: float | None = None
    classes: tuple[Label, ...] = Field((), exclude_if=lambda classes: not classes)
    costs: tuple[float, ...] | None = None
    id: str
    target: str
    features: tuple[str, ...]
    test_share: float
    salt: str
    held_out_below: float | None = None  # of the hash, if each stratum has another share
    train_max_rows: int | None = None  # of the training rows, if that is a sample
    missing: tuple[str, ...] = ()
    csv: CsvParams = CsvParams()

    @model_validator(mode="after")
    def _has_a_rule(self) -> ModelCard:
        rules = {"binary": "threshold", "regression": "half_width", "multiclass": "costs"}
        if getattr(self, rules[self.task]) is None:
            raise ValueError(f"no {rules[self.task]}")
        return self

    @property
    def unseen_below(self) -> float:
        """The hash below which a customer was certainly not trained on (`split.is_test`)."""
        return self.held_out_below or self.test_share

    @property
    def rule(self) -> Rule:
        """The rule by which an output answers."""
        rule = rule_of(self)
        assert rule is not None  # the validator has seen one
        return rule
