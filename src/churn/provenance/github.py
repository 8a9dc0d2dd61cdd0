"""A client of GitHub's API for one repository, on top of `gh`.

`churn.comment` runs without packages, so this imports the standard library, and of churn only
`core.errors`, `core.process` and `provenance.github_answers`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from churn.core import process
from churn.core.errors import GitHubError
from churn.provenance.github_answers import (
    Artifact,
    ChangedFile,
    Comment,
    Issue,
    Job,
    MergedPull,
    OpenedPull,
    PullRequest,
)

_PAGE_SIZE = 100
_RAW = "Accept: application/vnd.github.raw+json"
TIMEOUT_S = 120
Listed = TypeVar("Listed")


class Repository:
    """A repository on a GitHub server.

    Parameters
    ----------
    address : str
        Such as ``https://github.com/owner/name``.
    token : str
        With the permissions ``actions``, ``contents`` and ``pull-requests``, those that the calls
        need. Never part of an error message.
    """

    def __init__(self, address: str, token: str) -> None:
        self.address, self.token = address, token
        self._path = f"repos{urlsplit(address).path}"

    @property
    def name(self) -> str:
        """Such as ``owner/name``."""
        return self._path.removeprefix("repos/")

    def pull_requests(self, owner: str, branch: str) -> list[PullRequest]:
        """List the open pull requests from a branch."""
        return self._listed(PullRequest.read, "pulls", {"head": f"{owner}:{branch}"})

    def open_pull_requests(self, base: str) -> list[PullRequest]:
        """List the open pull requests to a branch."""
        return self._listed(PullRequest.read, "pulls", {"base": base, "state": "open"})

    def create_pull_request(self, branch: str, base: str, title: str, body: str) -> OpenedPull:
        """Open a pull request from a branch of this repository."""
        return self._opened("POST", "pulls", head=branch, base=base, title=title, body=body)

    def update_pull_request(self, number: int, title: str, body: str) -> OpenedPull:
        """Give a pull request another title and body."""
        return self._opened("PATCH", f"pulls/{number}", title=title, body=body)

    def pull_requests_of(self, commit: str) -> list[MergedPull]:
        """List the pull requests that contain a commit."""
        return self._listed(MergedPull.read, f"commits/{commit}/pulls")

    def changed_files(self, number: int) -> list[ChangedFile]:
        """List the files that a pull request changes; GitHub lists at most 3,000."""
        return self._listed(ChangedFile.read, f"pulls/{number}/files")

    def comments(self, number: int) -> list[Comment]:
        """List every comment of a pull request, oldest first."""
        return self._listed(Comment.read, f"issues/{number}/comments")

    def write_comment(self, number: int, comment_id: int | None, body: str) -> str:
        """Create a comment, or update `comment_id`, and return its URL."""
        request = ("PATCH", f"issues/comments/{comment_id}")
        if comment_id is None:
            request = ("POST", f"issues/{number}/comments")
        return _url(self._api(*request, "--input", "-", stdin=json.dumps({"body": body})))

    def issues(self, label: str) -> list[Issue]:
        """List the open issues with a label, oldest first."""
        query = {"labels": label, "state": "open", "direction": "asc"}
        return [found for found in self._listed(Issue.read, "issues", query) if not found.is_pull]

    def write_issue(self, number: int | None, title: str, body: str, label: str) -> str:
        """Open an issue, or update the text of issue `number`, and return its URL."""
        content: dict[str, Any] = {"body": body}
        if number is None:  # later ones are people's: GitHub would replace all labels by these
            content |= {"title": title, "labels": [label]}
        request = ("POST", "issues") if number is None else ("PATCH", f"issues/{number}")
        return _url(self._api(*request, "--input", "-", stdin=json.dumps(content)))

    def close_issue(self, number: int, comment: str) -> str:
        """Comment on an issue, close it, and return its URL."""
        self.write_comment(number, None, comment)
        content = {"state": "closed", "state_reason": "completed"}
        closed = self._api("PATCH", f"issues/{number}", "--input", "-", stdin=json.dumps(content))
        return _url(closed)

    def merge_base(self, branch: str, commit: str) -> str:
        """Return the merge base of a branch and a commit."""
        compared = self._api("GET", f"compare/{quote(branch, safe='')}...{commit}?per_page=1")
        try:
            return str(compared["merge_base_commit"]["sha"])
        except (KeyError, TypeError) as error:
            raise _unexpected(error) from error

    def file_at(self, path: str, commit: str) -> str:
        """Return the text of a file at a commit."""
        return self._text("GET", f"contents/{path}", "-f", f"ref={commit}", "-H", _RAW)

    def jobs(self, run_id: int) -> list[Job]:
        """List the jobs and steps of a run's last attempt."""
        return self._listed(Job.read, f"actions/runs/{run_id}/jobs", key="jobs")

    def artifacts(self, run_id: int, name: str) -> list[Artifact]:
        """List the artifacts with a name, from all attempts of a run."""
        path = f"actions/runs/{run_id}/artifacts"
        return self._listed(Artifact.read, path, {"name": name}, key="artifacts")

    def download(self, artifact_id: int, max_bytes: int) -> bytes:
        """Download an artifact's archive, but at most ``max_bytes + 1`` bytes."""
        command = ["gh", "api", f"{self._path}/actions/artifacts/{artifact_id}/zip"]
        with (
            tempfile.TemporaryFile() as errors,
            subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, env=self._environment
            ) as downloading,
        ):
            assert downloading.stdout is not None
            # Neither the read below nor the end of this block has a timeout.
            limit = threading.Timer(TIMEOUT_S, downloading.kill)
            limit.start()
            try:
                content = downloading.stdout.read(max_bytes + 1)
                if len(content) > max_bytes:
                    downloading.kill()
                    return content
                code = downloading.wait()
            finally:
                limit.cancel()
            errors.seek(0)
            reason = self._redacted(errors.read().decode(errors="replace"))
        if code == -signal.SIGKILL:
            raise GitHubError(f"downloading the artifact: no answer in {TIMEOUT_S} seconds")
        if code:
            raise GitHubError(f"downloading the artifact: {reason}")
        return content

    def _opened(self, method: str, path: str, **fields: str) -> OpenedPull:
        answer = self._api(method, path, "--input", "-", stdin=json.dumps(fields))
        try:
            return OpenedPull.read(answer)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise _unexpected(error) from error

    def _listed(
        self,
        read: Callable[[Any], Listed],
        path: str,
        query: Mapping[str, str] | None = None,
        key: str | None = None,
    ) -> list[Listed]:
        """Read all pages of a list; `read` parses each entry."""
        entries: list[Listed] = []
        for page in range(1, 1000):
            parameters = {**(query or {})} | {"per_page": str(_PAGE_SIZE), "page": str(page)}
            fields = [
                word for name, value in parameters.items() for word in ("-f", f"{name}={value}")
            ]
            answer = self._api("GET", path, *fields)
            try:
                listed = answer if key is None else answer[key]
                if not isinstance(listed, list):
                    raise TypeError("not a list")
                entries += map(read, listed)
                if len(listed) < _PAGE_SIZE:
                    break
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                raise _unexpected(error) from error
        return entries

    def _api(self, method: str, path: str, *options: str, stdin: str = "") -> Any:
        answer = self._text(method, path, *options, stdin=stdin)
        try:
            return json.loads(answer)
        except ValueError as error:
            raise GitHubError(f"{method} {path or self._path}: the answer is not JSON") from error

    def _text(self, method: str, path: str, *options: str, stdin: str = "") -> str:
        address = f"{self._path}/{path}".rstrip("/")
        try:
            done = process.run(
                ["gh", "api", "--method", method, address, *options],
                environment=self._environment,
                stdin=stdin,
                timeout_s=TIMEOUT_S,
            )
        except FileNotFoundError as error:
            raise GitHubError("gh: not found; install GitHub's command line") from error
        except TimeoutError as error:
            raise GitHubError(f"{method} {path}: no answer in {TIMEOUT_S} seconds") from error
        if done.returncode:
            raise GitHubError(f"{method} {path or address}: {self._redacted(done.stderr)}")
        return done.stdout

    def _redacted(self, text: str) -> str:
        """Remove the token from an error of `gh`: a server may echo what it was sent."""
        return (text.replace(self.token, "***") if self.token else text).strip()

    @property
    def _environment(self) -> dict[str, str]:
        # gh reads GH_ENTERPRISE_TOKEN for servers other than github.com.
        return os.environ | {
            "GH_HOST": urlsplit(self.address).netloc,
            "GH_TOKEN": self.token,
            "GH_ENTERPRISE_TOKEN": self.token,
            "GH_PROMPT_DISABLED": "1",
            "GH_NO_UPDATE_NOTIFIER": "1",
        }


def _url(answer: Any) -> str:
    try:
        return str(answer["html_url"])
    except (KeyError, TypeError) as error:
        raise _unexpected(error) from error


def _unexpected(error: Exception) -> GitHubError:
    return GitHubError(f"GitHub's answer is not as expected: {type(error).__name__} {error}")
