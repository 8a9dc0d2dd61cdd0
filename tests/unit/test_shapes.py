"""JSON as dataclasses: what is written is read again, and nothing else is."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from churn.core.shapes import UNWRITTEN, from_json, to_json


@dataclass(frozen=True)
class Missing:
    absent: str


@dataclass(frozen=True)
class There:
    pair: tuple[int, int]
    kind: Literal["a", "b"] = "a"
    known: dict[str, float | None] = field(default_factory=dict)
    note: str | None = None
    aside: str | None = field(default=None, metadata=UNWRITTEN)


@dataclass(frozen=True)
class Whole:
    parts: list[Missing | There]
    names: tuple[str, ...] = ()


WHOLE = Whole([Missing("gone"), There((1, 2), known={"x": None, "y": 0.5})], ("n",))


def test_what_is_written_is_read_again() -> None:
    assert from_json(Whole, json.loads(json.dumps(to_json(WHOLE)))) == WHOLE


def test_only_a_field_that_says_so_is_left_out_while_it_is_none() -> None:
    written = to_json(There((1, 2)))
    assert written == {"pair": [1, 2], "kind": "a", "known": {}, "note": None}
    assert to_json(There((1, 2), aside="said"))["aside"] == "said"


def test_of_several_shapes_the_first_counts_whose_keys_are_there() -> None:
    both = {"absent": "gone", "pair": [1, 2], "of a newer release": []}
    assert from_json(Whole, {"parts": [both]}).parts == [Missing("gone")]


@pytest.mark.parametrize(
    ("part", "problem"),
    [
        ({}, "parts.pair: missing"),
        ([], "parts: not of type dict"),
        (None, "parts: not of type dict"),
        ({"absent": None}, "parts.absent: not of type str"),
        ({"pair": [1]}, "parts.pair: not 2 values"),
        ({"pair": [1, 2.0]}, "parts.pair: not of type int"),
        ({"pair": "ab"}, "parts.pair: not of type list"),
        ({"pair": [1, 2], "kind": "c"}, "parts.kind: none of the known values"),
        ({"pair": [1, 2], "known": {"x": float("nan")}}, "parts.known: not finite"),
        ({"pair": [1, 2], "known": {"x": True}}, "parts.known: not of type float"),
    ],
)
def test_what_has_another_shape_is_refused_by_its_key(part: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{problem}"):
        from_json(Whole, {"parts": [part]})
