"""What the comment needs of GitHub beyond reading: writing comments, and CML."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from churn import github
from churn.comment.sticky import TITLE


class Repository(github.Repository):
    """A repository whose pull requests are commented on.

    Parameters
    ----------
    address : str
        Such as ``https://github.com/owner/name``.
    token : str
        With the permissions ``actions: read`` and ``pull-requests: write``.
    """

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
                    timeout=github.PATIENCE_S,
                )
            except (OSError, subprocess.SubprocessError) as error:
                print(f"cml failed ({type(error).__name__}): gh posts the comment")
                return False
        return True
