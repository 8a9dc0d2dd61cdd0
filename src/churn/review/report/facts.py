"""Everything that a report says: the shape of review.json, and the check that a document has it.

Other keys may be there; a newer release may write them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

FORMAT = 1
Facts = dict[str, Any]
Points = list[dict[str, float]]
_MOST_ENTRIES, _MOST_BASELINES = 20_000, 20
_LARGEST = 1e30  # a number of a thousand digits would be a text of a thousand characters

# Of a mapping the keys, "?" behind those that may be missing; {str: x}: any texts as keys. [x]: a
# list of x; [x, x]: two of them. (x, None): x or null. A tuple of values: one of these.
_NUMBER = (float, None)
_GATE = {"name": str, "passed": bool, "undecided?": bool, "value": str, "limit": str,
         "reason": str}  # fmt: skip
_OUTCOME = ("judged", "unchanged", "stopped")
_VERDICT = {"passed": bool, "outcome": _OUTCOME, "reason": str, "gates": [_GATE], "moved?": [str],
            "undecided?": bool}  # fmt: skip
METRICS = {"threshold": float, "test": {str: _NUMBER}}
_CHECK = {
    "check": str,
    "status": ("passed", "failed", "crashed"),
    "outcomes?": [{"passed": bool, "details": str}],
    "error?": (str, None),
}
CHECKS = {"checks": [_CHECK]}
_ENDS = {"baseline": _NUMBER, "candidate": _NUMBER, "lower": _NUMBER, "upper": _NUMBER}
_DIFFERENCE = {"metric": str, **_ENDS, "difference": _NUMBER, "word": (str, None)}
_SLICE = {"column": str, "slice": str, "rows": int, "metrics": [_DIFFERENCE]}
_CURVE = {"baseline": [{str: float}], "candidate": [{str: float}]}
_DRIFT = {"column": str, "psi": float, "word": str, "before": _NUMBER, "after": _NUMBER}
_DATA = {  # pairs are before and now
    "rows": [int, int],
    "columns": [_DRIFT],
    "gone?": [str],
    "new?": [str],
    "label_rate?": [float, float],
}
_COMPARED = {"rows": int, "threshold": float, "metrics": [_DIFFERENCE], "slices": [_SLICE],
             "curves": {str: _CURVE}}  # fmt: skip
_TOLD = ("name", "rows", "threshold", "metrics", "everyone", "slices")
# Held-out customers and, predicted out of fold, training rows.
_EVERYONE = {"rows": int, "held_out": int, "metrics": [_DIFFERENCE], "slices": [_SLICE]}
_BASELINE = {
    "name": str,
    "kind?": str,
    "identity?": str,
    "model_digest?": str,
    "exam?": ("main", "own"),  # whose held-out customers and limits it was compared by
    "limits?": ("main", "own"),
    "data?": _DATA,
    "everyone?": (_EVERYONE, None),
    "alone?": (str, None),  # why there is no everyone
    "same_threshold?": ([_DIFFERENCE], None),
    **{f"{key}?": shape for key, shape in _COMPARED.items()},
}
# `exam` counts the held-out customers that a change has touched.
COMPARISON = {"baselines": [_BASELINE], "exam?": ({str: int}, None)}
_PARAMETER = {"key": str, "before": str, "after": str, "limit": bool}
CHANGES = {"parameters?": [_PARAMETER], "files?": [str], "judge?": [str], "decided?": (int, None)}
_FACTS = {
    "format": (FORMAT,),
    "verdict": _VERDICT,
    "metrics": (METRICS, None),  # null where nothing was judged, as the next two
    "checks": (CHECKS, None),
    "comparison": (COMPARISON, None),
    "changes": CHANGES,  # empty where nobody has asked
    "commit": str,
    "uncommitted": bool,  # whether inputs differ from those of the commit
    "fingerprint": str,
    "model_digest": (str, None),
}


def baselines(facts: Facts) -> list[dict[str, Any]]:
    """Return all baselines that were asked for."""
    return facts["comparison"]["baselines"] if facts["comparison"] else []


def compared(facts: Facts) -> list[dict[str, Any]]:
    """Return the comparisons that could be made; of equal ones of a baseline the first."""
    found: list[dict[str, Any]] = []
    for entry in baselines(facts):
        equal = [all(entry.get(key) == other.get(key) for key in _TOLD) for other in found]
        if entry.keys() >= _COMPARED.keys() and not any(equal):
            found.append(entry)
    return found


def read(document: Any) -> Facts:
    """Take for facts what may have been written by anybody.

    Raises
    ------
    ValueError
        If a key is missing, a value is of another type or no finite number, there is too much of
        something, or the verdict contradicts itself. The message names the key, and repeats
        nothing of the document.
    """
    require(document, _FACTS)
    facts: Facts = document
    verdict = facts["verdict"]
    kept = verdict["outcome"] != "stopped" and all(gate["passed"] for gate in verdict["gates"])
    if verdict["passed"] and not kept:
        raise ValueError("verdict.passed: not what its outcome and gates say")
    if verdict.get("undecided", False) != _is_undecided(verdict):
        raise ValueError("verdict.undecided: not what its outcome and gates say")
    if len(baselines(facts)) > _MOST_BASELINES:
        raise ValueError(f"comparison.baselines: more than {_MOST_BASELINES}")
    return facts


def _is_undecided(verdict: dict[str, Any]) -> bool:
    """Tell whether nothing has failed in a judged verdict, and something cannot be told."""
    open_ = [gate for gate in verdict["gates"] if gate.get("undecided")]
    failed = [gate for gate in verdict["gates"] if not gate["passed"] and gate not in open_]
    return verdict["outcome"] == "judged" and bool(open_) and not failed


def require(value: Any, shape: Any, where: str = "") -> None:
    """Check that a value, as `json.loads` gives it, has a shape of this module; see `read`."""
    if isinstance(shape, tuple):
        if any(type(value) is type(one) and value == one for one in shape):
            return
        shape = shape[0]
    kind = type(shape) if isinstance(shape, (dict, list)) else shape
    where = where or "the whole"
    if not isinstance(kind, type):
        raise ValueError(f"{where}: none of the known values")
    numbers = (int, float) if kind is float else kind
    if not isinstance(value, numbers) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{where}: not of type {kind.__name__}")
    if isinstance(value, (int, float)) and not abs(value) < _LARGEST:  # nor is NaN
        raise ValueError(f"{where}: not finite, or too large")
    if isinstance(value, (dict, list)):
        if len(value) > _MOST_ENTRIES:
            raise ValueError(f"{where}: more than {_MOST_ENTRIES:,} entries")
        for part, inner, path in _parts(value, shape, where):
            require(part, inner, path)


def _parts(value: Any, shape: Any, where: str) -> Iterator[tuple[Any, Any, str]]:
    if isinstance(shape, list):
        shapes = shape * len(value) if len(shape) == 1 else shape
        if len(shapes) != len(value):
            raise ValueError(f"{where}: not {len(shape)} values")
        yield from ((part, inner, where) for part, inner in zip(value, shapes, strict=True))
    elif str in shape:
        yield from ((part, shape[str], where) for part in value.values())
    else:
        for key, inner in shape.items():
            name = key.removesuffix("?")
            path = f"{where}.{name}".removeprefix("the whole.")
            if name in value:
                yield value[name], inner, path
            elif name == key:
                raise ValueError(f"{path}: missing")
