"""Changes in small git repositories of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from churn.provenance.git import git


def write(root: Path, files: dict[str, str]) -> None:
    """Write files below `root`."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)


def commit(root: Path) -> str:
    """Commit all that there is, and return the commit."""
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--allow-empty", "--message", "change")
    return git(root, "rev-parse", "HEAD").strip()


def dvc(root: Path, *arguments: str) -> None:
    """Run DVC; with the fixture `warm_programs` it starts at once."""
    command = [sys.executable, "-m", "dvc", *arguments]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert not done.returncode, done.stderr
