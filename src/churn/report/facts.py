"""Everything that a report says, as types: what review.json holds.

Of the files of `compare`, `gate` and the stages as much as the report shows. Other keys may be
there; a newer release may write them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from churn.report.shape import read

FORMAT = 1
_MOST_BASELINES = 20
Points = list[dict[str, float]]


@dataclass(frozen=True)
class Gate:
    """A limit, and whether it is kept."""

    name: str
    passed: bool
    value: str
    limit: str
    reason: str


@dataclass(frozen=True)
class Verdict:
    """verdict.json."""

    passed: bool
    outcome: Literal["judged", "unchanged", "stopped"]
    reason: str
    gates: list[Gate]


@dataclass(frozen=True)
class Metrics:
    """metrics.json: the threshold, and the metrics of the held-out customers."""

    threshold: float
    test: dict[str, float | None]


@dataclass(frozen=True)
class Outcome:
    """What a condition of a check has found."""

    passed: bool
    details: str


@dataclass(frozen=True)
class Check:
    """A check; `outcomes` and `error` say why it has not passed."""

    check: str
    status: Literal["passed", "failed", "crashed"]
    outcomes: list[Outcome] = field(default_factory=list)
    error: str | None = None


@dataclass(frozen=True)
class Checks:
    """checks.json."""

    checks: list[Check]


@dataclass(frozen=True)
class Difference:
    """One metric of two models."""

    metric: str
    baseline: float | None
    candidate: float | None
    difference: float | None
    lower: float | None
    upper: float | None
    word: str | None


@dataclass(frozen=True)
class Slice:
    """Both models on a group of customers."""

    column: str
    slice: str
    rows: int
    metrics: list[Difference]


@dataclass(frozen=True)
class Curve:
    """A curve of both models."""

    baseline: Points
    candidate: Points


@dataclass(frozen=True)
class Drift:
    """How a column has moved; `before` and `after` are means."""

    column: str
    psi: float
    word: str
    before: float | None
    after: float | None


@dataclass(frozen=True)
class Data:
    """How the training rows have moved; pairs are before and now."""

    rows: tuple[int, int]
    columns: list[Drift]
    gone: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    label_rate: tuple[float, float] | None = None


@dataclass(frozen=True)
class Baseline:
    """One comparison; `exam` and `limits` say whose held-out customers and limits it is by."""

    name: str
    kind: str | None = None
    identity: str | None = None
    model_digest: str | None = None
    exam: Literal["main", "own"] | None = None
    limits: Literal["main", "own"] | None = None
    rows: int = 0
    threshold: float | None = None
    metrics: list[Difference] = field(default_factory=list)
    slices: list[Slice] = field(default_factory=list)
    curves: dict[str, Curve] = field(default_factory=dict)
    data: Data | None = None


@dataclass(frozen=True)
class Exam:
    """How many held-out customers of main a change has touched."""

    added: int = 0
    removed: int = 0
    relabelled: int = 0
    edited: int = 0


@dataclass(frozen=True)
class Comparison:
    """comparison.json."""

    baselines: list[Baseline]
    exam: Exam | None = None

    def __post_init__(self) -> None:
        if len(self.baselines) > _MOST_BASELINES:
            raise ValueError(f"more than {_MOST_BASELINES} baselines")


@dataclass(frozen=True)
class Parameter:
    """A parameter that the change sets to another value."""

    key: str
    before: str
    after: str
    limit: bool


@dataclass(frozen=True)
class Changes:
    """changes.json; empty where nobody has asked."""

    parameters: list[Parameter] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    judge: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Facts:
    """What is known of a candidate.

    Attributes
    ----------
    verdict : Verdict
    metrics, checks, comparison
        None where the pipeline was stopped, or nothing was to be judged.
    changes : Changes
    commit, fingerprint : str
    uncommitted : bool
        Whether inputs differ from those of the commit.
    model_digest : str or None
    """

    verdict: Verdict
    metrics: Metrics | None
    checks: Checks | None
    comparison: Comparison | None
    changes: Changes
    commit: str
    uncommitted: bool
    fingerprint: str
    model_digest: str | None

    @property
    def baselines(self) -> list[Baseline]:
        """All baselines that were asked for."""
        return self.comparison.baselines if self.comparison else []

    @property
    def compared(self) -> list[Baseline]:
        """The baselines that the candidate could be compared with."""
        return [entry for entry in self.baselines if entry.metrics]

    @property
    def for_release(self) -> bool:
        """Whether it is what main would release: compared with Production alone."""
        return {entry.kind for entry in self.baselines} == {"production"}


def to_document(facts: Facts) -> dict[str, Any]:
    """Return what review.json holds."""
    return {"format": FORMAT, **asdict(facts)}


def from_document(document: object) -> Facts:
    """Read what review.json holds; whoever has written it may want to do harm.

    Raises
    ------
    ValueError
        If it is not what `to_document` makes. The message holds no word of the document.
    """
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValueError(f"not of format {FORMAT}")
    return read(Facts, document)
