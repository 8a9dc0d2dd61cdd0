"""What a pull request touches, asked of a GitHub that answers over HTTPS."""

from __future__ import annotations

from typing import Any

import pytest

from churn.comment.touched import Change, fetch_change
from churn.provenance.github import Repository
from churn.provenance.github_answers import PullRequest
from churn.review.params_text import Edit
from tests.conftest import PARAMS, ROOT
from tests.unit.comment.samples import NOTHING
from tests.workflows.fake_github import BASE, HEAD, TOKEN, FakeGitHub

PARAMS = PARAMS.read_text()
LOWERED = PARAMS.replace("roc_auc: 0.78", "roc_auc: 0.5")
PULL = PullRequest(3, head=HEAD, branch="better", source="octo/shop", base="main")


@pytest.fixture
def github(served_github: FakeGitHub, monkeypatch: pytest.MonkeyPatch) -> FakeGitHub:
    """Return a GitHub that `gh` trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(served_github.certificate))
    return served_github


def looked(github: FakeGitHub, *names: str, **others: Any) -> Change:
    """Say what a pull request touches that changes files of these names."""
    github.files += [{"filename": name, "status": "modified", **others} for name in names]
    return fetch_change(Repository(f"https://{github.host}/octo/shop", TOKEN), PULL, ROOT)


def test_files_are_told_by_their_kinds(github: FakeGitHub) -> None:
    names = ["src/churn/review/gate.py", ".github/workflows/comment.yml", "data.dvc", "README.md"]
    change = looked(github, *names, "src/churn/model/features.py")
    assert change.files is not None
    assert change.files.judging == ("src/churn/review/gate.py",)
    assert change.files.workflows == (".github/workflows/comment.yml",)
    assert change.files.data == ("data.dvc",)
    assert change.files.model == ("src/churn/model/features.py",)
    assert (change.complete, change.edits) == (True, [])
    assert not [asked for asked in github.asked if "contents" in asked]


def test_a_file_that_was_renamed_has_both_its_names(github: FakeGitHub) -> None:
    change = looked(github, "docs/gate.md", previous_filename="src/churn/review/gate.py")
    assert change.files is not None
    assert change.files.judging == ("src/churn/review/gate.py",)


@pytest.mark.slow
def test_limits_are_compared_with_the_commit_at_which_the_branch_left_main(
    github: FakeGitHub,
) -> None:
    # What main has changed since is no change of the pull request.
    github.texts = {BASE: PARAMS, HEAD: LOWERED, "c" * 40: PARAMS.replace("0.6", "0.7")}
    change = looked(github, "params.yaml")
    assert change.edits == [Edit("gates", ("    roc_auc: 0.78",), ("    roc_auc: 0.5",))]


@pytest.mark.slow
def test_other_parameters_are_no_limits(github: FakeGitHub) -> None:
    github.texts = {BASE: PARAMS, HEAD: PARAMS.replace("max_iter: 120", "max_iter: 60")}
    assert looked(github, "params.yaml").edits == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "texts",
    [{}, {BASE: PARAMS}, {HEAD: PARAMS}, {BASE: PARAMS, HEAD: f"{PARAMS}---\n"}],
    ids=["none", "deleted", "new", "another shape"],
)
def test_limits_that_cannot_be_read_may_have_changed(
    github: FakeGitHub, texts: dict[str, str]
) -> None:
    github.texts = texts
    assert looked(github, "params.yaml").edits is None


@pytest.mark.long
def test_a_list_as_long_as_github_makes_it_is_not_complete(github: FakeGitHub) -> None:
    github.texts = {BASE: PARAMS, HEAD: LOWERED}
    change = looked(github, *(f"docs/{i}.md" for i in range(3000)))
    assert not change.complete
    assert change.edits  # params.yaml may be one of the files that are not listed
    github.files.pop()
    assert looked(github).complete


@pytest.mark.parametrize(
    "answer", [(500, {"message": "down"}), (404, {}), (200, [{}]), (200, {}), (200, [7])]
)
def test_where_github_does_not_say_nothing_counts_as_known(
    github: FakeGitHub, answer: tuple[int, Any]
) -> None:
    github.outage = answer
    assert looked(github) == Change(None, False, None)


@pytest.mark.slow
def test_a_merge_base_that_is_not_told_leaves_the_limits_open(
    github: FakeGitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeGitHub, "_merge_base", lambda self: (200, {}))
    github.texts = {BASE: PARAMS, HEAD: PARAMS}
    assert looked(github, "params.yaml").edits is None


def test_a_change_of_nothing_touches_nothing(github: FakeGitHub) -> None:
    assert looked(github) == Change(NOTHING, True, [])
