"""The rule: what a model has learned from out-of-fold predictions, beside its pipeline."""

from __future__ import annotations

from typing import Protocol, TypedDict

Rule = float | tuple[float, ...]


class Named(TypedDict, total=False):
    """A rule under the name that its task has for it, one of these."""

    threshold: float
    half_width: float
    costs: tuple[float, ...]


class Learned(Protocol):
    """What a file says of a rule, under the name that its task has for it; the others are None."""

    @property
    def threshold(self) -> float | None:
        """Binary: churn is predicted at this probability and above."""
        ...

    @property
    def half_width(self) -> float | None:
        """Regression: of the interval around a predicted number."""
        ...

    @property
    def costs(self) -> tuple[float, ...] | None:
        """Multiclass: of missing each class."""
        ...


def rule_of(learned: Learned) -> Rule | None:
    """Return the rule; None if there is none."""
    known = (learned.threshold, learned.half_width, learned.costs)
    return next((rule for rule in known if rule is not None), None)
