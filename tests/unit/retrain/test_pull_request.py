"""The pull request, at a GitHub made here."""

from __future__ import annotations

from pathlib import Path

import pytest

from churn.core.errors import GitHubError
from churn.provenance.git import git
from churn.provenance.github import Repository
from churn.retrain import pull_request
from tests.unit.repositories import commit
from tests.workflows.fake_github import TOKEN, FakeGitHub

BRANCH = "retrain/2026-11-02"


@pytest.fixture
def github(
    served_github: FakeGitHub, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> FakeGitHub:
    monkeypatch.setenv("SSL_CERT_FILE", str(served_github.certificate))
    served_github.git = repository
    git(repository, "branch", BRANCH)
    return served_github


@pytest.fixture
def client(github: FakeGitHub) -> Repository:
    return Repository(f"https://{github.host}/octo/shop", TOKEN)


@pytest.mark.parametrize(
    "address",
    [
        "https://github.com/octo/shop",
        "https://me:secret@github.com/octo/shop.git",
        "git@github.com:octo/shop.git",
        "ssh://git@github.com/octo/shop",
    ],
)
def test_the_repository_is_that_of_origin(repository: Path, address: str) -> None:
    git(repository, "remote", "add", "origin", address)
    found = pull_request.repository(repository, {})
    assert (found.address, found.name) == ("https://github.com/octo/shop", "octo/shop")


@pytest.mark.parametrize(
    ("address", "server"),
    [
        ("ssh://git@ghe.example.org:2222/octo/shop.git", "https://ghe.example.org"),
        ("git@ghe.example.org:octo/shop.git", "https://ghe.example.org"),
        ("https://ghe.example.org:8443/octo/shop", "https://ghe.example.org:8443"),
    ],
)
def test_a_port_of_ssh_is_none_of_the_api(repository: Path, address: str, server: str) -> None:
    git(repository, "remote", "add", "origin", address)
    assert pull_request.repository(repository, {}).address == f"{server}/octo/shop"


def test_in_a_workflow_it_is_the_workflow_s(repository: Path) -> None:
    environment = {"GITHUB_REPOSITORY": "octo/shop", "GITHUB_SERVER_URL": "https://ghe.example.org"}
    found = pull_request.repository(repository, environment | {"GH_TOKEN": "t"})
    assert (found.address, found.token) == ("https://ghe.example.org/octo/shop", "t")


def test_a_folder_is_no_repository_on_github(repository: Path) -> None:
    git(repository, "remote", "add", "origin", "../origin.git")
    with pytest.raises(GitHubError, match="--no-pull-request stops after the commit"):
        pull_request.repository(repository, {})


@pytest.mark.slow
def test_one_is_opened_found_again_and_updated(github: FakeGitHub, client: Repository) -> None:
    assert pull_request.find(client, "main") is None
    opened = pull_request.write(client, None, BRANCH, "main", "a title", "a body")
    assert (opened.number, opened.address) == (1, f"https://{github.host}/octo/shop/pull/1")

    found = pull_request.find(client, "main")
    assert found is not None and found.branch == BRANCH
    again = pull_request.write(client, found, BRANCH, "main", "another", "and another")

    assert again.number == 1
    [pull] = github.pulls
    assert (pull["title"], pull["body"]) == ("another", "and another")


@pytest.mark.slow
def test_other_pull_requests_are_not_its_own(github: FakeGitHub, client: Repository) -> None:
    head = commit(github.git)
    github.open_pull(3, "octo/shop", "better", head)
    github.open_pull(4, "stranger/shop", BRANCH, head)  # a fork's branch of the same name
    github.open_pull(5, "octo/shop", BRANCH, head, base="release")
    assert pull_request.find(client, "main") is None
    for number in (6, 8, 7):
        github.open_pull(number, "octo/shop", f"{BRANCH}.{number}", head)
    found = pull_request.find(client, "main")
    assert found is not None and found.number == 8
    github.merge_pull(8, head)
    found = pull_request.find(client, "main")
    assert found is not None and found.number == 7


@pytest.mark.slow
def test_where_workflows_may_open_none_it_is_said_what_to_do(
    github: FakeGitHub, client: Repository
) -> None:
    github.permits_pulls = False
    with pytest.raises(GitHubError, match=r"churn setup github --retrain --apply"):
        pull_request.write(client, None, BRANCH, "main", "a title", "a body")
    github.outage = (500, {"message": "away"})
    with pytest.raises(GitHubError, match="away"):
        pull_request.write(client, None, BRANCH, "main", "a title", "a body")


@pytest.mark.slow
@pytest.mark.parametrize("answer", [[], {"number": 1}, {"number": "x", "html_url": 1, "user": {}}])
def test_an_answer_that_is_none_is_one_line(
    github: FakeGitHub, client: Repository, answer: object
) -> None:
    github.outage = (201, answer)
    with pytest.raises(GitHubError, match="GitHub's answer is not as expected"):
        pull_request.write(client, None, BRANCH, "main", "a title", "a body")


@pytest.mark.slow
def test_the_checks_of_the_bot_s_wait_and_those_of_an_app_do_not(
    github: FakeGitHub, client: Repository
) -> None:
    assert pull_request.waits(pull_request.write(client, None, BRANCH, "main", "t", "b"))
    found = pull_request.find(client, "main")
    github.author = "our-app[bot]"
    assert not pull_request.waits(pull_request.write(client, found, BRANCH, "main", "t", "b"))
