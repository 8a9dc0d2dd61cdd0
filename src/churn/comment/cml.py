"""Write the comment with CML."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from churn.comment.sticky import TITLE
from churn.core import process
from churn.provenance import github

# Where comment.yml checks out CML, with its dependencies installed.
_SOURCE = Path(".github/cml/source/bin/cml.js")
_OTHER_TOKENS = ("GH_TOKEN", "GITHUB_TOKEN", "GH_ENTERPRISE_TOKEN")


def write_comment(repository: github.Repository, number: int, body: str) -> bool:
    """Create or update the comment on a pull request; False if CML is missing or fails."""
    node = shutil.which("node")
    command = [node, str(_SOURCE)] if node and _SOURCE.is_file() else ["cml"]
    if not shutil.which(command[0]):
        print("cml is not installed: gh posts the comment")
        return False
    environment = {key: value for key, value in os.environ.items() if key not in _OTHER_TOKENS} | {
        "REPO_TOKEN": repository.token,
        "CML_REPO": repository.address,
        "CML_DRIVER": "github",
        "ITERATIVE_DO_NOT_TRACK": "1",
    }
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "comment.md"
        file.write_text(body, encoding="utf-8")
        # By default CML uploads every file that the text links to to a third party.
        options = [f"--target=pr/{number}", "--publish=false", f"--watermark-title={TITLE}"]
        try:
            # Its output is not printed: an error may quote the token, or text of the pull request
            # that the runner would interpret as workflow commands.
            done = process.run(
                [*command, "comment", "update", *options, str(file)],
                environment=environment,
                timeout_s=github.TIMEOUT_S,
            )
        except OSError as error:
            print(f"cml failed ({type(error).__name__}): gh posts the comment")
            return False
    if done.returncode:
        print(f"cml failed (exit code {done.returncode}): gh posts the comment")
    return not done.returncode
