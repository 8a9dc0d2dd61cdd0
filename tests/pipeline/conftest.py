"""Clones of this repository, as it is in the work tree, in which real commands run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests import warm
from tests.conftest import require_example

ROOT = Path(__file__).resolve().parents[2]
_CHECKS_PYTHON = ROOT / ".venv-checks" / "bin" / "python"


@dataclass(frozen=True)
class Clone:
    """A clone, and how commands run in it: its own sources, an empty HOME.

    With `is_warm` its programs start at once; see `tests.warm`.
    """

    root: Path
    home: Path
    is_warm: bool = False

    def run(
        self, *command: str, check: bool = True, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command; with `check`, fail with what it printed if its exit code is not 0."""
        done = subprocess.run(
            command,
            cwd=self.root,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=600,
        )
        if check and done.returncode:
            pytest.fail(f"{' '.join(command)}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    @property
    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "CHURN_"))}
        programs, checks_python = [Path(sys.executable).parent], _CHECKS_PYTHON
        if self.is_warm and warm.is_possible():
            programs.insert(0, warm.programs())
            if _CHECKS_PYTHON.exists():
                checks_python = warm.checks_python(_CHECKS_PYTHON)
        return kept | {
            "HOME": str(self.home),
            "PATH": os.pathsep.join([*map(str, programs), os.environ["PATH"]]),
            "PYTHONPATH": str(self.root / "src"),
            "CHURN_CHECKS_PYTHON": str(checks_python),
            "GIT_AUTHOR_NAME": "test",
            "GIT_AUTHOR_EMAIL": "test@example.org",
            "GIT_COMMITTER_NAME": "test",
            "GIT_COMMITTER_EMAIL": "test@example.org",
            # Bigger than what a test commits in one go: no background process in its way.
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "gc.auto",
            "GIT_CONFIG_VALUE_0": "0",
        }

    def git(self, *arguments: str) -> str:
        return self.run("git", *arguments).stdout.strip()

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace a text that has to be there."""
        text = (self.root / path).read_text()
        assert old in text, f"{path} does not hold {old!r}"
        (self.root / path).write_text(text.replace(old, new))


def make_clone(folder: Path, *, is_warm: bool = False) -> Clone:
    """Copy what git tracks or would track, and commit it; skip where the table is another one."""
    require_example()
    clone = Clone(folder / "clone", folder / "home", is_warm)
    clone.home.mkdir(parents=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (clone.root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, clone.root / name)
    clone.git("init", "--quiet", "--initial-branch=main")
    clone.git("config", "pack.window", "0")  # each checkout of a job would look for deltas
    clone.git("add", "--all")
    clone.git("commit", "--quiet", "--message", "as it is")
    return clone


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    """A clone of its own, with the data, nothing built."""
    fresh = make_clone(tmp_path)
    fresh.run("dvc", "pull", "--quiet", "data.dvc")
    return fresh


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone in which the pipeline has run, as `make run` does it; tests leave it as it is.

    The first stage runs as the real programs run it, the others are forked: `tests.warm`.
    """
    fresh = make_clone(tmp_path_factory.mktemp("built"))
    fresh.run("dvc", "pull", "--quiet", "data.dvc")
    fresh.run("dvc", "repro", "prepare")
    forked = replace(fresh, is_warm=True)
    forked.run("dvc", "repro")
    forked.run("churn", "track")  # where dvc.lock is current, DVC skips that stage
    return fresh
