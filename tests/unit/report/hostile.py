"""Reviews that anybody may have written, made by hypothesis, and what GitHub makes of a text."""

from __future__ import annotations

import re
from dataclasses import is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from hypothesis import strategies as st

from churn.core.shapes import described
from churn.evaluation.metric_names import TITLES
from churn.review.report import facts
from tests.unit.report.samples import ALIVE, HOSTILE, Seen

# What Unicode wants ignored where it cannot be shown, letters that are blank, and controls.
HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ud800-\uf8ff\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff0-\ufffc\U0001bca0-\U0001bca3\U0001d159\U0001d173-\U0001d17a\U000e0000-\U0010ffff]"
)
_PIECES = [
    *(text for text in HOSTILE if len(text) < 100),
    *"@#:/.`|\\<>[]()!*_~$&;-+=1a \n\t'\"{}^%?",
    *("www.", "http://", "GH-1", "@u", "x.y", "<a", "<!--", "```", "](", "&#", "&#x40;", "&lt;"),
    *("<details>", "</summary>", "~~~", "abcdef1", "mail@x.yz", "é", "语", "\u0338", "\u0e47"),
    *("\u200b", "\u202e", "\ufe0f", "\U000e0101", "\uffa0", "\u034f", "\u115f", "\u3164", "\u2066"),
]
texts = st.one_of(st.text(max_size=40), st.lists(st.sampled_from(_PIECES), max_size=8).map("".join))
# Texts that decide about the layout.
KNOWN = ("worse", "none", "better", "production", *TITLES, "judged", "unchanged",
         "model.hyperparameters.x", "stopped", "passed", "failed", "crashed", "main", "own",
         "revision", "stored", "reproduced", "registry")  # fmt: skip
# With more digits they would look like a commit, which is no harm.
_numbers = st.integers(-9_999, 9_999) | st.floats(-9_999, 9_999)


def _of(shape: Any) -> st.SearchStrategy[Any]:
    """Make JSON of a class of `facts`, or of the type of one of its keys."""
    origin, inner = get_origin(shape), get_args(shape)
    if origin in (Union, UnionType):
        return st.one_of(*map(_of, inner))
    if origin is Literal:
        return st.sampled_from(inner)
    if origin is tuple and inner[-1] is not Ellipsis:
        return st.tuples(*map(_of, inner)).map(list)
    if origin in (list, tuple):
        return st.lists(_of(inner[0]), min_size=1, max_size=2) | st.just([])
    if origin is dict:
        keys = texts | st.sampled_from(["roc", "calibration", "added", "recall", "precision"])
        return st.dictionaries(keys, _of(inner[1]), max_size=3)
    if is_dataclass(shape):
        needed, others = {}, {}
        for name, (kind, is_needed) in described(shape).items():
            (needed if is_needed else others)[name] = _of(kind)
        # Everything, or less of it: much is shown only where something else is there as well.
        return st.fixed_dictionaries(needed | others) | st.fixed_dictionaries(
            needed, optional=others
        )
    if shape is str:
        return texts | st.sampled_from(KNOWN) | st.just("worse")
    return {
        bool: st.booleans(),
        int: st.integers(-(10**20), 10**20),
        float: _numbers,
        NoneType: st.none(),
    }[shape]


def _consistent(document: dict[str, Any]) -> dict[str, Any]:
    verdict = document["verdict"]
    kept = verdict["outcome"] != "stopped" and all(gate["passed"] for gate in verdict["gates"])
    verdict["passed"] &= kept
    undecided = [gate for gate in verdict["gates"] if gate.get("undecided")]
    others = [gate for gate in verdict["gates"] if not gate.get("undecided")]
    failed = any(not gate["passed"] for gate in others)
    verdict["undecided"] = verdict["outcome"] == "judged" and bool(undecided) and not failed
    return document


# Of every shape that is read, with any text in any place.
documents = _of(facts.Facts).map(_consistent)


def renamed(node: Any, names: dict[str, str]) -> Any:
    """Put an innocent text in the place of every other one, equal ones for equal ones."""
    if isinstance(node, str):
        return node if node in KNOWN else names.setdefault(node, f"x{len(names)}")
    if isinstance(node, list):
        return [renamed(part, names) for part in node]
    if isinstance(node, dict):
        return {key: renamed(part, names) for key, part in node.items()}
    return node


def cells(html: str) -> list[str]:
    """Return what stands in the cells of all tables."""
    return re.findall(r"<t[dh](?: [^>]*)?>(.*?)</t[dh]>", html, re.DOTALL)


def alive(html: str, tags: set[str], attributes: set[str]) -> list[str]:
    """Name what could hurt, notify or deceive a reader of a page."""
    seen = Seen(html)
    found = [tag for tag in seen.tags if tag not in tags]
    found += [name for name, _ in seen.attributes if name not in attributes]
    found += [pattern.pattern for pattern in ALIVE if pattern.search(seen.text)]
    # Zero-width spaces are our own: what they stand in does not come alive.
    return found + HIDDEN.findall(html.replace("\u200b", ""))
