"""What the comment asks of GitHub, and how it is written: by CML, or by `gh`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

from churn import github
from churn.comment.sticky import TITLE

# Where comment.yml puts CML's source; beside it are the packages that it needs.
_CML = Path(".github/cml/source/bin/cml.js")
_OTHER_TOKENS = ("GH_TOKEN", "GITHUB_TOKEN", "GH_ENTERPRISE_TOKEN")
_RAW = "Accept: application/vnd.github.raw+json"


class Repository(github.Repository):
    """A repository whose pull requests are commented on.

    Parameters
    ----------
    address : str
        Such as ``https://github.com/owner/name``.
    token : str
        With the permissions ``actions: read``, ``contents: read`` and ``pull-requests: write``.
    """

    def comments(self, number: int) -> list[dict[str, Any]]:
        """List every comment of a pull request, oldest first."""
        return self._listed(f"issues/{number}/comments", None, {})

    def changed_files(self, number: int) -> list[dict[str, Any]]:
        """List the files that a pull request changes; GitHub names the first 3,000."""
        return self._listed(f"pulls/{number}/files", None, {})

    def jobs(self, run_id: int) -> list[dict[str, Any]]:
        """List the jobs of a run's last attempt, with their steps."""
        return self._listed(f"actions/runs/{run_id}/jobs", "jobs", {"filter": "latest"})

    def merge_base(self, base: str, head: str) -> str:
        """Return the newest commit that a branch and a commit have in common."""
        compared = self._api("GET", f"compare/{quote(base, safe='')}...{head}?per_page=1")
        return str(compared["merge_base_commit"]["sha"])

    def file_at(self, path: str, commit: str) -> str:
        """Return the text of a file as it is in a commit."""
        return self._text("GET", f"contents/{path}", "-f", f"ref={commit}", "-H", _RAW)

    def write_comment(self, number: int, comment_id: int | None, body: str) -> str:
        """Write a comment, new or again, and return its address."""
        where = ("PATCH", f"issues/comments/{comment_id}")
        if comment_id is None:
            where = ("POST", f"issues/{number}/comments")
        written = self._api(*where, "--input", "-", stdin=json.dumps({"body": body}))
        return str(written["html_url"])

    def cml_comment(self, number: int, body: str) -> bool:
        """Let CML write the comment; tell whether it is there and did it."""
        command = _cml()
        if not command:
            print("cml is not installed: gh posts the comment")
            return False
        kept = {name: value for name, value in os.environ.items() if name not in _OTHER_TOKENS}
        environment = kept | {
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
                # What it says when it fails may hold the token, or text of the pull request that
                # the runner would take for commands. So nobody is told.
                done = subprocess.run(
                    [*command, "comment", "update", *options, str(report)],
                    env=environment,
                    capture_output=True,
                    timeout=github.PATIENCE_S,
                )
            except (OSError, subprocess.SubprocessError) as error:
                print(f"cml failed ({type(error).__name__}): gh posts the comment")
                return False
        if done.returncode:
            print(f"cml failed (exit code {done.returncode}): gh posts the comment")
        return not done.returncode


def _cml() -> list[str]:
    """Return the command that runs CML; empty where it is not installed."""
    if _CML.is_file() and (node := shutil.which("node")):
        return [node, str(_CML)]
    return ["cml"] if shutil.which("cml") else []
