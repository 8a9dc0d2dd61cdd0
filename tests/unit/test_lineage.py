"""Where a candidate comes from; GitHub is asked over HTTP, and need not answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from churn.core.errors import CandidateError
from churn.provenance import lineage
from churn.provenance.github_answers import MergedPull
from churn.provenance.lineage import Source
from tests.workflows.fake_github import TOKEN, FakeGitHub

COMMIT = "c" * 40


@pytest.fixture
def environment(served_github: FakeGitHub, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return what a job of a workflow knows."""
    monkeypatch.setenv("SSL_CERT_FILE", str(served_github.certificate))
    return {
        "GITHUB_SERVER_URL": f"https://{served_github.host}",
        "GITHUB_REPOSITORY": "octo/shop",
        "GITHUB_RUN_ID": "77",
        "GH_TOKEN": TOKEN,
    }


def test_which_pull_request_was_merged_is_one_question(
    served_github: FakeGitHub, environment: dict[str, str]
) -> None:
    served_github.open_pull(3, "octo/shop", "better", "a" * 40)
    served_github.merge_pull(3, COMMIT)
    source, unknown = lineage.of_commit(COMMIT, environment)
    run = f"https://{served_github.host}/octo/shop/actions/runs/77"
    assert (source, unknown) == (Source(how="commit", pull_request=3, run=run), None)
    assert len(served_github.asked) == 1


def test_a_direct_push_has_none(served_github: FakeGitHub, environment: dict[str, str]) -> None:
    served_github.commits[COMMIT] = []
    source, unknown = lineage.of_commit(COMMIT, environment)
    assert (source.pull_request, unknown) == (None, None)


def test_where_github_does_not_answer_it_is_said_and_is_no_failure(
    environment: dict[str, str],
) -> None:
    environment |= {"GITHUB_SERVER_URL": "https://127.0.0.1:9"}
    source, unknown = lineage.of_commit(COMMIT, environment)
    assert source.pull_request is None
    assert unknown is not None
    assert unknown.startswith("the pull request is unknown: ")


def test_another_ci_has_no_github_to_ask() -> None:
    assert lineage.of_commit(COMMIT, {}) == (Source(how="commit"), None)


@pytest.mark.parametrize("answer", [[], [{}], [{"merged_at": "x"}], [{"number": 3}], [1]])
def test_an_odd_answer_names_none(answer: list[dict[str, object]]) -> None:
    assert lineage.merged_pull(list(map(MergedPull.read, answer)), COMMIT) is None


def test_of_several_pull_requests_it_is_the_one_that_was_merged_as_this_commit() -> None:
    pulls = [
        {"number": 1, "merged_at": "x", "merge_commit_sha": "d" * 40},
        {"number": 2, "merged_at": None, "merge_commit_sha": COMMIT},
        {"number": 3, "merged_at": "x", "merge_commit_sha": COMMIT},
    ]
    assert lineage.merged_pull(list(map(MergedPull.read, pulls)), COMMIT) == 3


def test_a_note_is_read_and_a_candidate_without_one_was_made_locally(tmp_path: Path) -> None:
    assert lineage.read(tmp_path) == Source()
    made = {"how": "commit", "pull_request": 12, "run": "https://github.com/o/r/actions/runs/7"}
    (tmp_path / lineage.FILE).write_text(json.dumps(made))
    assert lineage.read(tmp_path) == Source(**made)
    assert Source(**made).summary == "made in a clean checkout of the commit of pull request #12"
    assert Source().summary == "made locally"


@pytest.mark.parametrize("text", ["", "[]", '{"what": 1}', "{"])
def test_a_damaged_note_is_an_error(text: str, tmp_path: Path) -> None:
    (tmp_path / lineage.FILE).write_text(text)
    with pytest.raises(CandidateError, match="does not say how the candidate was made"):
        lineage.read(tmp_path)
