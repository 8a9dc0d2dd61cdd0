"""GitHub's API by way of `gh`, and CML: the only module of the package that talks to anyone."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from churn.comment.sticky import TITLE
from churn.errors import ChurnError

_PAGE = 100
_PATIENCE_S = 120


class GitHubError(ChurnError):
    """GitHub, or the program that asks it, refused."""


class Repository:
    """A repository on a GitHub server.

    Parameters
    ----------
    address : str
        Such as ``https://github.com/owner/name``.
    token : str
        With the permissions ``actions: read`` and ``pull-requests: write``.
    """

    def __init__(self, address: str, token: str) -> None:
        self.address = address
        self._token = token
        self._path = f"repos{urlsplit(address).path}"

    def pull_requests(self, owner: str, branch: str) -> list[dict[str, Any]]:
        """List the open pull requests from a branch."""
        query = {"state": "open", "head": f"{owner}:{branch}"}
        return self._listed("pulls", None, query)

    def artifacts(self, run_id: int, name: str) -> list[dict[str, Any]]:
        """List a run's artifacts of a name, of all its attempts."""
        return self._listed(f"actions/runs/{run_id}/artifacts", "artifacts", {"name": name})

    def download(self, artifact_id: int, max_bytes: int) -> bytes:
        """Get an artifact's archive; at most one byte more than `max_bytes` of it."""
        command = ["gh", "api", f"{self._path}/actions/artifacts/{artifact_id}/zip"]
        with (
            tempfile.TemporaryFile() as said,
            subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=said, env=self._environment
            ) as process,
        ):
            assert process.stdout is not None
            # Neither reading nor leaving this block has a time limit of its own.
            limit = threading.Timer(_PATIENCE_S, process.kill)
            limit.start()
            try:
                content = process.stdout.read(max_bytes + 1)
                if len(content) > max_bytes:
                    process.kill()
                    return content
                code = process.wait()
            finally:
                limit.cancel()
            said.seek(0)
            reason = said.read().decode(errors="replace").strip()
        if code == -signal.SIGKILL:
            raise GitHubError(f"downloading the artifact: no answer in {_PATIENCE_S} seconds")
        if code:
            raise GitHubError(f"downloading the artifact: {reason}")
        return content

    def comments(self, number: int) -> list[dict[str, Any]]:
        """List every comment of a pull request, oldest first."""
        return self._listed(f"issues/{number}/comments", None, {})

    def write_comment(self, number: int, comment_id: int | None, body: str) -> str:
        """Write a comment, new or again, and return its address."""
        where = ("PATCH", f"issues/comments/{comment_id}")
        if comment_id is None:
            where = ("POST", f"issues/{number}/comments")
        written = self._api(*where, "--input", "-", stdin=json.dumps({"body": body}))
        return str(written["html_url"])

    def cml_comment(self, number: int, body: str) -> bool:
        """Let CML write the comment; tell whether it is there and did it."""
        if shutil.which("cml") is None:
            print("cml is not installed: gh posts the comment")
            return False
        environment = os.environ | {
            "REPO_TOKEN": self._token,
            "CML_REPO": self.address,
            "CML_DRIVER": "github",
            "ITERATIVE_DO_NOT_TRACK": "1",
        }
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "comment.md"
            report.write_text(body, encoding="utf-8")
            # Unless told not to, CML uploads every file that the text links to a third party.
            options = [f"--target=pr/{number}", "--publish=false", f"--watermark-title={TITLE}"]
            try:
                subprocess.run(
                    ["cml", "comment", "update", *options, str(report)],
                    env=environment,
                    check=True,
                    timeout=_PATIENCE_S,
                )
            except (OSError, subprocess.SubprocessError) as error:
                print(f"cml failed ({type(error).__name__}): gh posts the comment")
                return False
        return True

    def _listed(self, path: str, key: str | None, query: dict[str, str]) -> list[dict[str, Any]]:
        """Read every page of a list."""
        found: list[dict[str, Any]] = []
        for page in range(1, 1000):
            asked = query | {"per_page": str(_PAGE), "page": str(page)}
            fields = [word for name, value in asked.items() for word in ("-f", f"{name}={value}")]
            answer = self._api("GET", path, *fields)
            listed = answer if key is None else answer[key]
            found += listed
            if len(listed) < _PAGE:
                break
        return found

    def _api(self, method: str, path: str, *options: str, stdin: str = "") -> Any:
        try:
            done = subprocess.run(
                ["gh", "api", "--method", method, f"{self._path}/{path}", *options],
                input=stdin,
                capture_output=True,
                text=True,
                env=self._environment,
                timeout=_PATIENCE_S,
            )
        except FileNotFoundError as error:
            raise GitHubError("gh: not found; install GitHub's command line") from error
        except subprocess.TimeoutExpired as error:
            raise GitHubError(f"{method} {path}: no answer in {_PATIENCE_S} seconds") from error
        if done.returncode:
            raise GitHubError(f"{method} {path}: {done.stderr.strip()}")
        try:
            return json.loads(done.stdout)
        except ValueError as error:
            raise GitHubError(f"{method} {path}: the answer is not JSON") from error

    @property
    def _environment(self) -> dict[str, str]:
        # gh takes the second token for servers other than github.com.
        return os.environ | {
            "GH_HOST": urlsplit(self.address).netloc,
            "GH_TOKEN": self._token,
            "GH_ENTERPRISE_TOKEN": self._token,
            "GH_PROMPT_DISABLED": "1",
            "GH_NO_UPDATE_NOTIFIER": "1",
        }
