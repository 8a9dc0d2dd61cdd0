"""Where a candidate comes from: noted beside it, and never believed of another one."""

from __future__ import annotations

import json

import pytest

from churn import bundle, lineage
from churn.errors import CandidateError
from churn.lineage import Source
from tests.unit.releases import Candidates

REVIEWED = Source("reviewed", pull_request=12, run="https://github.com/octo/shop/actions/runs/77")


def test_what_is_noted_is_read(candidates: Candidates) -> None:
    folder = candidates.plan(1).candidate
    assert lineage.read(folder) == Source()
    lineage.write(folder, REVIEWED)
    assert lineage.read(folder) == REVIEWED
    assert bundle.verify(folder)  # the note is no part of it


def test_the_note_of_another_candidate_says_nothing_of_this_one(candidates: Candidates) -> None:
    first, second = (candidates.plan(number).candidate for number in (1, 2))
    lineage.write(first, REVIEWED)
    lineage.path(first).replace(lineage.path(second))
    assert lineage.read(second) == Source()


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"manifest": "x", "who": "me"}', "\x80"])
def test_a_note_that_cannot_be_read_is_an_error(text: str, candidates: Candidates) -> None:
    folder = candidates.plan(1).candidate
    lineage.path(folder).write_bytes(text.encode("latin-1"))
    with pytest.raises(CandidateError, match="does not say how the candidate was got"):
        lineage.read(folder)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (Source(), "a candidate from the desk"),
        (REVIEWED, "the reviewed candidate of pull request #12, byte for byte"),
        (Source("reviewed"), "the reviewed candidate, byte for byte"),
        (Source("reproduced", "the artifact is gone"), "reproduced: the artifact is gone"),
    ],
)
def test_it_is_told_in_one_line(source: Source, told: str) -> None:
    assert source.told == told
    assert json.dumps(source.tags)
