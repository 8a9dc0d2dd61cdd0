"""The schema of review.json, which holds everything in a report, and its validation.

Unknown keys are ignored; a newer release may write them.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from types import UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    TypedDict,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

Points = list[dict[str, float]]
Whose = Literal["main", "own"]
T = TypeVar("T")
FORMAT: Literal[1] = 1
_MOST_ENTRIES, _MOST_BASELINES = 20_000, 20
_LARGEST = 1e30  # a longer number would be a longer text


class Gate(TypedDict):
    """`churn.review.gate.Gate`."""

    name: str
    passed: bool
    undecided: NotRequired[bool]
    value: str
    limit: str
    reason: str


class Verdict(TypedDict):
    """`churn.review.gate.Verdict`."""

    passed: bool
    outcome: Literal["judged", "unchanged", "stopped"]
    reason: str
    gates: list[Gate]
    moved: NotRequired[list[str]]
    undecided: NotRequired[bool]


class Metrics(TypedDict):
    """metrics.json."""

    threshold: float
    test: dict[str, float | None]


class Outcome(TypedDict):
    """A condition of a check."""

    passed: bool
    details: str


class Check(TypedDict):
    """A check."""

    check: str
    status: Literal["passed", "failed", "crashed"]
    outcomes: NotRequired[list[Outcome]]
    error: NotRequired[str | None]


class Checks(TypedDict):
    """checks.json."""

    checks: list[Check]


class Difference(TypedDict):
    """`churn.evaluation.comparison.Difference`."""

    metric: str
    baseline: float | None
    candidate: float | None
    lower: float | None
    upper: float | None
    difference: float | None
    word: str | None


class Slice(TypedDict):
    """A group of customers."""

    column: str
    slice: str
    rows: int
    metrics: list[Difference]


class Curve(TypedDict):
    """One curve of both models."""

    baseline: Points
    candidate: Points


class Drift(TypedDict):
    """`churn.evaluation.drift.ColumnDrift`."""

    column: str
    psi: float
    word: str
    before: float | None
    after: float | None


class Data(TypedDict):
    """How the training rows differ; pairs are before and now."""

    rows: Annotated[list[int], 2]
    columns: list[Drift]
    gone: NotRequired[list[str]]
    new: NotRequired[list[str]]
    label_rate: NotRequired[Annotated[list[float], 2]]


class Looks(TypedDict):
    """Metrics and slices on some customers."""

    rows: int
    metrics: list[Difference]
    slices: list[Slice]


class Everyone(Looks):
    """Metrics and slices on held-out customers and, predicted out of fold, training rows."""

    held_out: int


class _Named(TypedDict):
    name: str
    kind: NotRequired[str]
    identity: NotRequired[str]
    model_digest: NotRequired[str]
    exam: NotRequired[Whose]  # whose held-out customers were used
    limits: NotRequired[Whose]
    data: NotRequired[Data]
    everyone: NotRequired[Everyone | None]
    alone: NotRequired[str | None]  # why `everyone` is None
    same_threshold: NotRequired[list[Difference] | None]


class Baseline(_Named):
    """A baseline, which may have been compared."""

    rows: NotRequired[int]
    threshold: NotRequired[float]
    metrics: NotRequired[list[Difference]]
    slices: NotRequired[list[Slice]]
    curves: NotRequired[dict[str, Curve]]


class Compared(_Named, Looks):
    """A baseline that was compared."""

    threshold: float
    curves: dict[str, Curve]


class Comparison(TypedDict):
    """comparison.json; `exam` counts the held-out customers that the change alters."""

    baselines: list[Baseline]
    exam: NotRequired[dict[str, int] | None]


class Parameter(TypedDict):
    """`churn.review.changes.ParameterChange`."""

    key: str
    before: str
    after: str
    limit: bool


class Changes(TypedDict, total=False):
    """changes.json."""

    parameters: list[Parameter]
    files: list[str]
    judge: list[str]
    decided: int | None


class Facts(TypedDict):
    """review.json.

    `metrics`, `checks` and `comparison` are null if nothing was judged; `changes` is empty if there
    was no revision to compare with. `uncommitted`: whether inputs differ from the commit's.
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


def baselines(facts: Facts) -> list[Baseline]:
    """Return all requested baselines."""
    return facts["comparison"]["baselines"] if facts["comparison"] else []


