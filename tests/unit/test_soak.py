"""`make soak`: what it counts as a fault."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from benchmarks import soak
from benchmarks.soak import Met, Moved, Question, Seen, Tally, Trend

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
        (200, "1,1", body(0.25)),
        (200, "1,3", body(0.25)),
        (200, "", body(0.25)),
    ):
        assert _QUESTION.wrong(status, version, said), (status, version, said)


def test_in_a_trial_each_customer_of_a_large_request_is_one_version_s() -> None:
    large = Question(b"", {"1": [0.25, 0.3], "2": [0.5, 0.6]})
    for right in (body(0.25, 0.6), body(0.5, 0.3)):
        assert large.wrong(200, "1,2", right) is None
        assert large.wrong(200, "2,1", right) is None
        assert large.wrong(200, "1", right)
    assert large.wrong(200, "1,2", body(0.25, 0.5))  # of the other customer
    assert large.wrong(200, "1,2", body(0.25))


def test_memory_grows_if_it_is_more_than_noise() -> None:
    assert not Trend.of(_FLAT).grows
    leak = [(second, mb + max(0.0, second - 20)) for second, mb in _FLAT]
    assert Trend.of(leak).grows
    assert Trend.of(leak).slope == pytest.approx(60, abs=1)
    warm_up = [(second, min(mb, 100 + 10 * second)) for second, mb in _FLAT]
    assert not Trend.of(warm_up).grows
    small = [(second, mb + second / 10) for second, mb in _FLAT]
    assert not Trend.of(small).grows


def answers(begun: float, *versions: str) -> list[Met]:
    """Let customers be answered each second from a moment on, each by one version."""
    moments = [begun + second for second in range(8)]
    return [
        Met(moment, f"C{place}", version)
        for moment in moments
        for place, version in enumerate(versions)
    ]


MOVES = [Moved("1", 98.0, 100.0), Moved("2", 128.0, 130.0)]
GOOD = [
    *answers(104.0, "2", "2", "2", "1"),  # still before the first of them
    *answers(120.5, "1", "1", "1", "2"),
    *answers(128.5, "1", "1", "1", "2"),
    *answers(151.0, "2", "1", "2", "2"),  # another trial, other customers
]


def test_each_customer_meets_one_version_in_a_trial() -> None:
    assert soak.strayed(MOVES, GOOD, 160.0) == []
    strays = [*GOOD, Met(125.0, "C1", "2")]
    [told] = soak.strayed(MOVES, strays, 160.0)
    assert told.startswith("version 1: 1 customers met both, such as C1, from ")
    early = [*GOOD, Met(119.0, "C1", "2")]  # some worker had not followed yet
    assert soak.strayed(MOVES, early, 160.0) == []


@pytest.mark.parametrize(
    ("versions", "said"),
    [
        (["1", "1", "1", "2"], "version 2: not served by all 20 s later"),  # it has not followed
        ([], "version 2: not served by all 20 s later"),
        (["2", "2", "2", "2"], "version 2: no challenger has answered"),
    ],
)
def test_a_version_must_be_served_by_all_soon_and_the_other_be_tried(
    versions: list[str], said: str
) -> None:
    others = [one for one in GOOD if one.moment < 150]
    assert soak.strayed(MOVES, [*others, *answers(151.0, *versions)], 160.0) == [said]


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
