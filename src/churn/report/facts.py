"""Everything that a report says, as types, and the check that a document is of them.

Anybody may have written the document (review.json), so types alone would promise nothing. Other
keys may be there; a newer release may write them.
"""

from __future__ import annotations

from types import UnionType
from typing import (
    Any,
    Literal,
    NotRequired,
    TypedDict,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

FORMAT: Literal[1] = 1
_MOST_ENTRIES, _MOST_BASELINES = 20_000, 20
_LARGEST = 1e30  # a number of a thousand digits would be a text of a thousand characters

# verdict.json
Gate = TypedDict("Gate", {"name": str, "passed": bool, "value": str, "limit": str, "reason": str})
Outcome = Literal["judged", "unchanged", "stopped"]
Verdict = TypedDict(
    "Verdict", {"passed": bool, "outcome": Outcome, "reason": str, "gates": list[Gate]}
)
# metrics.json; null is undefined
Metrics = TypedDict("Metrics", {"threshold": float, "test": dict[str, float | None]})
# checks.json; `outcomes` and `error` say why a check has not passed
Condition = TypedDict("Condition", {"passed": bool, "details": str})
Check = TypedDict(
    "Check",
    {
        "check": str,
        "status": Literal["passed", "failed", "crashed"],
        "outcomes": NotRequired[list[Condition]],
        "error": NotRequired[str | None],
    },
)
Checks = TypedDict("Checks", {"checks": list[Check]})
# comparison.json
Difference = TypedDict(
    "Difference",
    {
        "metric": str,
        "baseline": float | None,
        "candidate": float | None,
        "difference": float | None,
        "lower": float | None,
        "upper": float | None,
        "word": str | None,
    },
)
Slice = TypedDict("Slice", {"column": str, "slice": str, "rows": int, "metrics": list[Difference]})
Points = list[dict[str, float]]
Curve = TypedDict("Curve", {"baseline": Points, "candidate": Points})
Drift = TypedDict(
    "Drift",
    {"column": str, "psi": float, "word": str, "before": float | None, "after": float | None},
)
Data = TypedDict(  # pairs are before and now
    "Data",
    {
        "rows": tuple[int, int],
        "columns": list[Drift],
        "gone": NotRequired[list[str]],
        "new": NotRequired[list[str]],
        "label_rate": NotRequired[tuple[float, float]],
    },
)
Whose = Literal["main", "own"]
Baseline = TypedDict(  # what is compared has all of `_COMPARED`
    "Baseline",
    {
        "name": str,
        "kind": NotRequired[str],
        "identity": NotRequired[str],
        "model_digest": NotRequired[str],
        "exam": NotRequired[Whose],
        "limits": NotRequired[Whose],
        "rows": NotRequired[int],
        "threshold": NotRequired[float],
        "metrics": NotRequired[list[Difference]],
        "slices": NotRequired[list[Slice]],
        "curves": NotRequired[dict[str, Curve]],
        "data": NotRequired[Data],
    },
)
_COMPARED = {"rows", "threshold", "metrics", "slices", "curves"}
Comparison = TypedDict(  # `exam` counts the held-out customers that a change has touched
    "Comparison", {"baselines": list[Baseline], "exam": NotRequired[dict[str, int] | None]}
)
# changes.json, empty where nobody has asked
Parameter = TypedDict("Parameter", {"key": str, "before": str, "after": str, "limit": bool})
Changes = TypedDict(
    "Changes",
    {
        "parameters": NotRequired[list[Parameter]],
        "files": NotRequired[list[str]],
        "judge": NotRequired[list[str]],
    },
)
Facts = TypedDict(  # results are null where nothing was judged
    "Facts",
    {
        "format": Literal[1],
        "verdict": Verdict,
        "metrics": Metrics | None,
        "checks": Checks | None,
        "comparison": Comparison | None,
        "changes": Changes,
        "commit": str,
        "uncommitted": bool,  # whether inputs differ from those of the commit
        "fingerprint": str,
        "model_digest": str | None,
    },
)


def baselines(facts: Facts) -> list[Baseline]:
    """Return all baselines that were asked for."""
    return facts["comparison"]["baselines"] if facts["comparison"] else []


def compared(facts: Facts) -> list[Baseline]:
    """Return the baselines that the candidate could be compared with."""
    return [entry for entry in baselines(facts) if set(entry) >= _COMPARED]


def read(document: object) -> Facts:
    """Take a document for facts, if it is of their type.

    Raises
    ------
    ValueError
        If a key is missing, a value is of another type or no finite number, or there is too much
        of something. The message names the key, and repeats nothing of the document.
    """
    require(document, Facts)
    facts = cast(Facts, document)
    if len(baselines(facts)) > _MOST_BASELINES:
        raise ValueError(f"comparison.baselines: more than {_MOST_BASELINES}")
    return facts


def require(value: Any, kind: Any, where: str = "") -> None:
    """Check that a value, as `json.loads` gives it, is of a type of this module; see `read`."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):  # X | None
        if value is not None:
            require(value, parts[0], where)
    elif is_typeddict(kind):
        _require_of(value, dict, where)
        for key, hint in get_type_hints(kind).items():
            path = f"{where}.{key}" if where else key
            if key in value:
                require(value[key], hint, path)
            elif key in kind.__required_keys__:
                raise ValueError(f"{path}: missing")
    elif origin is tuple:
        _require_of(value, list, where)
        if len(value) != len(parts):
            raise ValueError(f"{where}: not {len(parts)} values")
        for part, inner in zip(value, parts, strict=True):
            require(part, inner, where)
    elif origin in (list, dict):
        _require_of(value, origin, where)
        for part in value.values() if origin is dict else value:
            require(part, parts[-1], where)
    elif origin is Literal:
        _require_of(value, type(parts[0]), where)
        if value not in parts:
            raise ValueError(f"{where}: none of {', '.join(map(str, parts))}")
    else:
        _require_of(value, kind, where)


def _require_of(value: Any, kind: type, where: str) -> None:
    where = where or "the whole"
    numbers = (int, float) if kind is float else kind
    if not isinstance(value, numbers) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{where}: not of type {kind.__name__}")
    if isinstance(value, (list, dict)) and len(value) > _MOST_ENTRIES:
        raise ValueError(f"{where}: more than {_MOST_ENTRIES:,} entries")
    if isinstance(value, (int, float)) and not abs(value) < _LARGEST:  # nor is NaN
        raise ValueError(f"{where}: not finite, or too large")
