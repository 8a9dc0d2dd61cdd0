"""Everything in a report, as data: the content of review.json, which may be hostile."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from operator import attrgetter
from typing import Any, Literal

from churn.core.shapes import from_json
from churn.provenance.search_result import SearchResult
from churn.review.changes import Changes
from churn.review.comparison import Compared, Comparison, Entry
from churn.review.outcome import Verdict

FORMAT: Literal[1] = 1
_MOST_BASELINES = 20
_TUNED = ("model.family", "model.hyperparameters")
_SHOWN = attrgetter("name", "rows", "threshold", "metrics", "everyone", "slices")


@dataclass(frozen=True)
class Metrics:
    """What is shown of metrics.json."""

    test: dict[str, float | None]
    threshold: float | None = None


@dataclass(frozen=True)
class Sample:
    """How many of the training rows the model is trained on (`train.max_rows`)."""

    rows: int
    of: int


@dataclass(frozen=True)
class Outcome:
    """A condition of a check."""

    passed: bool
    details: str


@dataclass(frozen=True)
class Check:
    """A check; `error` says why it crashed."""

    check: str
    status: Literal["passed", "failed", "crashed"]
    outcomes: list[Outcome] = field(default_factory=list)
    error: str | None = None


@dataclass(frozen=True)
class Checks:
    """What is shown of checks.json."""

    checks: list[Check]


@dataclass(frozen=True)
class Reason:
    """What is shown of a column in reasons.json."""

    column: str
    effect: float
    direction: str
    unit: str
    customers: int | None = None


@dataclass(frozen=True)
class Facts:
    """The content of review.json.

    Attributes
    ----------
    format : {1}
    verdict : Verdict
    metrics, checks, comparison
        None if nothing was judged.
    changes : Changes
        Empty if there was no revision to compare with.
    commit : str
    uncommitted : bool
        Whether inputs differ from the commit's.
    fingerprint : str
    model_digest : str or None
    search : SearchResult or None
        The search that has found the hyperparameters, as reports/tune.json says.
    reasons : list of Reason or None
        What the model goes by, the largest first; None if nothing was judged.
    sample : Sample or None
        None if the model is trained on all training rows.
    """

    format: Literal[1]
    verdict: Verdict
    metrics: Metrics | None
    checks: Checks | None
    comparison: Comparison | None
    changes: Changes
    commit: str
    uncommitted: bool
    fingerprint: str
    model_digest: str | None
    search: SearchResult | None = None
    reasons: list[Reason] | None = None
    sample: Sample | None = None

    @property
    def tuned(self) -> SearchResult | None:
        """The search, if it is this change that brings its hyperparameters."""
        is_new = any(change.key.startswith(_TUNED) for change in self.changes.parameters)
        return self.search if is_new else None

    @property
    def baselines(self) -> list[Entry]:
        """All requested baselines."""
        return self.comparison.baselines if self.comparison else []

    @cached_property
    def compared(self) -> list[Compared]:
        """The comparisons that could be made, without repeated results."""
        unique: list[Compared] = []
        for entry in self.baselines:
            if isinstance(entry, Compared) and _SHOWN(entry) not in map(_SHOWN, unique):
                unique.append(entry)
        return unique


def read(document: Any) -> Facts:
    """Validate an untrusted document as facts.

    Raises
    ------
    ValueError
        See `churn.core.shapes.from_json`; also if the verdict contradicts itself.
    """
    facts = from_json(Facts, document)
    verdict = facts.verdict
    kept = verdict.outcome != "stopped" and all(gate.passed for gate in verdict.gates)
    if verdict.passed and not kept:
        raise ValueError("verdict.passed: not what its outcome and gates say")
    if verdict.undecided != _is_undecided(verdict):
        raise ValueError("verdict.undecided: not what its outcome and gates say")
    if len(facts.baselines) > _MOST_BASELINES:
        raise ValueError(f"comparison.baselines: more than {_MOST_BASELINES}")
    return facts


def _is_undecided(verdict: Verdict) -> bool:
    """Tell whether in a judged verdict no gate has failed and at least one is undecided."""
    is_open = any(gate.undecided for gate in verdict.gates)
    has_failed = any(not (gate.passed or gate.undecided) for gate in verdict.gates)
    return verdict.outcome == "judged" and is_open and not has_failed
