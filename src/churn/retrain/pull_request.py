"""The one open pull request with a newest table: found, opened or updated."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from churn.core.errors import GitHubError
from churn.provenance import remote
from churn.provenance.github import Repository
from churn.provenance.github_answers import OpenedPull, PullRequest
from churn.retrain.branch import PREFIX

_ADDRESS = re.compile(
    r"(?:https?://(?:[^/@]*@)?(?P<web>[^/:]+(?::\d+)?)/"
    r"|ssh://(?:[^/@]*@)?(?P<ssh>[^/:]+)(?::\d+)?/"  # a port of ssh is none of the web's
    r"|[^/@]*@(?P<scp>[^/:]+):)"
    r"(?P<name>[^/]+/[^/]+?)(?:\.git)?/?"
)
_BOT = "github-actions[bot]"
_NOT_PERMITTED = "not permitted to create or approve pull requests"


def repository(root: Path, environment: Mapping[str, str] = os.environ) -> Repository:
    """Return the repository on GitHub: the one of the workflow, else that of ``origin``.

    Raises
    ------
    ArtifactError
        If there is no ``origin``.
    GitHubError
        If its address is no repository on a server.
    """
    token = environment.get("GH_TOKEN", "")
    if name := environment.get("GITHUB_REPOSITORY"):
        server = environment.get("GITHUB_SERVER_URL") or "https://github.com"
        return Repository(f"{server}/{name}", token)
    address = remote.address(root)
    found = _ADDRESS.fullmatch(address)
    if not found:
        raise GitHubError(
            "origin is no repository on GitHub; --no-pull-request stops after the commit"
        )
    host = found["web"] or found["ssh"] or found["scp"]
    return Repository(f"https://{host}/{found['name']}", token)


def find(github: Repository, base: str) -> PullRequest | None:
    """Return the open pull request of an earlier retraining, the newest if there are several."""
    own = [
        pull
        for pull in github.open_pull_requests(base)
        if pull.branch.startswith(PREFIX)
        and (pull.source or "").casefold() == github.name.casefold()
    ]
    return max(own, key=lambda pull: pull.number, default=None)


def write(
    github: Repository,
    found: PullRequest | None,
    branch: str,
    base: str,
    title: str,
    body: str,
) -> OpenedPull:
    """Open a pull request, or give the one that was found another title and body.

    Raises
    ------
    GitHubError
        If GitHub refuses.
    """
    if found is not None:
        return github.update_pull_request(found.number, title, body)
    try:
        return github.create_pull_request(branch, base, title, body)
    except GitHubError as error:
        if _NOT_PERMITTED not in str(error):
            raise
        raise GitHubError(
            f"{branch} is pushed, and GitHub does not let workflows open pull requests; run `churn"
            " setup github --retrain --apply`, or give this workflow a token (docs/retraining.md)"
        ) from error


def waits(opened: OpenedPull) -> bool:
    """Tell whether its checks wait for a click: GitHub holds those of its own bot back."""
    return opened.author == _BOT