def compared(facts: Facts) -> list[Compared]:
    """Return the comparisons that could be made, without repeated results."""
    unique: list[Compared] = []
    shown = ("name", "rows", "threshold", "metrics", "everyone", "slices")
    for entry in baselines(facts):
        repeated = [all(entry.get(key) == first.get(key) for key in shown) for first in unique]
        if entry.keys() >= {"rows", "threshold", "metrics", "slices", "curves"} and not any(
            repeated
        ):
            unique.append(cast(Compared, entry))
    return unique


def read(document: Any) -> Facts:
    """Validate an untrusted document as facts.

    Raises
    ------
    ValueError
        If a key is missing, a value has the wrong type or is not finite, there are too many
        entries, or the verdict contradicts itself. The message names the key, and quotes nothing
        of the document.
    """
    facts = require(document, Facts)
    verdict = facts["verdict"]
    kept = verdict["outcome"] != "stopped" and all(gate["passed"] for gate in verdict["gates"])
    if verdict["passed"] and not kept:
        raise ValueError("verdict.passed: not what its outcome and gates say")
    if verdict.get("undecided", False) != _is_undecided(verdict):
        raise ValueError("verdict.undecided: not what its outcome and gates say")
    if len(baselines(facts)) > _MOST_BASELINES:
        raise ValueError(f"comparison.baselines: more than {_MOST_BASELINES}")
    return facts


def _is_undecided(verdict: Verdict) -> bool:
    """Tell whether in a judged verdict no gate has failed and at least one is undecided."""
    open_ = [gate for gate in verdict["gates"] if gate.get("undecided")]
    failed = [gate for gate in verdict["gates"] if not gate["passed"] and gate not in open_]
    return verdict["outcome"] == "judged" and bool(open_) and not failed


def require(value: Any, shape: type[T]) -> T:
    """Validate a value from `json.loads` as a class of this module; see `read`."""
    _require(value, shape, "the whole")
    return cast(T, value)


def _require(value: Any, shape: Any, where: str) -> None:
    if get_origin(shape) in (Union, UnionType):  # with null
        if value is None:
            return
        shape = get_args(shape)[0]
    if get_origin(shape) is Literal:
        if not any(type(value) is type(known) and value == known for known in get_args(shape)):
            raise ValueError(f"{where}: none of the known values")
        return
    plain = get_args(shape)[0] if get_origin(shape) is Annotated else shape
    kind = dict if is_typeddict(plain) else get_origin(plain) or plain
    numbers = (int, float) if kind is float else kind
    if not isinstance(value, numbers) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{where}: not of type {kind.__name__}")
    if isinstance(value, (int, float)) and not abs(value) < _LARGEST:  # nor is NaN
        raise ValueError(f"{where}: not finite, or too large")
    if isinstance(value, (dict, list)):
        if len(value) > _MOST_ENTRIES:
            raise ValueError(f"{where}: more than {_MOST_ENTRIES:,} entries")
        if plain is not shape and len(value) != shape.__metadata__[0]:
            raise ValueError(f"{where}: not {shape.__metadata__[0]} values")
        for part, inner, path in _parts(value, plain, where):
            _require(part, inner, path)


@cache
def _fields(shape: Any) -> list[tuple[str, Any, bool]]:
    """List the keys of a class: name, type, and whether it is required."""
    fields = []
    for name, kind in get_type_hints(shape, include_extras=True).items():
        # `__required_keys__` reflects `total` only, because the annotations are strings.
        is_optional = get_origin(kind) is NotRequired
        is_needed = name in shape.__required_keys__ and not is_optional
        fields.append((name, get_args(kind)[0] if is_optional else kind, is_needed))
    return fields


def _parts(value: Any, shape: Any, where: str) -> Iterator[tuple[Any, Any, str]]:
    if not is_typeddict(shape):
        parts = value.values() if isinstance(value, dict) else value
        yield from ((part, get_args(shape)[-1], where) for part in parts)
        return
    for name, inner, is_needed in _fields(shape):
        path = f"{where}.{name}".removeprefix("the whole.")
        if name in value:
            yield value[name], inner, path
        elif is_needed:
            raise ValueError(f"{path}: missing")
