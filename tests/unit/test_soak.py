"""`make soak`: what it counts as a fault."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from benchmarks import soak
from benchmarks.soak import Moved, Question, Seen, Tally, Trend

_QUESTION = Question(b"", {"1": [0.25], "2": [0.5]})
_FLAT = [(float(second), 300.0 + second % 2) for second in range(60)]


def body(*probabilities: float) -> bytes:
    return json.dumps({"predictions": [{"probability": p} for p in probabilities]}).encode()


def test_an_answer_must_be_that_of_the_version_that_it_names() -> None:
    assert _QUESTION.wrong(200, "1", body(0.25)) is None
    assert _QUESTION.wrong(200, "2", body(0.5)) is None
    for status, version, said in (
        (200, "2", body(0.25)),
        (200, "1", body(0.25 + 1e-16 * 4)),  # the next number but one
        (200, "1", body(0.25, 0.25)),
        (200, "3", body(0.25)),
        (200, None, body(0.25)),
        (200, "1", b"{"),
        (503, "1", body(0.25)),
    ):
        assert _QUESTION.wrong(status, version, said), (status, version, said)


def test_memory_grows_if_it_is_more_than_noise() -> None:
    assert not Trend.of(_FLAT).grows
    leak = [(second, mb + max(0.0, second - 20)) for second, mb in _FLAT]
    assert Trend.of(leak).grows
    assert Trend.of(leak).slope == pytest.approx(60, abs=1)
    warm_up = [(second, min(mb, 100 + 10 * second)) for second, mb in _FLAT]
    assert not Trend.of(warm_up).grows
    small = [(second, mb + second / 10) for second, mb in _FLAT]
    assert not Trend.of(small).grows


def seen_at(*answers: tuple[float, str]) -> dict[tuple[int, str], float]:
    return {(int(moment), version): moment for moment, version in answers}


def test_a_version_must_be_served_by_all_soon_after_it_is_in_production() -> None:
    moves = [Moved("1", 98.0, 100.0), Moved("2", 128.0, 130.0)]
    good = seen_at((99.0, "2"), (104.0, "2"), (105.0, "1"), (127.0, "1"), (134.0, "2"))
    assert soak.late(moves, good, 160.0) == []
    before_the_command_ended = good | seen_at((129.5, "2"))
    assert soak.late(moves, before_the_command_ended, 160.0) == []
    never = seen_at((99.0, "2"), (104.0, "2"), (129.0, "2"), (134.0, "2"))
    assert len(soak.late(moves, never, 160.0)) == 1
    not_by_all = good | seen_at((150.0 + soak.FOLLOWED_S / 2, "1"))
    assert soak.late(moves, not_by_all, 180.0) == ["version 2: not served by all 20 s later"]


@pytest.mark.parametrize(
    ("other", "word"),
    [
        ({"tallies": [Tally(faults=Counter({"no answer: ConnectionResetError": 2}))]}, "2 x no"),
        ({"memory": {1: _FLAT, 2: _FLAT, 3: _FLAT, 4: _FLAT}}, "some have ended"),
        ({"memory": {1: _FLAT, 2: _FLAT, 3: [(t, t * 10) for t, _ in _FLAT]}}, "memory grows"),
        ({"moves": [Moved("1", 99.0, 100.0)]}, "not served"),
    ],
)
def test_each_fault_is_told(other: dict[str, Any], word: str) -> None:
    good: dict[str, Any] = {
        "tallies": [Tally(asked=1, right=1)],
        "moves": [],
        "memory": {1: _FLAT, 2: _FLAT, 3: _FLAT},
        "supervisor": 1,
        "end": 200.0,
    }
    assert soak.faults(Seen(**good)) == []
    [told] = soak.faults(Seen(**good | other))
    assert word in told
