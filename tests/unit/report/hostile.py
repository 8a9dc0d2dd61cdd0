"""Reviews that anybody may have written, made by hypothesis, and what GitHub makes of a text."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import strategies as st

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
KNOWN = ("worse", "none", "better", "production", *TITLES, *facts._OUTCOME, "passed", "failed",
         "crashed", "main", "own")  # fmt: skip
# With more digits they would look like a commit, which is no harm.
_numbers = st.integers(-9_999, 9_999) | st.floats(-9_999, 9_999)


def _of(shape: Any) -> st.SearchStrategy[Any]:
    if isinstance(shape, tuple):
        known = [value for value in shape if isinstance(value, (str, int)) or value is None]
        others = [_of(value) for value in shape if value not in known]
        return st.one_of(*others, st.sampled_from(known))
    if isinstance(shape, list):
        if len(shape) == 1:
            return st.lists(_of(shape[0]), min_size=1, max_size=2) | st.just([])
        return st.tuples(*map(_of, shape)).map(list)
    if isinstance(shape, dict):
        if str in shape:
            keys = texts | st.sampled_from(["roc", "calibration", "added", "recall", "precision"])
            return st.dictionaries(keys, _of(shape[str]), max_size=3)
        needed = {key: _of(inner) for key, inner in shape.items() if not key.endswith("?")}
        others = {key[:-1]: _of(inner) for key, inner in shape.items() if key.endswith("?")}
        # Everything, or less of it: much is shown only where something else is there as well.
        return st.fixed_dictionaries(needed | others) | st.fixed_dictionaries(
            needed, optional=others
        )
    if shape is str:
        return texts | st.sampled_from(KNOWN) | st.just("worse")
    return {bool: st.booleans(), int: st.integers(-(10**20), 10**20), float: _numbers}[shape]


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
documents = _of(facts._FACTS).map(_consistent)


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
