"""The review as an artifact that may want to do harm; tests/workflows has more of them."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from typing import Any

import pytest

from churn.comment import artifact
from churn.comment.artifact import RefusedError
from churn.provenance.github_answers import Artifact
from churn.review.report.facts import read
from tests.unit.report.samples import facts, zipped

REVIEW = zipped(json.dumps(facts()))


class Repository:
    """A repository whose run has left these artifacts."""

    def __init__(self, *listed: Artifact) -> None:
        self.listed, self.asked = list(listed), list[int]()

    def artifacts(self, run_id: int, name: str) -> list[Artifact]:
        assert (run_id, name) == (77, "comment")
        return self.listed

    def download(self, number: int, max_bytes: int) -> bytes:
        self.asked.append(number)
        return REVIEW if number != 9 else REVIEW + b"\0" * max_bytes


def fetch(*listed: Artifact) -> tuple[Any, list[int]]:
    repository = Repository(*listed)
    return artifact.fetch(repository, 77), repository.asked  # type: ignore[arg-type]


def listed(number: int, **other: Any) -> Artifact:
    return replace(Artifact(number, "comment", expired=False, size_in_bytes=9), **other)


def test_the_artifact_of_the_last_attempt_is_read() -> None:
    gone = [listed(6, expired=True), listed(7, name="candidate")]
    assert fetch(listed(4), listed(5), *gone) == (read(facts()), [5])
    assert fetch(*gone) == (None, [])
    assert fetch() == (None, [])


def test_a_too_large_artifact_is_not_even_asked_for() -> None:
    repository = Repository(listed(4, size_in_bytes=1_000_001))
    with pytest.raises(RefusedError, match="larger than 1,000,000 bytes"):
        artifact.fetch(repository, 77)  # type: ignore[arg-type]
    assert repository.asked == []


def test_an_artifact_that_is_larger_than_its_listing_says_is_refused() -> None:
    with pytest.raises(RefusedError, match="larger than 1,000,000 bytes"):
        fetch(listed(9))


@pytest.mark.parametrize(
    ("archive", "reason"),
    [
        (b"", "not a zip file"),
        (REVIEW[:-30], "not a zip file"),
        (zipped("{}", "../review.json"), "more or other files than review.json"),
        (zipped("{}", "report.md"), "more or other files than review.json"),
        (zipped(b"\xff"), "not JSON"),
        (zipped('{"format": ' + "9" * 5000 + "}"), "not JSON"),
        (zipped("[" * 100_000), "not JSON"),
        (zipped('"x"'), "the whole: not of type dict"),
        (zipped(json.dumps({**facts(), "format": 2})), "format: none of the known values"),
        (zipped(json.dumps({**facts(), "commit": 7})), "commit: not of type str"),
        (zipped(b" " * 4_000_001), "unpacks to more than 4,000,000 bytes"),
    ],
)
def test_what_is_no_review_is_refused(archive: bytes, reason: str) -> None:
    with pytest.raises(RefusedError, match=reason):
        artifact.unpack(archive)


def test_a_packing_that_costs_memory_is_refused() -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("review.json", json.dumps(facts()))
    with pytest.raises(RefusedError, match="packed by an unsupported method"):
        artifact.unpack(made.getvalue())


def test_a_refusal_repeats_nothing_of_the_review() -> None:
    document: dict[str, Any] = facts() | {"changes": {"files": ["@evil", {"@evil": 1}]}}
    with pytest.raises(RefusedError) as refused:
        artifact.unpack(zipped(json.dumps(document)))
    assert "changes.files: not of type str" in str(refused.value)
    assert "evil" not in str(refused.value)
